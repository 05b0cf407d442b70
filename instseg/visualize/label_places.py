"""Where labels go on a photo: near their boxes, and never over one another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.int64]

_REACH = 3  # heights of a label between it and its box, at most
_MOST_COLUMNS, _MOST_ROWS = 24, 48  # of the places that are tried around a box, about


class Places:
    """The labels of one photo, which choose their places one after the other.

    Args:
        size_wh: Of the photo.
        avoided: int64 (M, 4), x0 y0 x1 y1 of objects that labels should not lie over.
        gap_px: Free pixels between two labels.
    """

    def __init__(self, size_wh: tuple[int, int], avoided: Pixels, gap_px: int) -> None:
        self._size_wh = size_wh
        self._avoided = avoided
        self._gap_px = np.array([-gap_px, -gap_px, gap_px, gap_px])
        self._taken = np.empty((0, 4), np.int64)

    def take(self, box: Pixels, label_wh: tuple[int, int]) -> Pixels | None:
        """The best free place for a label, which is no longer free then.

        Args:
            box: int64 (4,), of the object that it belongs to.
            label_wh: Its width and height; of what is larger than the photo, the end is cut off.

        Returns:
            int64 (4,) x0 y0 x1 y1 inside the photo; None if no place near the box is free.
        """
        room = np.maximum(np.subtract(self._size_wh, label_wh), 0)
        for candidates in (_at_corners, _around):
            starts = np.minimum(np.maximum(candidates(box, label_wh), 0), room)
            places = np.hstack([starts, np.minimum(starts + label_wh, self._size_wh)])
            free = np.flatnonzero(_overlaps(places, self._taken) == 0)
            if len(free):
                distance = free * (label_wh[0] * label_wh[1] / 100)  # they stand from near to far
                best = (_overlaps(places[free], self._avoided) + distance).argmin()
                found: Pixels = places[free[best]]
                self._taken = np.vstack([self._taken, found + self._gap_px])
                return found
        return None


def _at_corners(box: Pixels, label_wh: tuple[int, int]) -> Pixels:
    """First corners of labels above, inside and below a box, the best ones first: (24, 2) x y."""
    (x0, y0, x1, y1), (w, h) = box.tolist(), label_wh
    rows = (y0 - h, y0, y1, y1 - h, y0 - 2 * h, y1 + h)
    return np.array([(x, y) for x in (x0, x1 - w, x1, x0 - w) for y in rows])


def _around(box: Pixels, label_wh: tuple[int, int]) -> Pixels:
    """First corners of labels all over a box and a little beyond, near to far: (places, 2) x y."""
    (x0, y0, x1, y1), (w, h) = box.tolist(), label_wh
    reach = _REACH * h
    left, top, right, bottom = x0 - w - reach, y0 - h - reach, x1 + reach, y1 + reach
    columns = np.arange(left, right + 1, max(1, w // 4, (right - left) // _MOST_COLUMNS))
    rows = np.arange(top, bottom + 1, max(1, h // 4, (bottom - top) // _MOST_ROWS))
    starts = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    beyond = np.maximum(box[:2] - (starts + label_wh), starts - box[2:]).clip(0)
    from_corner = np.abs(starts - (x0, y0 - h)).sum(axis=1) / 100  # decides between equal ones
    order = (np.hypot(*beyond.T) + from_corner).argsort(kind="stable")
    ordered: Pixels = starts[order]
    return ordered


def _overlaps(places: Pixels, others: Pixels) -> Pixels:
    """Pixels that each place shares with the others: (places,) from two (n, 4) x0 y0 x1 y1."""
    if not len(others):
        return np.zeros(len(places), np.int64)
    x0, y0, x1, y1 = places.T[:, :, None]
    left, top, right, bottom = others.T
    width = np.minimum(x1, right) - np.maximum(x0, left)
    height = np.minimum(y1, bottom) - np.maximum(y0, top)
    shared: Pixels = (np.maximum(width, 0) * np.maximum(height, 0)).sum(axis=1)
    return shared
