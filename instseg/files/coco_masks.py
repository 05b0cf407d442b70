"""Converts segmentations and boxes as other tools write them to COCO format.

Only unambiguous values are converted; all others are returned unchanged, for a check to refuse.
"""

from __future__ import annotations

import ast
import json
import math
from typing import Any

CORNER_TOLERANCE_PX = 2.0
"""Tolerance between a rectangle given by two corners and its box; tools round differently."""

_LONGEST_TEXT = 50_000_000  # characters of a value that is JSON in text
_DEEPEST = 4  # lists in lists, down to the points

_NUMBERS = {int, float}
_BOX_KEYS = (
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("left", "top", "width", "height"),
)


def box_of(value: Any) -> Any:
    """A box [x, y, width, height] from text, a nested list, a dict or two corners."""
    if type(value) is list and len(value) == 4 and set(map(type, value)) <= _NUMBERS:
        return value  # as nearly all are
    value = _parsed(value)
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list | dict):
        value = value[0]
    if isinstance(value, dict):
        keys = next((keys for keys in _BOX_KEYS if value.keys() >= set(keys)), None)
        value = [value[key] for key in keys] if keys else value
    if isinstance(value, list) and len(value) == 2:
        corners = [_point(each) for each in value]
        if corners[0] and corners[1]:
            (x0, y0), (x1, y1) = corners  # type: ignore[misc]
            return [x0, y0, x1 - x0, y1 - y0]
    if isinstance(value, list) and len(value) == 4:
        numbers = [number_of(each) for each in value]
        return value if None in numbers else numbers
    return value


def outline_of(value: Any, box: Any = None) -> Any:
    """A segmentation as a list of flat polygons or as one RLE.

    Args:
        value: As in the file: also RLE in a list, points as pairs or as dicts of x and y, one
            flat list, numbers as text, all of it as text, a rectangle by two corners.
        box: The object's [x, y, width, height], to recognise a rectangle.
    """
    if is_plain(value) or is_blank(value):
        return value
    parsed = _parsed(value)
    if isinstance(parsed, list) and [*map(type, parsed)] == [str]:  # an RLE that is text, in a list
        inner = _parsed(parsed[0])
        parsed = inner if isinstance(inner, dict) else parsed
    if isinstance(parsed, dict):
        return _rle(parsed)
    if not isinstance(parsed, list):
        return value
    if is_blank(parsed):
        return []
    if all(isinstance(each, dict) and "counts" in each for each in parsed):
        return _rle(parsed[0]) if len(parsed) == 1 else value
    rings = _rings(parsed, _DEEPEST)
    if rings is None:
        return value
    return [_rectangle(ring, box) if len(ring) == 4 else ring for ring in rings]


def is_blank(value: Any, depth: int = _DEEPEST) -> bool:
    """Whether a segmentation is empty: null, "", {}, [], [[]] and the like."""
    if isinstance(value, list):
        return not value or (depth > 0 and all(is_blank(each, depth - 1) for each in value))
    return value is None or value == {} or (isinstance(value, str) and not value.strip())


def is_plain(value: Any) -> bool:
    """Whether a segmentation looks like COCO format (a quick check)."""
    if type(value) is list:
        return bool(value) and all(
            type(part) is list and len(part) > 4 and set(map(type, part)) <= _NUMBERS
            for part in value
        )
    if type(value) is dict:
        counts, size = value.get("counts"), value.get("size")
        whole = type(size) is list and all(type(side) is int for side in size)
        if type(counts) is str:
            return whole and counts[:2] not in ("b'", 'b"') and counts[:1] != "["
        return whole and type(counts) is list and all(type(run) is int for run in counts)
    return value is None


def number_of(value: Any) -> float | None:
    """A finite number, also from text; None for anything else."""
    if type(value) in (int, float):
        return value  # type: ignore[no-any-return]  # a later check decides
    if type(value) is not str or len(value) > 40:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _parsed(value: Any) -> Any:
    """A text parsed as JSON or as a Python literal."""
    if type(value) is not str or not 1 < len(value) < _LONGEST_TEXT:
        return value
    text = value.strip()
    if text[:1] not in ("[", "{", "("):
        return value
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return value
    return [*found] if isinstance(found, tuple) else found


def _rle(value: dict[str, Any]) -> dict[str, Any]:
    """An RLE whose counts are the text of Python bytes or of a list, or numbers written as text."""
    size, counts = _parsed(value.get("size")), value.get("counts")
    if isinstance(counts, bytes):
        counts = counts.decode("latin-1")
    if isinstance(counts, str) and counts[:2] in ("b'", 'b"'):
        try:
            counts = ast.literal_eval(counts).decode("latin-1")
        except (ValueError, SyntaxError, MemoryError, AttributeError):
            return value
    elif isinstance(counts, str) and counts[:1] == "[":
        counts = _parsed(counts)
    if isinstance(counts, list):
        counts = _wholes(counts)
    size = _wholes(size) if isinstance(size, list) else size
    return {**value, "size": size, "counts": counts}


def _wholes(values: list[Any]) -> list[Any]:
    """Whole numbers that are written as text or as 1.0; the list itself where one is not."""
    numbers = [number_of(each) for each in values]
    if any(number is None or not math.isfinite(number) or number % 1 for number in numbers):
        return values
    return [int(number) for number in numbers if number is not None]


def _point(value: Any) -> list[float] | None:
    """[x, y] of a pair or of a dict."""
    if isinstance(value, dict):
        value = [value.get("x"), value.get("y")]
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    x, y = map(number_of, value)
    return None if x is None or y is None else [x, y]


def _rings(value: list[Any], depth: int) -> list[list[float]] | None:
    """Flat polygons from nested lists of numbers or points; None for anything else."""
    if not depth or not value:
        return None
    numbers = [number_of(each) for each in value]
    if None not in numbers:
        return [numbers]  # type: ignore[list-item]
    points = [_point(each) for each in value]
    if None not in points:
        return [[number for point in points if point for number in point]]
    rings = [
        _rings([*each], depth - 1) if isinstance(each, list | tuple) else None for each in value
    ]
    if None in rings:
        return None
    found = [ring for several in rings if several for ring in several]
    if len(found) > 2 and all(len(ring) == 2 for ring in found):  # OpenCV: a list around each point
        return [[number for ring in found for number in ring]]
    return found


def _rectangle(numbers: list[float], box: Any) -> list[float]:
    """The four corners of the rectangle that two corners describe; the numbers if they do not.

    Decided by the box: the numbers are its corners, and not x, y, width and height, as some tools
    write, which could also be half of a quadrangle.
    """
    box = box_of(box)
    if not isinstance(box, list) or len(box) != 4 or None in map(number_of, box):
        return numbers
    x, y, width, height = box
    off_px = [
        max(abs(a - b) for a, b in zip(numbers, meant, strict=True))
        for meant in ([x, y, x + width, y + height], box)
    ]
    if not off_px[0] <= CORNER_TOLERANCE_PX or off_px[1] <= off_px[0]:
        return numbers
    x0, y0, x1, y1 = numbers
    return [x0, y0, x1, y0, x1, y1, x0, y1]
