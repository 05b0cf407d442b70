"""Polygons of masks along the edges of pixels, so that they rasterise to the same mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Edge = tuple[int, int, int]  # x, y of its start, and its direction
STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # right, down, left, up: each a right turn from the last


def exact_polygons(crop: NDArray[np.bool_], offset_yx: tuple[int, int]) -> list[list[int]] | None:
    """The parts of a mask as COCO polygons, which pycocotools rasterises to the same pixels.

    Args:
        crop: (h, w).
        offset_yx: The image pixel of the crop's first pixel.

    Returns:
        Polygons, each flat [x0, y0, x1, y1, ...] along the edges of pixels; None for a mask with a
        hole, which COCO polygons cannot express, and for an empty one.
    """
    edges = _edges(crop)
    polygons = []
    for start in sorted(edge for edge in edges if edge[2] == 0):
        if start in edges:
            corners = _walk(edges, start)
            if _twice_the_area(corners) < 0:  # it runs around a hole
                return None
            shifted = np.array(corners, dtype=np.int64) + np.array(offset_yx[::-1])
            polygons.append(shifted.ravel().tolist())
    return polygons or None


def _edges(crop: NDArray[np.bool_]) -> set[Edge]:
    """The unit edges between mask and background, directed so that the mask is to the right."""
    padded = np.pad(crop, 1).astype(np.int8)
    below = np.diff(padded, axis=0)[:, 1:-1]  # [h+1,w]: 1 where the mask begins below, -1 ends
    beside = np.diff(padded, axis=1)[1:-1]  # [h,w+1]: 1 where it begins to the right, -1 ends
    found: set[Edge] = set()
    for sign, change, shift_xy, direction in (
        (1, below, (0, 0), 0),
        (-1, beside, (0, 0), 1),
        (-1, below, (1, 0), 2),
        (1, beside, (0, 1), 3),
    ):
        y, x = np.nonzero(change == sign)
        starts = zip((x + shift_xy[0]).tolist(), (y + shift_xy[1]).tolist(), strict=True)
        found.update((px, py, direction) for px, py in starts)
    return found


def _walk(edges: set[Edge], start: Edge) -> list[tuple[int, int]]:
    """Remove one closed walk from the edges; returns the (x, y) where it turns.

    It turns right where possible, so that pixels that touch only at a corner are separate walks.
    """
    corners = []
    walked = [start]
    while len(walked) == 1 or walked[-1] != start:
        x, y, direction = walked[-1]
        x, y = x + STEPS[direction][0], y + STEPS[direction][1]
        turns = ((x, y, (direction + turn) % 4) for turn in (1, 0, 3))
        walked.append(next(edge for edge in turns if edge in edges))
        if walked[-1][2] != direction:
            corners.append((x, y))
    edges.difference_update(walked)
    return corners


def _twice_the_area(corners: list[tuple[int, int]]) -> int:
    """Positive where the walk goes clockwise, as the mask is to the right of it."""
    following = [*corners[1:], corners[0]]
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(corners, following, strict=True))
