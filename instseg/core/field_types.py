"""The types that an annotation names, and whether a value has one of them."""

from __future__ import annotations

import ast
import numbers
import os
import re
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import get_annotations
from itertools import islice
from typing import Any, Literal, Union, get_args, get_origin

LISTS = (list, tuple, Sequence)
LOOKED_AT = 100  # items of a list, enough to see what it is a list of
WORDS: dict[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text",
    Mapping: "a dict",
}


def field_types(options: Any, name: str, annotation: Any) -> list[Any]:
    """The types that the annotation of a field names, one by one, None's too.

    What is imported for the type checker alone is given by its name, as text: to import it here
    would make `--help` and wrong arguments wait for torch.
    """
    owner = next(each for each in options.__mro__ if name in get_annotations(each))
    return list(types_of(annotation, vars(sys.modules[owner.__module__])))


def types_of(annotation: Any, names: Mapping[str, Any]) -> Iterator[Any]:
    """The types that an annotation names, where these names are known; see `field_types`."""
    if isinstance(annotation, str):
        yield from _types_of_text(ast.parse(annotation, mode="eval").body, names)
    elif get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from types_of(member, names)
    else:
        yield type(None) if annotation is None else annotation


def _types_of_text(node: ast.expr, names: Mapping[str, Any]) -> Iterator[Any]:
    if isinstance(node, ast.BinOp):
        yield from _types_of_text(node.left, names)
        yield from _types_of_text(node.right, names)
        return
    try:
        resolved = eval(ast.unparse(node), dict(names))
    except (NameError, AttributeError):
        yield ast.unparse(node)
        return
    yield from types_of(resolved, names)


def is_a(value: object, kind: Any) -> bool:
    """Whether a value has a type, as `field_types` gives it."""
    if isinstance(kind, str):
        name = kind.rpartition(".")[2]
        return any(each.__name__ == name for each in type(value).__mro__)
    origin = get_origin(kind) or kind
    if origin is Any:
        return True
    if origin is Literal:
        return any(type(value) is type(each) and value == each for each in get_args(kind))
    if origin in LISTS:
        return _is_list(value, kind)
    if kind in (int, float):
        number = numbers.Integral if kind is int else numbers.Real
        return isinstance(value, number) and not isinstance(value, bool)
    if isinstance(origin, type) and issubclass(origin, os.PathLike):
        return isinstance(value, str | os.PathLike)
    return isinstance(value, origin)


def _is_list(value: object, kind: Any) -> bool:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        return False
    items = list(types_of(get_args(kind)[0], {}))
    return all(any(is_a(each, item) for item in items) for each in islice(value, LOOKED_AT))


def in_words(kinds: Sequence[Any]) -> str:
    """What a value must be, such as `a path or a CocoData`, for messages to Python users."""
    words = map(_in_words, kinds)
    return _either(sorted(words, key=lambda each: each.startswith("a list")))


def _either(words: Iterable[str]) -> str:
    *first, last = dict.fromkeys(words)
    return f"{', '.join(first)} or {last}" if first else last


def _in_words(kind: Any) -> str:
    origin = get_origin(kind) or kind
    if origin is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if origin in LISTS:
        items = [each for each in types_of(get_args(kind)[0], {}) if each is not Any]
        return f"a list of {_either(map(_several, items))}" if items else "a list"
    if origin is Callable:
        return "a function"
    if isinstance(origin, type) and issubclass(origin, os.PathLike):
        return "a path"
    if kind is type(None):
        return "None"
    name = kind if isinstance(kind, str) else origin.__name__
    name = {"ndarray": "array"}.get(name, name)
    article = "" if name[-1] == "s" else "an " if name[0] in "AEIOUaeiou" else "a "
    return WORDS.get(origin) or f"{article}{name}"


def _several(kind: Any) -> str:
    """What the items of a list must be, such as `whole numbers` or `lists of numbers`."""
    words = _in_words(kind)
    noun = re.sub("^an? ", "", words)
    if noun.startswith("list"):
        return noun.replace("list", "lists", 1)
    return f"{noun}s" if kind is str or noun != words else noun
