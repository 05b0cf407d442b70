"""The polygons of many annotations at once: sorted into sound and broken, measured, clipped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.doctor.table import is_number

_MOST_POINTS = 1500  # of a polygon that is tested for crossing; memory follows the square


@dataclass(frozen=True, kw_only=True, eq=False)
class Polygons:
    """K sound polygons with P points in all, of some of N annotations.

    Attributes:
        count: N.
        points: float64 (P, 2), x and y in the document's units.
        starts: int64 (K,), the first point of each polygon.
        owners: int64 (K,), its annotation, ascending.
        troubles: For "polygon-broken", "polygon-odd" and "polygon-short" the annotations that
            have such a polygon.
    """

    count: int
    points: NDArray[np.float64]
    starts: NDArray[np.int64]
    owners: NDArray[np.int64]
    troubles: dict[str, list[int]]

    @classmethod
    def collect(cls, segmentations: Sequence[Any]) -> Polygons:
        """The sound polygons of N segmentations; those that are no lists have none."""
        parts: list[list[float]] = []
        owners: list[int] = []
        troubles: dict[str, list[int]] = {}
        for owner, segmentation in enumerate(segmentations):
            for part in segmentation if isinstance(segmentation, list) else ():
                trouble = polygon_trouble(part)
                if trouble is None:
                    parts.append(part)
                    owners.append(owner)
                elif owner not in troubles.setdefault(trouble, [])[-1:]:
                    troubles[trouble].append(owner)
        lengths = np.array([len(part) for part in parts], dtype=np.int64)
        flat = np.fromiter(chain.from_iterable(parts), np.float64, int(lengths.sum()))
        return cls(
            count=len(segmentations),
            points=flat.reshape(-1, 2),
            starts=(np.cumsum(lengths) - lengths) // 2,
            owners=np.array(owners, dtype=np.int64),
            troubles=troubles,
        )

    def extents(self) -> NDArray[np.float64]:
        """Least and greatest x and y of each annotation's points: (N, 4) xyxy, NaN for none."""
        extents = np.full((self.count, 4), np.nan)
        if len(self.starts):
            first = self._first_parts()
            low = np.minimum.reduceat(self.points, self.starts[first])
            high = np.maximum.reduceat(self.points, self.starts[first])
            extents[self.owners[first]] = np.hstack([low, high])
        return extents

    def areas(self) -> NDArray[np.float64]:
        """What each annotation's polygons enclose, added up, as COCO's `area`: (N,), 0 for none."""
        areas = np.zeros(self.count)
        if len(self.starts):
            (x0, y0), (x1, y1) = self.points.T, self.points[self._following()].T
            twice = np.add.reduceat(x0 * y1 - x1 * y0, self.starts)
            np.add.at(areas, self.owners, np.abs(twice) / 2)
        return areas

    def lengths(self) -> NDArray[np.float64]:
        """The length of each annotation's outlines, added up, in pixels: (N,), 0 for none."""
        lengths = np.zeros(self.count)
        if len(self.starts):
            steps = np.abs(self.points - self.points[self._following()]).max(axis=1)
            np.add.at(lengths, self.owners, np.add.reduceat(steps, self.starts))
        return lengths

    def _following(self) -> NDArray[np.int64]:
        """The point after each point, around its polygon."""
        following = np.arange(1, len(self.points) + 1)
        following[np.append(self.starts[1:], len(self.points)) - 1] = self.starts
        return following

    def parts_of(self, annotation: int) -> list[NDArray[np.float64]]:
        """The polygons of one annotation, each (P, 2)."""
        first, last = np.searchsorted(self.owners, [annotation, annotation + 1]).tolist()
        borders = np.append(self.starts[first : last + 1], len(self.points))[: last - first + 1]
        return [self.points[a:b] for a, b in pairwise(borders.tolist())]

    def crossing(self) -> NDArray[np.int64]:
        """The annotations with a polygon that crosses itself."""
        lengths = np.diff(self.starts, append=len(self.points))
        crosses = np.zeros(len(lengths), dtype=bool)
        for count in np.unique(lengths[(lengths > 3) & (lengths <= _MOST_POINTS)]).tolist():
            alike = np.flatnonzero(lengths == count)
            for some in np.array_split(alike, -(-len(alike) * count**2 // _MOST_POINTS**2)):
                points = self.points[self.starts[some, None] + np.arange(count)]
                crosses[some] = _cross_themselves(points)
        return np.unique(self.owners[crosses])

    def _first_parts(self) -> NDArray[np.int64]:
        return np.flatnonzero(np.diff(self.owners, prepend=-1))


def polygon_trouble(part: object) -> str | None:
    """The code of what is wrong with a JSON value that should be a polygon, if anything."""
    if not isinstance(part, list):
        return "polygon-broken"
    if set(map(type, part)) != {float} or not -1e9 < min(part) <= max(part) < 1e9:
        # The quick test above is for the millions of sound polygons; NaN may slip through it.
        if not all(map(is_number, part)):
            return "polygon-broken"
    elif not np.isfinite(sum(part)):
        return "polygon-broken"
    if len(part) % 2:
        return "polygon-odd"
    return "polygon-short" if len(part) < 6 else None


def clipped(points: NDArray[np.float64], size_wh: Sequence[float]) -> NDArray[np.float64]:
    """The part of a polygon inside the image (Sutherland and Hodgman, 1974).

    Args:
        points: (P, 2), x and y in pixels.
        size_wh: width and height of the image.

    Returns:
        (Q, 2); where the polygon leaves and comes back, parts stay joined along the border.
    """
    for axis in (0, 1):
        for limit, sign in ((0.0, 1.0), (size_wh[axis], -1.0)):
            depth = sign * (points[:, axis] - limit)  # 0 and above is inside
            next_points, next_depth = np.roll(points, -1, axis=0), np.roll(depth, -1)
            leaves = (depth < 0) != (next_depth < 0)
            share = np.divide(depth, depth - next_depth, where=leaves, out=np.zeros(len(depth)))
            borders = points + (next_points - points) * share[:, None]
            borders[:, axis] = limit
            both = np.stack([points, borders], axis=1)  # (P, 2, 2): each point, then its border
            points = both[np.stack([depth >= 0, leaves], axis=1)]
    return points


def _cross_themselves(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of B polygons have two edges that cross at an inner point of both.

    Args:
        points: (B, P, 2); touching is not crossing.
    """
    along = np.roll(points, -1, axis=1) - points  # (B, P, 2), edge i begins at point i
    away = points[:, None] - points[:, :, None]  # (B, P, P, 2), from the start of edge i to point j
    side = along[:, :, None, 0] * away[..., 1] - along[:, :, None, 1] * away[..., 0]
    side = np.sign(side)
    splits = side * np.roll(side, -1, axis=2) < 0  # edge i's line has edge j's ends on two sides
    return np.asarray((splits & splits.transpose(0, 2, 1)).any(axis=(1, 2)))
