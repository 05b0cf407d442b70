"""Checks of model cards, before a network is built."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LARGEST_ARGUMENT = 1024  # largest argument of an architecture, if no tensor has a longer side
LARGEST_SIDE_PX = 100_000


def check_classes(class_names: Sequence[Any], category_ids: Sequence[Any]) -> None:
    """Raise ValueError for names that are not strings, and ids that are not whole numbers."""
    for name in class_names:
        if not isinstance(name, str):
            raise ValueError(f"class_names: expected texts, got {name!r:.50}")
    for number in category_ids:
        if not _is_int(number) or abs(number) >= 2**53:
            raise ValueError(f"category_ids: expected whole numbers, got {number!r:.50}")


def check_thresholds(thresholds: Mapping[str, Any]) -> None:
    """Raise ValueError for a threshold outside 0..1."""
    for name, score in thresholds.items():
        if not _is_number(score) or not 0 <= score <= 1:
            raise ValueError(f"thresholds: expected 0..1, got {score!r:.50} for {name!r:.50}")


def check_preprocessing(preprocessing: Mapping[str, Any]) -> None:
    """Raise ValueError for invalid sizes or channel statistics."""
    for key in ("min_size", "max_size"):
        side = preprocessing.get(key)
        if side is not None and not (_is_int(side) and 1 <= side <= LARGEST_SIDE_PX):
            raise ValueError(f"preprocessing: expected pixels as {key}, got {side!r:.50}")
    lengths = []
    for key in ("mean", "std"):
        values = preprocessing.get(key)
        if not isinstance(values, list | tuple) or not values or not all(map(_is_number, values)):
            raise ValueError(
                f"preprocessing: expected a list of numbers as {key}, got {values!r:.50}"
            )
        lengths.append(len(values))
    if lengths[0] != lengths[1] or min(preprocessing["std"]) <= 0:
        raise ValueError("preprocessing: expected a mean and a std above 0 for each channel")


def check_outputs(arguments: Mapping[str, Any], category_ids: Sequence[int]) -> None:
    """Raise ValueError for a number of classes that does not match the ids."""
    outputs = arguments.get("num_classes", len(category_ids))
    if not _is_int(outputs) or outputs < 1:
        raise ValueError(f"num_classes: expected a number of classes, got {outputs!r:.50}")
    # with other numbers of outputs than of classes, an output stands for a category id
    if outputs != len(category_ids) and not 0 <= min(category_ids) <= max(category_ids) < outputs:
        raise ValueError(f"num_classes: {outputs} outputs do not fit the ids of the classes")


def check_against_tensors(arguments: Mapping[str, Any], shapes: Sequence[Sequence[int]]) -> None:
    """Raise ValueError for arguments of a far larger network than that of the tensors.

    Args:
        arguments: Arguments of the architecture's builder.
        shapes: Shapes of the tensors in the file.
    """
    sides = {side for shape in shapes for side in shape}
    for number in _numbers(arguments):
        if not abs(number) <= max(LARGEST_ARGUMENT, *sides, 0):
            raise ValueError(f"architecture_args: {number!r:.50} does not fit its tensors")
    if "num_classes" in arguments and arguments["num_classes"] not in sides:
        raise ValueError(f"num_classes: {arguments['num_classes']!r:.50} does not fit its tensors")


def _numbers(value: Any) -> Iterator[float]:
    """All numbers in nested JSON."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, int | float):
        yield value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
