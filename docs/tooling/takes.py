"""Shows functions made by `@takes(Options)` with the fields of the dataclass as their arguments.

The documentation is made from the source, without running it, where such a function seems to take
one argument, the dataclass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import griffe

MADE_BY = ("field", "renamed", "python_only")
KEYWORD_ONLY = griffe.ParameterKind.keyword_only
OPTION = re.compile(r"(?<!\S)--([a-z][a-z-]*[a-z])")  # in the words of the command line
SECTION = re.compile(r"(^Returns:|^Raises:|^Yields:|\Z)", re.MULTILINE)


class TakesOptions(griffe.Extension):
    """Gives each such function its parameters and their descriptions."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Called when the source of a whole package is read."""
        for function in _functions(pkg):
            for decorator in function.decorators:
                call = decorator.value
                if isinstance(call, griffe.ExprCall) and call.canonical_path.endswith(".takes"):
                    options = call.arguments[0]
                    assert isinstance(options, griffe.Expr)
                    _give(function, pkg.modules_collection[options.canonical_path])


def _functions(module: griffe.Module) -> Iterator[griffe.Function]:
    for member in module.members.values():
        if member.is_alias:
            continue
        if isinstance(member, griffe.Function):
            yield member
        elif isinstance(member, griffe.Module):
            yield from _functions(member)


def _give(function: griffe.Function, options: griffe.Class) -> None:
    parameters: dict[str, griffe.Parameter] = {}
    described: dict[str, str] = {}
    for owner in [options, *options.mro()]:  # a dataclass may inherit fields
        for parameter in _parameters(owner):
            parameters.setdefault(parameter.name, parameter)
        for name, entry in _descriptions(owner.docstring).items():
            described.setdefault(name, entry)
    keyword_last = sorted(parameters.values(), key=lambda each: each.kind is KEYWORD_ONLY)
    function.parameters = griffe.Parameters(*keyword_last)
    arguments = [described[each.name] for each in keyword_last if each.name in described]
    words = function.docstring.value if function.docstring else ""
    if arguments and "\nArgs:" not in words:
        summary, section, rest = re.split(SECTION, words, maxsplit=1)
        words = "\n".join([f"{summary.rstrip()}\n\nArgs:", *arguments, "", f"{section}{rest}"])
    function.docstring = griffe.Docstring(
        words.rstrip(), parent=function, parser=griffe.Parser.google
    )


def _parameters(options: griffe.Class) -> Iterator[griffe.Parameter]:
    kind = griffe.ParameterKind.positional_or_keyword
    if any("kw_only=True" in str(decorator.value) for decorator in options.decorators):
        kind = KEYWORD_ONLY
    for name, field in options.members.items():
        if not isinstance(field, griffe.Attribute) or field.annotation is None:
            continue
        if str(field.annotation).endswith("KW_ONLY"):
            kind = KEYWORD_ONLY
        elif "instance-attribute" in field.labels:  # neither a ClassVar nor a property
            default = _default(field.value)
            yield griffe.Parameter(name, annotation=field.annotation, kind=kind, default=default)


def _descriptions(docstring: griffe.Docstring | None) -> dict[str, str]:
    """The entries of `Args:` by name, as they are written."""
    _, _, section = (docstring.value if docstring else "").partition("\nArgs:\n")
    section = re.split(r"\n+(?=\S)", section, maxsplit=1)[0]
    entries = re.findall(r"^    \w+: .*(?:\n {5,}.*)*", section, re.MULTILINE)
    return {entry.split(":")[0].strip(): OPTION.sub(_as_argument, entry) for entry in entries}


def _as_argument(option: re.Match[str]) -> str:
    return f"`{option[1].replace('-', '_')}`"


def _default(value: str | griffe.Expr | None) -> str | griffe.Expr | None:
    """`field(default=1)` and `renamed(1, "old")` are 1, `python_only()` is None."""
    if not isinstance(value, griffe.ExprCall) or value.canonical_name not in MADE_BY:
        return value
    for argument in value.arguments:
        if not isinstance(argument, griffe.ExprKeyword):
            return argument
        if argument.name == "default":
            return argument.value
        if argument.name == "default_factory":
            factory = str(argument.value)
            return factory.removeprefix("lambda: ") if "lambda" in factory else f"{factory}()"
    return "None"
