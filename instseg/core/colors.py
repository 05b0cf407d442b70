"""Colour differences as people with and without colour blindness see them, and palettes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instseg.core.classes import class_color

Rgb = tuple[int, int, int]
Floats = NDArray[np.float64]

LEAST_DIFFERENCE = 6.0
"""Colours with a smaller `difference` are confused with one another in a picture."""

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
    found = [
        np.linalg.norm(_oklab(seen_as(first, each)) - _oklab(seen_as(second, each)), axis=-1)
        for each in VISIONS
    ]
    least: Floats = 100 * np.min(found, axis=0)
    return least


def picture_colors(names: Sequence[str]) -> dict[str, Rgb]:
    """A colour for each class of one picture: its own, unless it resembles an earlier one.

    Args:
        names: Class names, the most important first, which keep their colours.

    Returns:
        Colours by name. A class whose colour is too similar to an earlier one gets the most similar
        shade or hue that is not; with very many classes, the most different one available.
    """
    found: dict[str, Rgb] = {}
    for name in dict.fromkeys(names):
        own = class_color(name)
        taken = np.array(list(found.values()), dtype=np.uint8).reshape(-1, 3)
        found[name] = own if _is_free(own, taken) else _shifted(own, taken)
    return found


def _is_free(color: Rgb, taken: NDArray[np.uint8]) -> bool:
    own = np.array(color, dtype=np.uint8)
    return bool((difference(own, taken) >= LEAST_DIFFERENCE).all())


def _shifted(color: Rgb, taken: NDArray[np.uint8]) -> Rgb:
    """The colour nearest to this one that is far from those that are taken."""
    own = np.array(color, dtype=np.uint8)
    nearest = difference(_SPARE[:, None], taken[None]).min(axis=1)
    far = nearest >= LEAST_DIFFERENCE
    if far.any():
        distances = np.linalg.norm(_oklab(_SPARE) - _oklab(own), axis=-1)
        place = int(np.where(far, distances, np.inf).argmin())
    else:
        place = int(nearest.argmax())
    red, green, blue = _SPARE[place].tolist()
    return red, green, blue


def _linear(rgb: NDArray[np.uint8]) -> Floats:
    encoded = rgb / 255.0
    linear: Floats = np.where(
        encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4
    )
    return linear


def _oklab(rgb: NDArray[np.uint8]) -> Floats:
    lab: Floats = np.cbrt(_linear(rgb) @ _TO_CONES.T) @ _TO_OKLAB.T
    return lab


def _spare_colors() -> NDArray[np.uint8]:
    """Colours that are neither dark, pale nor grey: uint8 (N, 3)."""
    steps = np.array([0, 60, 105, 150, 195, 240], dtype=np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _oklab(grid)
    lively = (np.hypot(lab[:, 1], lab[:, 2]) > 0.08) & (grid.max(axis=1) >= 140)
    kept: NDArray[np.uint8] = grid[lively & (lab[:, 0] > 0.35) & (lab[:, 0] < 0.93)]
    return kept


_SPARE = _spare_colors()
