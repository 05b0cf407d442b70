"""Functions whose arguments are the fields of a dataclass.

The options dataclass of a verb defines names, types, defaults and, in its docstring, the meaning of
each option. The command line makes a parser of it; `takes` makes a Python function of it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import field
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
Options = TypeVar("Options")
Result = TypeVar("Result")


def takes(
    options: Callable[P, Options],
) -> Callable[[Callable[[Options], Result]], Callable[P, Result]]:
    """Turn `run(options)` into a function that takes the fields of the dataclass as arguments."""

    def decorate(run: Callable[[Options], Result]) -> Callable[P, Result]:
        @functools.wraps(run)
        def verb(*args: P.args, **kwargs: P.kwargs) -> Result:
            return run(options(*args, **kwargs))

        signature = inspect.signature(options)
        annotation = inspect.signature(run).return_annotation
        verb.__signature__ = signature.replace(return_annotation=annotation)  # type: ignore[attr-defined]
        return verb

    return decorate


def renamed(default: Any, *old_names: str) -> Any:
    """A field whose option has further, old names on the command line."""
    return field(default=default, metadata={"aliases": old_names})


def python_only(default: Any = None) -> Any:
    """A field without a command line option, such as a callback."""
    return field(default=default, metadata={"python_only": True})
