"""Rings of what people draw: ellipses and turned boxes, cut off at the border of the photo."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Loop = NDArray[np.float64]

_OFF = 0.05
"""Pixels that the middle of an ellipse's chord may lie inside of the ellipse."""

_FEWEST, _MOST = 16, 360


def ellipse(
    center_xy: tuple[float, float], radii_xy: tuple[float, float], degrees: float = 0.0
) -> Loop:
    """An ellipse as a ring (K, 2), which is at most 0.05 pixels off up to a radius of 1,300.

    Args:
        center_xy: In pixels.
        radii_xy: In pixels, before it is turned.
        degrees: How far it is turned, clockwise.
    """
    largest = max(*map(abs, radii_xy), _OFF)
    number = math.ceil(math.pi / math.acos(max(1 - _OFF / largest, 0)))
    angles = np.linspace(0, 2 * math.pi, min(max(number, _FEWEST), _MOST), endpoint=False)
    ring = np.stack([np.cos(angles) * radii_xy[0], np.sin(angles) * radii_xy[1]], axis=1)
    return turned(ring + center_xy, center_xy, degrees)


def rectangle(left: float, top: float, right: float, bottom: float, degrees: float = 0.0) -> Loop:
    """A box, turned clockwise around its center, as a ring (4, 2)."""
    ring = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)
    return turned(ring, ((left + right) / 2, (top + bottom) / 2), degrees)


def turned(ring: Loop, center_xy: tuple[float, float], degrees: float) -> Loop:
    """A ring, turned clockwise around a point."""
    if not degrees % 360:
        return ring
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (ring - center_xy) @ np.array([[c, s], [-s, c]]) + center_xy


def cut_off(ring: Loop, size_hw: tuple[int, int]) -> Loop:
    """The part of a ring (K, 2) that is inside of the photo; (0, 2) if there is none."""
    height, width = size_hw
    for axis, border, sign in ((0, 0, 1), (0, width, -1), (1, 0, 1), (1, height, -1)):
        inside = (ring[:, axis] - border) * sign >= 0
        if inside.all():
            continue
        step = np.roll(ring, -1, axis=0) - ring
        crosses = inside != np.roll(inside, -1)
        share = (border - ring[:, axis]) / np.where(crosses, step[:, axis], 1)
        cuts = ring + share[:, None] * step
        cuts[:, axis] = border
        kept = np.stack([inside, crosses], axis=1).ravel()
        ring = np.stack([ring, cuts], axis=1).reshape(-1, 2)[kept]
    return ring
