"""The command line of a verb, made from its options dataclass.

Names, types and defaults come from the fields, the help from the docstring's `Args:`. argparse only
collects text; the types are applied here, in the same way to the command line and to `--config`.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import math
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin

import yaml  # type: ignore[import-untyped]

from instseg.core.errors import ArgumentError, InputError, option_name

T = TypeVar("T")
LISTS = (list, tuple, Sequence)
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

    def converted(self, value: Any, *, where: str = "") -> Any:
        """The value in the option's type; ArgumentError if it has none of them."""
        if self.optional and (value is None or value == "null"):
            return None
        for kind in self.types:
            try:
                return _converted(value, kind)
            except ValueError:
                continue
        expected = " or ".join(_expected(kind) for kind in self.types)
        name = self.name if self.positional else f"{{{self.name}}}"
        raise ArgumentError(f"{where}{name} must be {expected}", **{self.name: value})


class Parser:
    """Reads the arguments of a command into its options dataclass.

    Args:
        options: The dataclass.
        prog: How the help names the command.
        positional: The one option that is given without its name, if any.
    """

    def __init__(self, options: Callable[..., T], prog: str, positional: str | None = None) -> None:
        self.options, self.prog, self.positional = options, prog, positional
        self.table = {option.name: option for option in options_of(options, positional)}

    def parse(self, arguments: Sequence[str]) -> Any:
        """An instance of the dataclass. The command line overrides the `--config` file."""
        given = vars(self.argparse().parse_args(arguments))
        given.pop("debug", None)
        file = given.pop("config", None)
        values = self._of_file(Path(file)) if file is not None else {}
        values |= {name: self.table[name].converted(value) for name, value in given.items()}
        if self.positional and not values.get(self.positional):
            raise InputError(f"no {self.positional} given; see {self.prog} --help")
        required = [each.name for each in self.table.values() if each.default is MISSING]
        if missing := [option_name(name) for name in required if name not in values]:
            raise InputError(f"{', '.join(missing)} must be given; see {self.prog} --help")
        return self.options(**values)

    def _of_file(self, file: Path) -> dict[str, Any]:
        try:
            document = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (ValueError, yaml.YAMLError) as problem:
            raise InputError(f"{file}: is not YAML ({problem})") from problem
        if not isinstance(document, dict):
            raise InputError(f"{file}: expected lines of the form `option: value`")
        values: dict[str, Any] = {}
        unknown = []
        for key, value in document.items():
            name = str(key).replace("-", "_")
            option = next((o for o in self.table.values() if name in (o.name, *o.aliases)), None)
            if option is None:
                unknown.append(name)
            elif option.name in values:
                raise InputError(f"{file}: {option_name(option.name)} is given twice")
            else:
                values[option.name] = option.converted(value, where=f"{file}: ")
        if unknown:
            raise InputError(f"{file}: unknown options {sorted(unknown)}; see --help")
        return values

    def argparse(self) -> argparse.ArgumentParser:
        """The parser of argparse, which prints the help; it collects text without types."""
        parser = _OneLine(
            prog=self.prog,
            usage="%(prog)s [options]" + (f" {self.positional}" if self.positional else ""),
            description=_description(self.options),
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
        )
        for option in self.table.values():
            _add(parser, option)
        parser.add_argument(
            "--config", metavar="PATH", help="YAML file with options; the command line goes first."
        )
        parser.add_argument("--debug", action="store_true", help="Show where an error happened.")
        return parser


class _OneLine(argparse.ArgumentParser):
    """Wrong usage is an InputError, which is printed like all others."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


def _add(parser: argparse.ArgumentParser, option: Option) -> None:
    how: dict[str, Any] = {"help": _help(option).replace("%", "%%")}
    if option.positional:
        several = any(get_origin(kind) in LISTS for kind in option.types)
        parser.add_argument(option.name, nargs="*" if several else "?", **how)
        return
    how |= (
        {"action": argparse.BooleanOptionalAction} if option.is_flag else {"metavar": _of(option)}
    )
    parser.add_argument(option_name(option.name), dest=option.name, **how)
    for alias in option.aliases:
        how["help"] = argparse.SUPPRESS
        parser.add_argument(option_name(alias), dest=option.name, **how)


def _help(option: Option) -> str:
    default = option.default
    if default is MISSING or default is None or default is False or default in ("", [], ()):
        return option.help
    if isinstance(default, list | tuple):
        default = f"[{', '.join(map(str, default))}]"
    return f"{option.help} (default: {default})"


def _of(option: Option) -> str:
    """What stands for the value in the help."""
    words = [
        "{" + ",".join(map(str, get_args(kind))) + "}"
        if get_origin(kind) is Literal
        else WORDS.get(kind, ("LIST", ""))[0]
        for kind in option.types
    ]
    return "|".join(words)


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
        except yaml.YAMLError as problem:
            raise ValueError from problem
    if not isinstance(value, list):
        raise ValueError
    item = get_args(kind)[0]
    items = value if item is Any else [_converted(each, item) for each in value]
    return tuple(items) if get_origin(kind) is tuple else items


def options_of(options: Callable[..., Any], positional: str | None = None) -> list[Option]:
    """The options of a dataclass, without what only Python can give, such as callbacks."""
    help_of = help_texts(options)
    found = []
    for field in fields(options):  # type: ignore[arg-type]
        if field.metadata.get("python_only"):
            continue
        kinds = list(_types(field.type, _namespace(options, field.name)))
        default = _default(field)
        if str in kinds and Path in kinds:  # any text is both
            kinds.remove(Path if isinstance(default, str) else str)
        found.append(
            Option(
                name=field.name,
                default=default,
                types=tuple(sorted((k for k in kinds if k is not type(None)), key=_rank)),
                optional=type(None) in kinds,
                help=help_of[field.name],
                positional=field.name == positional,
                aliases=tuple(field.metadata.get("aliases", ())),
            )
        )
    return found


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _rank(kind: Any) -> int:
    """Tried first is what fits the least."""
    order = [*LISTS, Literal, *WORDS]
    return order.index(get_origin(kind) or kind)


def _namespace(options: Any, name: str) -> Mapping[str, Any]:
    """The names that the annotation of a field may use: those of the module that defines it."""
    owner = next(each for each in options.__mro__ if name in vars(each).get("__annotations__", {}))
    return vars(sys.modules[owner.__module__])


def _types(annotation: Any, names: Mapping[str, Any]) -> Iterator[Any]:
    """The types of an annotation that text can become, one by one.

    What cannot be resolved is left out: imported for the type checker alone, it is an object that
    only Python can give, and importing it here would make `--help` wait for torch.
    """
    if isinstance(annotation, str):
        yield from _types_of_text(ast.parse(annotation, mode="eval").body, names)
    elif get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _types(member, names)
    elif annotation is None or annotation is type(None):
        yield type(None)
    elif annotation in WORDS or get_origin(annotation) in (*LISTS, Literal):
        yield annotation


def _types_of_text(node: ast.expr, names: Mapping[str, Any]) -> Iterator[Any]:
    if isinstance(node, ast.BinOp):
        yield from _types_of_text(node.left, names)
        yield from _types_of_text(node.right, names)
        return
    try:
        resolved = eval(ast.unparse(node), dict(names))
    except (NameError, AttributeError):
        return
    yield from _types(resolved, names)


def help_texts(options: Any) -> dict[str, str]:
    """What the `Args:` of a Google docstring say of each name."""
    _, _, args = inspect.cleandoc(options.__doc__ or "").partition("\nArgs:\n")
    section = re.split(r"\n\n?(?=\S)", args, maxsplit=1)[0]
    entries = re.findall(r"^    (\w+)(?: \([^)]*\))?: (.*(?:\n {5,}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def _description(options: Any) -> str:
    return inspect.cleandoc(options.__doc__ or "").partition("\nArgs:\n")[0].strip()
