"""The options of a command, from the fields of a dataclass: names, types, defaults and help.

A value is text of the command line or a value of a YAML file; both become the field's type here.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml  # type: ignore[import-untyped]

from instseg.core.errors import ArgumentError, option_name
from instseg.core.field_types import LISTS, field_types

WORDS: dict[Any, tuple[str, str]] = {  # of a type: in the help, and in messages
    bool: ("BOOL", "true or false"),
    int: ("N", "a whole number"),
    float: ("X", "a number"),
    Path: ("PATH", "a path"),
    str: ("TEXT", "text"),
}


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of a command.

    Args:
        name: Of the field.
        default: MISSING if it must be given.
        types: What it may be, the first that fits: bool, int, float, Path, str, Literal or lists.
        optional: Whether None is a value too, written `null`.
        help: From the docstring.
        positional: Whether it is given without its name.
        aliases: Names that it had before.
    """

    name: str
    default: Any
    types: tuple[Any, ...]
    optional: bool
    help: str
    positional: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def is_flag(self) -> bool:
        """Whether it is switched on by its name, and off by `--no-NAME`."""
        return self.types == (bool,)

    @property
    def usage(self) -> str:
        """How it is written, such as `--out PATH`, for the help."""
        if self.positional:
            return self.name
        name = option_name(self.name)
        return f"{name}, --no-{name[2:]}" if self.is_flag else f"{name} {self.metavar}"

    @property
    def metavar(self) -> str:
        """What stands for the value in the help."""
        words = [
            "{" + ",".join(map(str, get_args(kind))) + "}"
            if get_origin(kind) is Literal
            else WORDS.get(kind, ("LIST", ""))[0]
            for kind in self.types
        ]
        return "|".join(words)

    @property
    def text(self) -> str:
        """The help with the default."""
        default = self.default
        if default is MISSING or default is None or default is False or default in ("", [], ()):
            return self.help
        if isinstance(default, list | tuple):
            default = f"[{', '.join(map(str, default))}]"
        return f"{self.help} (default: {default})"

    def converted(self, value: Any, *, where: str = "") -> Any:
        """The value in the option's type; ArgumentError if it has none of them."""
        if self.optional and (value is None or value == "null"):
            return None
        for kind in self.types:
            try:
                return _converted(value, kind)
            except (ValueError, OverflowError):
                continue
        expected = " or ".join(_expected(kind) for kind in self.types)
        name = self.name if self.positional else f"{{{self.name}}}"
        raise ArgumentError(f"{where}{name} must be {expected}", **{self.name: value})


def _expected(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) in LISTS:
        of = {int: " of whole numbers", float: " of numbers"}.get(get_args(kind)[0], "")
        return f"a list{of} in brackets, [first, second]"
    return WORDS[kind][1]


def _converted(value: Any, kind: Any) -> Any:
    """`value`, text of the command line or a value of YAML, as `kind`; ValueError if it is not."""
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        if value is False and "no" in choices:  # as YAML reads `no`
            return "no"
        return choices[[str(choice) for choice in choices].index(str(value))]
    if get_origin(kind) in LISTS:
        return _listed(value, kind)
    may_be: dict[Any, Any] = {int: str | int, float: str | int | float, Path: str}
    if not isinstance(value, may_be.get(kind, kind)) or (isinstance(value, bool) != (kind is bool)):
        raise ValueError
    converted = kind(value)
    if kind is float and not math.isfinite(converted):
        raise ValueError
    return converted


def _listed(value: Any, kind: Any) -> Any:
    if isinstance(value, str):
        try:
            value = yaml.safe_load(value)
        except (yaml.YAMLError, RecursionError) as problem:
            raise ValueError from problem
    if not isinstance(value, list):
        raise ValueError
    item = get_args(kind)[0]
    items = value if item is Any else [_converted(each, item) for each in value]
    return tuple(items) if get_origin(kind) is tuple else items


def options_of(options: Callable[..., Any], positional: Sequence[str] = ()) -> list[Option]:
    """The options of a dataclass, without what only Python can give, such as callbacks."""
    help_of = help_texts(options)
    found = []
    for field in fields(options):  # type: ignore[arg-type]
        if field.metadata.get("python_only"):
            continue
        kinds = [kind for kind in field_types(options, field.name, field.type) if _is_of_text(kind)]
        default = _default(field)
        assert kinds, f"no text becomes {field.name}: {field.type}; is it python_only()?"
        if str in kinds and Path in kinds:  # any text is both
            kinds.remove(Path if isinstance(default, str) else str)
        found.append(
            Option(
                name=field.name,
                default=default,
                types=tuple(sorted((k for k in kinds if k is not type(None)), key=_rank)),
                optional=type(None) in kinds,
                help=help_of[field.name],
                positional=field.name in positional,
                aliases=tuple(field.metadata.get("aliases", ())),
            )
        )
    order = list(help_of)  # of the docstring: a dataclass has its base's fields first
    return sorted(found, key=lambda option: order.index(option.name))


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _rank(kind: Any) -> int:
    """Tried first is what fits the least."""
    order = [*LISTS, Literal, *WORDS]
    return order.index(get_origin(kind) or kind)


def _is_of_text(kind: Any) -> bool:
    """Whether text can become one; loaded objects are for Python alone."""
    if get_origin(kind) in LISTS:
        return get_args(kind)[0] in (Any, *WORDS)
    return kind in WORDS or kind is type(None) or get_origin(kind) is Literal


def help_texts(options: Any) -> dict[str, str]:
    """What the `Args:` of a Google docstring, or of those that it inherits, say of each name.

    A name in backticks is that of an argument, and becomes that of the option.
    """
    names = {field.name for field in fields(options)}

    def as_option(found: re.Match[str]) -> str:
        return option_name(found[1]) if found[1] in names else found[0]

    texts: dict[str, str] = {}
    for owner in options.__mro__:
        _, _, section = inspect.cleandoc(vars(owner).get("__doc__") or "").partition("\nArgs:\n")
        section = re.split(r"\n\n?(?=\S)", section, maxsplit=1)[0]
        for name, text in re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE):
            texts.setdefault(name, re.sub(r"`(\w+)`", as_option, " ".join(text.split())))
    return texts


def description(options: Any) -> str:
    """What the docstring says before its sections."""
    return inspect.cleandoc(options.__doc__ or "").partition("\nArgs:\n")[0].strip()
