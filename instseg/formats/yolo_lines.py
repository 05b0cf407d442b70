"""The label files of YOLO: a line an object, in shares of the photo's sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.formats.notes import Notes

SLIGHTLY = 0.1
"""How far beyond 0..1 coordinates may be: tools round, and augment beyond the border."""

_MOST_CLASSES = 100_000
_LONGEST_LINE = 4_000_000  # characters


@dataclass(frozen=True, kw_only=True, eq=False)
class Line:
    """An object.

    Attributes:
        class_id: From 0.
        points: (K, 2), x, y of a polygon, in 0..1; None for a box.
        box: x, y of the center, width, height, in 0..1; None for a polygon.
        score: Of a prediction; None in labels.
        track: Of a prediction; None in labels.
    """

    class_id: int
    points: NDArray[np.float64] | None = None
    box: tuple[float, float, float, float] | None = None
    score: float | None = None
    track: int | None = None


def read_lines(path: Path, notes: Notes, keypoints: int = 0) -> Iterator[Line]:
    """The objects of a label file; what is none is noted and left out.

    Args:
        path: The file.
        notes: Where problems are counted.
        keypoints: Numbers of keypoints that follow each box.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig", "replace")
    except OSError as error:
        notes.add(f"label files that cannot be read ({error.strerror}): left out", path.name)
        return
    for row, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                yield _parsed(line, notes, f"{path.name}, line {row}", keypoints)
            except ValueError as problem:
                notes.add(f"{problem}: left out", f"{path.name}, line {row}")


def _parsed(line: str, notes: Notes, where: str, keypoints: int) -> Line:
    """One object.

    Raises:
        ValueError: It is none, in the plural.
    """
    words = line.replace(",", " ").split()
    try:
        numbers = np.array(words if len(line) < _LONGEST_LINE else [""], dtype=np.float64)
    except ValueError:
        raise ValueError("lines that are not numbers") from None
    if not np.isfinite(numbers).all():
        raise ValueError("lines with NaN or infinity") from None
    if not 0 <= numbers[0] < _MOST_CLASSES or numbers[0] % 1:
        raise ValueError("lines whose class is not a whole number from 0")
    class_id, values = int(numbers[0]), numbers[1:]
    if len(values) == 0:
        raise ValueError("lines with a class and no box, as for classification")
    if len(values) < 4:
        raise ValueError("lines with too few numbers for a box")
    if keypoints and len(values) >= 4 + keypoints:
        notes.add("objects with keypoints, which are not kept", where)
        values = values[:4]
    values, score, track = _without_score(values)
    if np.abs(values - 0.5).max() > 0.5:
        if np.abs(values - 0.5).max() > 0.5 + SLIGHTLY:
            raise ValueError("lines with coordinates outside of 0..1, such as pixels")
        notes.add("objects slightly outside of their photo: cut off", where)
    if len(values) == 4:
        box = _inside(values)
        return Line(class_id=class_id, box=box, score=score, track=track)
    points = values.reshape(-1, 2).clip(0, 1)
    return Line(class_id=class_id, points=points, score=score, track=track)


def _without_score(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float | None, int | None]:
    """Coordinates without the confidence and the track that predictions may end with."""
    if len(values) % 2:
        return values[:-1], _score(values[-1]), None
    if len(values) >= 6 and values[-1] > 1 + SLIGHTLY and values[-1] % 1 == 0:
        return values[:-2], _score(values[-2]), int(values[-1])
    return values, None, None


def _score(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError("lines with an odd number of coordinates")
    return float(value)


def _inside(values: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """The part of a box that is inside of its photo."""
    center, size = values[:2], values[2:]
    if (size <= 0).any():
        raise ValueError("boxes without area")
    if (np.abs(center - 0.5) + size / 2).max() <= 0.5:
        x, y, width, height = values.tolist()
        return x, y, width, height
    low, high = (center - size / 2).clip(0, 1), (center + size / 2).clip(0, 1)
    if (high <= low).any():
        raise ValueError("boxes outside of their photo")
    (x, y), (width, height) = ((low + high) / 2).tolist(), (high - low).tolist()
    return x, y, width, height
