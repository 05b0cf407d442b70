"""Options dataclasses as command lines."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from instseg.commands.parser import Parser
from instseg.core.errors import InputError
from instseg.core.options import python_only, renamed

if TYPE_CHECKING:
    from collections.abc import Callable

    import nowhere  # what is imported for the type checker alone must not be needed
    from nowhere import Data

Rule = Literal["no", "yes"]


@dataclass(frozen=True)
class Options:
    """Does 100% of it.

    More words.

    Args:
        coco_json: The dataset,
            in two lines: the second.
        images: Photos of `coco_json` and `others`.
        weights: A name or a path.
        sizes: Sides.
        steps: So many.
        rate: Of learning.
        rule: Which.
        names: Of classes.
        steps_between: Of checkpoints.
        draw: Pictures.
        on_event: Told what happens.

    Raises:
        nothing: This is no option.
    """

    coco_json: str | Path | Data
    images: str | Path | Sequence[Mapping[str, Any]] | None = None
    _: KW_ONLY
    weights: str | Path | nowhere.Model = "demo"
    sizes: list[int] = field(default_factory=lambda: [320])
    steps: int | None = None
    rate: float = 0.5
    rule: Rule = "yes"
    names: list[str] | str | None = None
    steps_between: int = renamed(200, "save_every")
    draw: bool = True
    on_event: Callable[[Any], None] | None = python_only()


def parse(*arguments: str) -> Options:
    return Parser(Options, "prog").parse(["--coco-json", "a.json", *arguments])


def refused(*arguments: str) -> str:
    with pytest.raises(InputError) as caught:
        parse(*arguments)
    return getattr(caught.value, "as_options", caught.value.__str__)()


def test_values_have_the_types_of_the_fields():
    assert parse() == Options(Path("a.json"))
    read = parse(
        "--images", "photos/", "--weights", "coco-v2", "--sizes", "[64, 96]", "--rate=1e-3"
    )
    expected = Options(
        Path("a.json"), Path("photos"), weights="coco-v2", sizes=[64, 96], rate=0.001
    )
    assert read == expected
    assert type(read.weights) is str


@pytest.mark.parametrize(
    ("text", "names"), [("dog,cat", "dog,cat"), ("[dog, cat]", ["dog", "cat"]), ("null", None)]
)
def test_the_first_type_that_fits_is_taken(text, names):
    assert parse("--names", text).names == names


def test_flags_are_switched_off_by_no():
    assert not parse("--no-draw").draw
    assert parse("--no-draw", "--draw").draw


def test_old_names_still_work_and_are_not_in_the_help(tmp_path):
    assert parse("--save-every", "3").steps_between == 3
    config = tmp_path / "a.yaml"
    config.write_text("save-every: 4\n")
    assert parse("--config", str(config)).steps_between == 4
    config.write_text("save-every: 4\nsteps_between: 5\n")
    assert refused("--config", str(config)) == f"{config}: --steps-between is given twice"
    assert "save-every" not in Parser(Options, "prog").argparse().format_help()


@dataclass(frozen=True, kw_only=True)
class MoreOptions(Options):
    """Does it, and writes it down.

    Args:
        weights: Other words.
        out: Folder.
    """

    out: Path = Path("out")


def test_options_are_inherited_with_their_help():
    text = " ".join(Parser(MoreOptions, "prog").argparse().format_help().split())
    assert "prog [options] Does it, and writes it down. options:" in text
    assert "--images PATH Photos of" in text
    assert "--weights TEXT Other words." in text
    assert text.index("--out PATH Folder.") < text.index("--images")  # as they are documented


def test_what_only_python_can_give_is_no_option():
    assert "unrecognized arguments: --on-event" in refused("--on-event", "x")


def test_the_help_is_the_docstring():
    text = " ".join(Parser(Options, "prog").argparse().format_help().split())
    assert text.startswith("usage: prog [options] Does 100% of it. More words.")
    assert "--coco-json PATH The dataset, in two lines: the second. --images" in text
    assert "--images PATH Photos of --coco-json and `others`." in text
    assert "--weights TEXT A name or a path. (default: demo)" in text
    assert "--sizes LIST Sides. (default: [320])" in text
    assert "--rule {no,yes} Which. (default: yes)" in text
    assert "--draw, --no-draw Pictures. (default: True)" in text
    assert "nothing" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "3.0"], "--steps must be a whole number, not 3.0"),
        (["--rate", "nan"], "--rate must be a number, not nan"),
        (["--rule", "maybe"], "--rule must be one of no, yes, not maybe"),
        (
            ["--sizes", "[1, x]"],
            "--sizes must be a list of whole numbers in brackets, [first, second], not [1, x]",
        ),
        (["--rate"], "argument --rate: expected one argument; see prog --help"),
        (["--rat", "1"], "unrecognized arguments: --rat 1; see prog --help"),
    ],
)
def test_messages_name_the_option_the_value_and_the_mend(arguments, message):
    assert refused(*arguments) == message


@pytest.mark.parametrize("text", ["[" * 5000, "rate: [", "\0", "? [a]\n: b"])
def test_what_is_no_yaml_is_refused(text, tmp_path):
    config = tmp_path / "a.yaml"
    config.write_text(text)
    assert refused("--config", str(config)).startswith(f"{config}: is not YAML")
    assert refused("--sizes", text).startswith("--sizes must be a list of whole numbers")


def test_a_pipe_as_config_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "pipe: is a pipe or a device" in refused("--config", str(tmp_path / "pipe"))


def test_required_options_are_asked_for():
    with pytest.raises(InputError, match="--coco-json must be given; see prog --help"):
        Parser(Options, "prog").parse([])


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("rate: 1", 1.0),
        ("rate: 1e-3", 0.001),  # text, to YAML
        ("rule: no", "no"),  # False, to YAML
        ("names: [dog, cat]", ["dog", "cat"]),
        ("steps: null", None),
        ("draw: false", False),
    ],
)
def test_files_give_values_as_yaml_has_them(line, value, tmp_path):
    config = tmp_path / "a.yaml"
    config.write_text(line)
    assert getattr(parse("--config", str(config)), line.partition(":")[0]) == value


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("steps: true", "--steps must be a whole number, not True"),
        ("steps: 1.0", "--steps must be a whole number, not 1.0"),
        ("draw: 1", "--draw must be true or false, not 1"),
        ("weights: 5", "--weights must be text, not 5"),
        ("images: [a]", "--images must be a path, not ['a']"),
        (
            "sizes: 64",
            "--sizes must be a list of whole numbers in brackets, [first, second], not 64",
        ),
        ("rate: null", "--rate must be a number, not None"),
        (f"rate: 1{'0' * 400}", f"--rate must be a number, not 1{'0' * 400}"),
    ],
)
def test_wrong_types_in_a_file_are_refused(line, message, tmp_path):
    config = tmp_path / "a.yaml"
    config.write_text(line)
    assert refused("--config", str(config)) == f"{config}: {message}"


@dataclass(frozen=True)
class Copying:
    """Copies.

    Args:
        sources: What.
        out: Where.
    """

    sources: Sequence[Path]
    out: Path


def test_the_last_of_several_words_is_the_last_argument(tmp_path):
    parser = Parser(Copying, "copy", ("sources", "out"))
    assert parser.parse(["a", "b", "c"]) == Copying([Path("a"), Path("b")], Path("c"))
    (tmp_path / "c.yaml").write_text("out: c")
    given = ["a", "b", f"--config={tmp_path / 'c.yaml'}"]
    assert parser.parse(given) == Copying([Path("a"), Path("b")], Path("c"))
    with pytest.raises(InputError, match="no out given"):
        parser.parse(["a"])
