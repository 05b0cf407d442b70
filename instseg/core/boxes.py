"""Boxes as numpy arrays: overlaps, and detection of the box format.

Boxes are [x1, y1, x2, y2] (xyxy) or [x, y, width, height] (xywh), in pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ENOUGH_BOXES = 10  # to tell their format by
LEAST_BEYOND = 0.2  # share of boxes that extend beyond the image when they are misread
PAIRS_AT_ONCE = 2**20  # of boxes that are compared
FITS, BEYOND = 1.02, 1.1  # of the image's sides


def corners_of(boxes_xywh: Floats) -> Floats:
    """Boxes xywh (..., 4) as xyxy."""
    return np.concatenate([boxes_xywh[..., :2], boxes_xywh[..., :2] + boxes_xywh[..., 2:]], axis=-1)


def xywh_of(boxes_xyxy: NDArray[Any]) -> Floats:
    """Boxes xyxy (..., 4) as xywh."""
    boxes = boxes_xyxy.astype(np.float64)
    boxes[..., 2:] -= boxes[..., :2]
    return boxes


def box_areas(boxes_xyxy: NDArray[Any]) -> NDArray[Any]:
    """The area of boxes (..., 4): (...); 0 if the second corner lies before the first."""
    areas: NDArray[Any] = (boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).clip(0).prod(axis=-1)
    return areas


def shared_areas(one_xyxy: NDArray[Any], other_xyxy: NDArray[Any]) -> NDArray[Any]:
    """The area that boxes have in common: (..., 4) and (..., 4), broadcast, give (...)."""
    start = np.maximum(one_xyxy[..., :2], other_xyxy[..., :2])
    stop = np.minimum(one_xyxy[..., 2:], other_xyxy[..., 2:])
    sides = np.maximum(stop - start, 0)
    areas: NDArray[Any] = sides[..., 0] * sides[..., 1]
    return areas


def box_ious(one_xyxy: Floats, other_xyxy: Floats) -> Floats:
    """IoU of boxes (..., 4) and (..., 4), broadcast: (...).

    A box whose second corner lies before its first is empty; two empty boxes, and boxes with NaN,
    have an IoU of 0.
    """
    common = shared_areas(one_xyxy, other_xyxy)
    union = box_areas(one_xyxy) + box_areas(other_xyxy) - common
    ious: Floats = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    return ious


def are_corners(boxes: Floats, sides_wh: Floats, *, least_share: float = 1.0) -> bool:
    """Whether boxes are xyxy rather than xywh, judged by their place in the image alone.

    As xyxy they lie inside the image; as xywh many of them would extend beyond it.

    Args:
        boxes: (N, 4).
        sides_wh: (N, 2), width and height of the image of each; NaN where unknown.
        least_share: Share of the boxes that must lie inside as xyxy.

    Returns:
        False also if there are too few boxes to decide.
    """
    start, stop = boxes[:, :2], boxes[:, 2:]
    if len(boxes) < ENOUGH_BOXES:
        return False
    inside = ((stop > start) & (stop <= FITS * sides_wh)).all(axis=1)
    beyond = (start + stop > BEYOND * sides_wh).any(axis=1)
    return bool(inside.mean() >= least_share and beyond.mean() > LEAST_BEYOND)


def overlapping(boxes_xyxy: NDArray[Any]) -> NDArray[np.int64]:
    """Pairs of boxes that have pixels in common.

    The time grows with the pairs whose columns overlap, not with all pairs.

    Args:
        boxes_xyxy: (N, 4); boxes of no size overlap nothing.

    Returns:
        int64 (P, 2), i < j.
    """
    order = np.argsort(boxes_xyxy[:, 0], kind="stable")
    left, top, right, bottom = boxes_xyxy[order].T
    stop = np.searchsorted(left, right, side="left")  # of those that begin before this one ends
    counts = np.maximum(stop - np.arange(len(order)) - 1, 0)
    counts[right <= left] = 0
    found = [np.zeros((0, 2), np.int64)]
    ends = np.cumsum(counts)
    first = 0
    while first < len(order):
        done = int(ends[first] - counts[first])
        last = max(int(np.searchsorted(ends, done + PAIRS_AT_ONCE, side="right")), first + 1)
        own = counts[first:last]
        one = np.repeat(np.arange(first, last), own)
        other = one + 1 + np.arange(len(one)) - np.repeat(np.cumsum(own) - own, own)
        meet = (top[one] < bottom[other]) & (top[other] < bottom[one])
        meet &= (left[other] < right[other]) & (top[one] < bottom[one])
        meet &= top[other] < bottom[other]
        found.append(np.sort(order[np.stack([one[meet], other[meet]], axis=1)], axis=1))
        first = last
    return np.concatenate(found)
