"""Functions whose arguments are the fields of a dataclass.

The options dataclass of a verb defines names, types, defaults and, in its docstring, the meaning of
each option. The command line makes a parser of it; `takes` makes a Python function of it.
"""

from __future__ import annotations

import functools
import inspect
import numbers
import re
from collections.abc import Callable, Sequence
from dataclasses import field, fields
from difflib import get_close_matches
from typing import Any, ParamSpec, TypeVar

from instseg.core.errors import ArgumentError
from instseg.core.field_types import field_types, in_words, is_a, types_of

P = ParamSpec("P")
Options = TypeVar("Options")
Result = TypeVar("Result")

OPTION = re.compile(r"(?<!\S)(?<!\binfer )--([a-z][a-z-]*[a-z])")  # `infer --ray` is a command
LAST_SECTIONS = re.compile(r"^(?:Example|Returns|Raises):$", re.MULTILINE)


def takes(
    options: Callable[P, Options],
) -> Callable[[Callable[[Options], Result]], Callable[P, Result]]:
    """Make `run(options)` a function that takes the fields of the dataclass as its arguments.

    The function raises TypeError for arguments that it does not have, as any function does, and
    ArgumentError for values of another type than the field's. Its help describes each argument.
    """

    def decorate(run: Callable[[Options], Result]) -> Callable[P, Result]:
        signature = inspect.signature(options)
        kinds = {
            each.name: field_types(options, each.name, each.type)
            for each in fields(options)  # type: ignore[arg-type]
        }

        @functools.wraps(run)
        def verb(*args: P.args, **kwargs: P.kwargs) -> Result:
            _check_names(run.__name__, options, kwargs)
            try:
                given = signature.bind(*args, **kwargs).arguments
            except TypeError as error:
                raise TypeError(f"{run.__name__}(): {error}") from None
            values = {name: _checked(name, given[name], kinds[name]) for name in given}
            return run(options(**values))  # type: ignore[call-arg]

        annotation = inspect.signature(run).return_annotation
        verb.__signature__ = signature.replace(return_annotation=annotation)  # type: ignore[attr-defined]
        verb.__doc__ = _with_arguments(run.__doc__, options.__doc__)
        return verb

    return decorate


def _check_names(verb: str, options: Any, kwargs: dict[str, Any]) -> None:
    """Raise TypeError, with the name that may be meant, for an argument that there is not."""
    known = {each.name: each.name for each in fields(options)}
    old = {
        alias: each.name for each in fields(options) for alias in each.metadata.get("aliases", ())
    }
    for name in kwargs.keys() - known.keys():
        meant = get_close_matches(name, known | old, n=1)
        hint = f"; did you mean {(known | old)[meant[0]]}?" if meant else ""
        raise TypeError(f"{verb}() has no argument {name!r}{hint}")


def _checked(name: str, value: Any, kinds: Sequence[Any]) -> Any:
    """The value, a number of numpy as Python's; ArgumentError for one of a wrong type."""
    if not any(is_a(value, kind) for kind in kinds):
        required = [kind for kind in kinds if kind is not type(None)]
        raise ArgumentError(f"{{{name}}} must be {in_words(required)}", **{name: value})
    of_numpy = isinstance(value, numbers.Number) and hasattr(value, "item")
    return value.item() if of_numpy else value


def checks_types(function: Callable[P, Result]) -> Callable[P, Result]:
    """Make a function raise ArgumentError for an argument of another type than its annotation."""
    signature = inspect.signature(function)
    kinds = {
        name: list(types_of(each.annotation, inspect.unwrap(function).__globals__))
        for name, each in signature.parameters.items()
        if each.annotation is not each.empty
    }

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> Result:
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # tells of a missing or unknown argument by itself
        for name in given.arguments.keys() & kinds.keys():
            given.arguments[name] = _checked(name, given.arguments[name], kinds[name])
        return function(*given.args, **given.kwargs)

    return checked


def _with_arguments(words: str | None, described: str | None) -> str:
    """A docstring with the `Args:` of the options, in the words of Python."""
    words, described = inspect.cleandoc(words or ""), inspect.cleandoc(described or "")
    _, _, section = described.partition("\nArgs:\n")
    entries = re.split(r"\n\n?(?=\S)", section, maxsplit=1)[0].rstrip()
    entries = OPTION.sub(lambda found: found[1].replace("-", "_"), entries)
    last = LAST_SECTIONS.search(words)
    at = last.start() if last else len(words)
    return f"{words[:at].rstrip()}\n\nArgs:\n{entries}\n\n{words[at:]}".rstrip()


def renamed(default: Any, *old_names: str) -> Any:
    """A field whose option has further, old names on the command line."""
    return field(default=default, metadata={"aliases": old_names})


def python_only(default: Any = None) -> Any:
    """A field without a command line option, such as a callback."""
    return field(default=default, metadata={"python_only": True})
