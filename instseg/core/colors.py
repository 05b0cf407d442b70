"""Colour differences as people with and without colour blindness see them, and palettes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from instseg.core.classes import class_color

Rgb = tuple[int, int, int]
Floats = NDArray[np.float64]

LEAST_DIFFERENCE = 6.0
"""Colours with a smaller `difference` are confused with one another in a picture."""

INSTANCE_COLORS: tuple[Rgb, ...] = (
    (30, 75, 165), (240, 180, 0), (210, 45, 0), (120, 210, 165), (165, 105, 255), (165, 75, 105),
    (120, 255, 255), (150, 0, 15), (90, 165, 120), (0, 0, 240), (105, 210, 255), (135, 15, 105),
    (165, 255, 135), (60, 120, 180), (255, 90, 0), (15, 165, 195),
)  # fmt: skip
"""Colours of instances side by side: no two have a `difference` below 11."""

# Linear RGB to linear RGB as people without one kind of cones see it: G. M. Machado,
# M. M. Oliveira, L. A. F. Fernandes, "A Physiologically-based Model for Simulation of Color Vision
# Deficiency", IEEE TVCG 15 (2009), severity 1.0.
VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}

# Linear RGB to Oklab, where equal distances look about equally different: B. Ottosson, "A
# perceptual color space for image processing" (2020).
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def hex_color(color: Rgb) -> str:
    """As "#ff8000"."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def seen_as(rgb: NDArray[np.uint8], vision: str) -> NDArray[np.uint8]:
    """Colours (..., 3), uint8, as a reader with one of `VISIONS` sees them."""
    linear = np.clip(_linear(rgb) @ VISIONS[vision].T, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    seen: NDArray[np.uint8] = (255 * encoded).round().astype(np.uint8)
    return seen


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Floats:
    """The difference between colours, for the kind of vision that distinguishes them least.

    Args:
        first: uint8 (..., 3).
        second: uint8 (..., 3), of a shape that fits the first.

    Returns:
        float64 (...), 0 to 100: distances in Oklab; black and white differ by 100.
    """
    return _apart(_as_seen(first), _as_seen(second))


def picture_colors(names: Sequence[str]) -> dict[str, Rgb]:
    """A colour for each class of one picture: its own, unless it resembles an earlier one.

    Args:
        names: Class names, the most important first, which keep their colours.

    Returns:
        Colours by name. A class whose colour is too similar to an earlier one gets the most similar
        shade or hue that is not; with very many classes, the most different one available.
    """
    found: dict[str, Rgb] = {}
    taken = np.empty((0, len(VISIONS), 3))
    for name in dict.fromkeys(names):
        color = class_color(name)
        if (_apart(_one_as_seen(color), taken) < LEAST_DIFFERENCE).any():
            color = _shifted(color, taken)
        found[name] = color
        taken = np.concatenate([taken, _one_as_seen(color)[None]])
    return found


def _shifted(color: Rgb, taken: Floats) -> Rgb:
    """The colour nearest to this one that is far from those that are taken.

    Args:
        color: r, g, b.
        taken: One colour or more, from `_as_seen`: (N, visions, 3).
    """
    spare, seen = _spare_colors()
    nearest = _apart(seen[:, None], taken).min(axis=1)
    far = nearest >= LEAST_DIFFERENCE
    if far.any():
        distances = np.linalg.norm(seen[:, 0] - _one_as_seen(color)[0], axis=-1)
        place = int(np.where(far, distances, np.inf).argmin())
    else:
        place = int(nearest.argmax())
    red, green, blue = spare[place].tolist()
    return red, green, blue


def _as_seen(rgb: NDArray[np.uint8]) -> Floats:
    """Colours (..., 3), uint8, in Oklab for each kind of vision: (..., visions, 3)."""
    return np.stack([_oklab(seen_as(rgb, each)) for each in VISIONS], axis=-2)


@cache
def _one_as_seen(color: Rgb) -> Floats:
    return _as_seen(np.array(color, dtype=np.uint8))


def _apart(first: Floats, second: Floats) -> Floats:
    """The `difference` of colours from `_as_seen`, of shapes that fit: 0 to 100."""
    squares = ((first - second) ** 2).sum(axis=-1)
    least: Floats = 100 * np.sqrt(squares.min(axis=-1))
    return least


def _linear(rgb: NDArray[np.uint8]) -> Floats:
    encoded = rgb / 255.0
    linear: Floats = np.where(
        encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4
    )
    return linear


def _oklab(rgb: NDArray[np.uint8]) -> Floats:
    lab: Floats = np.cbrt(_linear(rgb) @ _TO_CONES.T) @ _TO_OKLAB.T
    return lab


@cache
def _spare_colors() -> tuple[NDArray[np.uint8], Floats]:
    """Colours that are neither dark, pale nor grey: uint8 (N, 3), and how they are seen."""
    steps = np.array([0, 60, 105, 150, 195, 240], dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _oklab(grid)
    lively = (np.hypot(lab[:, 1], lab[:, 2]) > 0.08) & (grid.max(axis=1) >= 140)
    kept: NDArray[np.uint8] = grid[lively & (lab[:, 0] > 0.35) & (lab[:, 0] < 0.93)]
    return kept, _as_seen(kept)
