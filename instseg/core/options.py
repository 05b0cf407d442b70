"""Functions whose arguments are the fields of a dataclass: one list of options for all users.

A verb's options dataclass says everything once: names, types, defaults and, in its docstring, what
each option means. The command line makes its parser of it; `takes` makes a Python function of it.
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
    """Make `run(options)` a function that takes the fields of the dataclass as its arguments."""

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
    """A field whose option may still be called by its old names on the command line."""
    return field(default=default, metadata={"aliases": old_names})


def python_only(default: Any = None) -> Any:
    """A field that the command line has no option for, such as a callback."""
    return field(default=default, metadata={"python_only": True})
