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
    decorated = next(d for d in options.decorators if "dataclass" in str(d.value))
    keyword_only = "kw_only=True" in str(decorated.value)
    parameters = []
    for name, field in options.attributes.items():
        if str(field.annotation).endswith("KW_ONLY"):
            keyword_only = True
            continue
        kind = griffe.ParameterKind.keyword_only
        if not keyword_only:
            kind = griffe.ParameterKind.positional_or_keyword
        default = _default(field.value)
        parameters.append(
            griffe.Parameter(name, annotation=field.annotation, kind=kind, default=default)
        )
    function.parameters = griffe.Parameters(*parameters)
    function.docstring = _joined(function, options)


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


def _joined(function: griffe.Function, options: griffe.Class) -> griffe.Docstring:
    """The function's words, with the descriptions of the arguments before its other sections."""
    words = function.docstring.value if function.docstring else ""
    described = options.docstring.value if options.docstring else ""
    arguments = re.search(r"^Args:\n(?:(?: .*)?\n?)*", described, re.MULTILINE)
    if arguments and "\nArgs:" not in words:
        summary, section, rest = re.split(
            r"(?m)(^Returns:|^Raises:|^Yields:|\Z)", words, maxsplit=1
        )
        words = f"{summary.rstrip()}\n\n{arguments[0].rstrip()}\n\n{section}{rest}"
    return griffe.Docstring(words.rstrip(), parent=function, parser=griffe.Parser.google)
