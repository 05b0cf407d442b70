"""The colours of the instances of one photo: by class, or by instance."""

from __future__ import annotations

import colorsys
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instseg.core.colors import INSTANCE_COLORS, Rgb, difference, picture_colors

ColorBy = Literal["class", "instance"]

# How far the first, second, ... instance of a class goes towards white (above 0) or black.
LIGHTNESS_STEPS = (0.0, -0.3, 0.35, -0.15, 0.18)


def colors_by(color_by: ColorBy, names: Iterable[str], boxes_xyxy: ArrayLike) -> list[Rgb]:
    """The colour of each of N instances.

    Args:
        color_by: "class": that of its class, see `class_shades`; "instance": one that differs from
            those of its neighbours, see `instance_colors`.
        names: The class name of each instance.
        boxes_xyxy: numbers (N, 4).

    Returns:
        One (r, g, b) for each, 0 to 255.

    Raises:
        ValueError: `color_by` is something else.
    """
    if color_by == "class":
        return class_shades(names)
    if color_by == "instance":
        return instance_colors(boxes_xyxy)
    raise ValueError(f'color_by: expected "class" or "instance", got "{color_by}"')


def class_shades(names: Iterable[str]) -> list[Rgb]:
    """Give each instance the colour of its class, lighter or darker from one to the next.

    Args:
        names: the class name of each instance; the first of a class gets ``class_color(name)``, but
            where two classes look alike, the one with fewer instances gets another.

    Returns:
        One (r, g, b) per name, 0 to 255.
    """
    names = list(names)
    own = picture_colors([name for name, _ in Counter(names).most_common()])
    seen: Counter[str] = Counter()
    colors = []
    for name in names:
        hue, light, saturation = colorsys.rgb_to_hls(*(c / 255 for c in own[name]))
        step = LIGHTNESS_STEPS[seen[name] % len(LIGHTNESS_STEPS)]
        light += step * (1 - light if step > 0 else light)
        r, g, b = colorsys.hls_to_rgb(hue, light, saturation)
        colors.append((round(r * 255), round(g * 255), round(b * 255)))
        seen[name] += 1
    return colors


def instance_colors(boxes_xyxy: ArrayLike) -> list[Rgb]:
    """Give each instance one of 16 colours, as different as possible from those of its neighbours.

    Colour-blind readers can tell the 16 apart too. Only where there are more instances do some have
    the same colour, and those lie far from each other.

    Args:
        boxes_xyxy: numbers (N, 4).

    Returns:
        One (r, g, b) per box, the same in every run.
    """
    boxes = np.asarray(boxes_xyxy, np.float64).reshape(-1, 4)
    sides = boxes[:, 2:] - boxes[:, :2]
    closeness = _closeness(boxes)
    likeness = _likeness()
    chosen = np.zeros(len(boxes), np.int64)
    done = np.zeros(len(boxes), bool)
    for i in np.argsort(-sides.prod(axis=1), kind="stable"):
        alike = closeness[i, done] @ likeness[chosen[done]]  # (colours,)
        chosen[i] = alike.argmin()
        done[i] = True
    return [INSTANCE_COLORS[place] for place in chosen]


def _closeness(boxes_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 for boxes that overlap or touch, towards 0 with the distance: (N, N)."""
    start, stop = boxes_xyxy[:, :2], boxes_xyxy[:, 2:]
    gaps = np.maximum(start[:, None] - stop, start - stop[:, None]).clip(0)  # (N, N, 2)
    size = np.sqrt((stop - start).clip(1).prod(axis=1)).mean() if len(boxes_xyxy) else 1.0
    found: NDArray[np.float64] = 1 / (1 + np.hypot(gaps[..., 0], gaps[..., 1]) / size)
    return found


@cache
def _likeness() -> NDArray[np.float64]:
    """1 for the same colour, towards 0 with the difference: (colours, colours)."""
    colors = np.array(INSTANCE_COLORS, np.uint8)
    return 1 / (1 + difference(colors[:, None], colors))
