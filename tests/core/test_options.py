"""Functions whose arguments are the fields of a dataclass."""

import inspect
from dataclasses import KW_ONLY, dataclass

import pytest

from instseg.core.options import python_only, renamed, takes


@dataclass(frozen=True)
class CountOptions:
    path: str
    _: KW_ONLY
    least: int = renamed(1, "minimum")
    on_event: object = python_only()


@takes(CountOptions)
def count(options: CountOptions) -> tuple:
    """Counts."""
    return options.path, options.least


def test_a_verb_takes_the_fields_as_arguments():
    assert count("a", least=3) == ("a", 3)
    assert count("a") == ("a", 1)
    with pytest.raises(TypeError, match="most"):
        count("a", most=3)
    with pytest.raises(TypeError):
        count("a", 3)


def test_help_shows_the_arguments_and_what_is_returned():
    signature = inspect.signature(count)
    assert list(signature.parameters) == ["path", "least", "on_event"]
    assert signature.parameters["least"].kind is inspect.Parameter.KEYWORD_ONLY
    assert signature.return_annotation is tuple
    assert (count.__name__, count.__doc__) == ("count", "Counts.")
