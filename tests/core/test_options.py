"""Functions that take the fields of a dataclass: wrong arguments are told in one line."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from instseg.core.errors import ArgumentError
from instseg.core.instances import Instances
from instseg.core.options import checks_types, python_only, renamed, takes

if TYPE_CHECKING:
    from somewhere import Data, Network


@dataclass(frozen=True)
class CountOptions:
    """Counts.

    Args:
        data: What is counted, beside --network and
            --other-things.
        steps: How often.

    Raises:
        ValueError: Never.
    """

    data: str | Path | Data
    _: KW_ONLY
    steps: int | None = renamed(3, "epochs")
    threshold: float = 0.5
    quick: bool = False
    how: Literal["fast", "slow"] = "fast"
    sizes: Sequence[int] = (1, 2)
    results: Path | Sequence[Mapping[str, Any]] | None = None
    network: str | Network = "small"
    anything: list[Any] | None = None
    several: Sequence[str | Path] = ()
    points: Sequence[Sequence[float]] = ()
    image: NDArray[np.uint8] | None = None
    found: Instances | None = None
    on_event: Callable[[int], None] = python_only(print)
    cancel: threading.Event | None = None


@takes(CountOptions)
def count(options: CountOptions) -> CountOptions:
    """Count.

    Returns:
        The options.
    """
    return options


Imported = type("Network", (), {})  # what the annotation names
Smaller = type("Smaller", (Imported,), {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data", Path("a")),
        ("steps", None),
        ("threshold", 1),
        ("threshold", np.float32(0.5)),
        ("sizes", [1, np.int64(2)]),
        ("sizes", ()),
        ("results", [{}]),
        ("results", "a.json"),
        ("network", Imported()),
        ("network", Smaller()),
        ("anything", [1, "a"]),
        ("cancel", threading.Event()),
    ],
)
def test_values_of_the_field_s_type_are_taken(name, value):
    assert getattr(count(**{"data": "a", name: value}), name) == value


def test_numbers_of_numpy_become_plain_ones_that_json_can_hold():
    options = count("a", steps=np.int64(3), threshold=np.float32(0.5))
    assert type(options.steps) is int and type(options.threshold) is float


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("data", ["a"], "data=['a'] must be text, a path or a Data"),
        ("data", None, "data=None must be text, a path or a Data"),
        ("steps", "3", "steps='3' must be a whole number"),
        ("steps", 3.5, "steps=3.5 must be a whole number"),
        ("steps", True, "steps=True must be a whole number"),
        ("threshold", "0.5", "threshold='0.5' must be a number"),
        ("threshold", False, "threshold=False must be a number"),
        ("quick", "yes", "quick='yes' must be True or False"),
        ("how", "medium", "how='medium' must be one of fast, slow"),
        ("sizes", 3, "sizes=3 must be a list of whole numbers"),
        ("sizes", "3", "sizes='3' must be a list of whole numbers"),
        ("sizes", [1, "a"], "sizes=[1, 'a'] must be a list of whole numbers"),
        ("results", [1], "results=[1] must be a path or a list of dicts"),
        ("network", 5, "network=5 must be text or a Network"),
        ("anything", "a", "anything='a' must be a list"),
        ("several", [1], "several=[1] must be a list of texts or paths"),
        ("points", [[1], ["a"]], "points=[[1], ['a']] must be a list of lists of numbers"),
        ("image", "a.jpg", "image='a.jpg' must be an array"),
        ("found", "a.json", "found='a.json' must be Instances"),
        ("on_event", None, "on_event=None must be a function"),
        ("cancel", True, "cancel=True must be an Event"),
        (
            "data",
            np.zeros((2, 2)),
            "data=array([[0., 0.], [0., 0.]]) must be text, a path or a Data",
        ),
    ],
)
def test_a_value_of_another_type_is_told_with_what_is_needed(name, value, message):
    with pytest.raises(ArgumentError) as raised:
        count(**{"data": "a", name: value})
    assert str(raised.value) == message


def test_a_long_value_is_cut_short():
    with pytest.raises(
        ArgumentError, match=r"^steps=\[0, 1, .*\.\.\. must be a whole number$"
    ) as e:
        count("a", steps=list(range(10_000)))
    assert len(str(e.value)) < 200


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (("a",), {"stpes": 3}, "count() has no argument 'stpes'; did you mean steps?"),
        (("a",), {"epochs": 3}, "count() has no argument 'epochs'; did you mean steps?"),
        (("a",), {"xyz": 3}, "count() has no argument 'xyz'"),
        ((), {}, "count(): missing a required argument: 'data'"),
        (("a", 3), {}, "count(): too many positional arguments"),
    ],
)
def test_arguments_that_there_are_not_are_told_as_the_function_s_own(args, kwargs, message):
    with pytest.raises(TypeError) as raised:
        count(*args, **kwargs)
    assert str(raised.value) == message


def test_the_help_describes_each_argument_in_the_words_of_python():
    assert count.__doc__ == (
        "Count.\n\nArgs:\n    data: What is counted, beside network and\n        other_things.\n"
        "    steps: How often.\n\nReturns:\n    The options."
    )


@checks_types
def area(box: Sequence[float], *, unit: Literal["px", "cm"] = "px") -> float:
    """Of a box."""
    return float(box[2] * box[3])


def test_a_plain_function_checks_its_arguments_by_their_annotations():
    assert area([0, 0, 2, 3], unit="cm") == 6
    with pytest.raises(ArgumentError, match=r"^box='a' must be a list of numbers$"):
        area("a")
    with pytest.raises(ArgumentError, match=r"^unit='mm' must be one of px, cm$"):
        area([0, 0, 1, 1], unit="mm")
    with pytest.raises(TypeError, match=r"area.* got an unexpected keyword argument 'units'"):
        area([0, 0, 1, 1], units="px")
