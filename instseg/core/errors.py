"""Errors that are written for the user."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from numbers import Real

LONGEST_VALUE = 100  # characters that a message shows

_ARGUMENT = re.compile(r"\{(\w+)\}")


class InputError(ValueError):
    """The input of the user is wrong.

    The message is one line that names the file (or argument) and the remedy; commands print it and
    exit with code 2.
    """


class ArgumentError(InputError):
    """An argument is out of range, or arguments do not go together.

    Python users read the names of arguments, `score_threshold=2 must lie between 0 and 1`;
    commands print `as_options()`, `--score-threshold must lie between 0 and 1, not 2`.

    Args:
        message: Names of arguments stand in braces: `{weights} needs {images}`.
        values: The wrong value of an argument, to be shown; `skips=False` is `--no-skips`
            on the command line.
    """

    def __init__(self, message: str, **values: object) -> None:
        self.message, self.values = message, values
        super().__init__(_ARGUMENT.sub(self._as_argument, message))

    def as_options(self) -> str:
        """The message with the names of command line options."""
        shown = _ARGUMENT.sub(self._as_option, self.message)
        wrong = [str(value) for value in self.values.values() if value is not False]
        return f"{shown}, not {', '.join(wrong)}" if wrong else shown

    def _as_argument(self, name: re.Match[str]) -> str:
        if name[1] not in self.values:
            return name[1]
        shown = " ".join(repr(self.values[name[1]]).split())  # an array's has several lines
        if len(shown) > LONGEST_VALUE:
            shown = f"{shown[:LONGEST_VALUE]}..."
        return f"{name[1]}={shown}"

    def _as_option(self, name: re.Match[str]) -> str:
        return option_name(f"no_{name[1]}" if self.values.get(name[1]) is False else name[1])

    def __reduce__(self) -> tuple[object, ...]:
        """Pickles all attributes, because errors come back from other processes."""
        return _rebuilt, (self.message, self.values)


def _rebuilt(message: str, values: dict[str, object]) -> ArgumentError:
    return ArgumentError(message, **values)


def option_name(argument: str) -> str:
    """`score_threshold` is `--score-threshold`."""
    return "--" + argument.replace("_", "-")


def require_between(low: float, high: float = math.inf, /, **values: float | None) -> None:
    """Raise ArgumentError for the first value outside low..high; None stands for "not given"."""
    _require_numbers(values)
    limits = f"lie between {low:,} and {high:,}" if high < math.inf else f"be at least {low:,}"
    for name, value in values.items():
        if value is not None and not low <= value <= high:
            raise ArgumentError(f"{{{name}}} must {limits}", **{name: value})


def _require_numbers(values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if not isinstance(value, Real | None):
            raise ArgumentError(f"{{{name}}} must be a number", **{name: value})


def require_positive(**values: float | None) -> None:
    """Raise ArgumentError for the first value that is not above 0 and finite."""
    _require_numbers(values)
    for name, value in values.items():
        if value is not None and not 0 < value < math.inf:
            raise ArgumentError(f"{{{name}}} must be above 0 and finite", **{name: value})
