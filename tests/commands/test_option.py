"""One option of a command, from one field of a dataclass."""

from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from instseg.commands.option import Option, description, help_texts, options_of
from instseg.core.errors import ArgumentError
from instseg.core.options import python_only, renamed


@dataclass(frozen=True, kw_only=True)
class Options:
    """Counts objects.

    In two paragraphs.

    Args:
        path: A dataset,
            which stays as it is.
        classes: Names, as in `path`.
        least: The least number.
        fast: Whether to hurry.
    """

    path: Path
    classes: list[str] | None = None
    least: int = renamed(1, "minimum")
    fast: bool = False
    on_event: Any = python_only()


def test_options_are_those_that_text_can_become():
    path, classes, least, fast = options_of(Options, positional=["path"])
    assert (path.types, path.default, path.positional) == ((Path,), MISSING, True)
    assert (classes.types, classes.optional) == ((list[str],), True)
    assert (least.aliases, least.usage) == (("minimum",), "--least N")
    assert fast.usage == "--fast, --no-fast"


def test_help_comes_from_the_docstring():
    assert description(Options) == "Counts objects.\n\nIn two paragraphs."
    texts = help_texts(Options)
    assert texts["path"] == "A dataset, which stays as it is."
    assert texts["classes"] == "Names, as in --path."
    assert options_of(Options)[2].text == "The least number. (default: 1)"


def option(*types: Any, optional: bool = False) -> Option:
    return Option(name="some_option", default=None, types=types, optional=optional, help="")


@pytest.mark.parametrize(
    ("types", "text", "value"),
    [
        ((int,), "3", 3),
        ((float,), "1e-3", 0.001),
        ((Path,), "a/b", Path("a/b")),
        ((list[int],), "[1, 2]", [1, 2]),
        ((Literal["no", "all"],), False, "no"),  # as YAML reads `no`
        ((int, str), "7", 7),
        ((int, str), "seven", "seven"),
    ],
)
def test_text_and_yaml_become_the_type(types, text, value):
    found = option(*types).converted(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("types", "text", "words"),
    [
        ((int,), "3.5", "a whole number"),
        ((int,), True, "a whole number"),
        ((float,), "nan", "a number"),
        ((bool,), "yes", "true or false"),
        ((list[int],), "1, 2", r"a list of whole numbers in brackets"),
        ((Literal["no", "all"],), "some", "one of no, all"),
    ],
)
def test_other_text_names_the_option(types, text, words):
    with pytest.raises(ArgumentError, match=words) as caught:
        option(*types).converted(text)
    assert caught.value.as_options().startswith("--some-option must be ")


def test_null_is_nothing_where_nothing_is_allowed():
    assert option(int, optional=True).converted("null") is None
    with pytest.raises(ArgumentError):
        option(int).converted("null")


def test_an_option_that_no_text_becomes_must_be_for_python_only():
    @dataclass(frozen=True, kw_only=True)
    class Wrong:
        """Wrong.

        Args:
            callback: Called.
        """

        callback: dict[str, int] = field(default_factory=dict)

    with pytest.raises(AssertionError, match="is it python_only"):
        options_of(Wrong)
