"""Objects without masks: boxes, with or without labelled points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from instseg.core.boxes import box_areas

ENOUGH_PIXELS = 16  # of what is left of an object: 4 x 4, one cell of the finest feature map
ENOUGH_SHARE = 0.1
HALF_PX = 0.25  # of the square around a point that is transformed as a box


@dataclass(frozen=True, kw_only=True, eq=False)
class Boxes:
    """M objects without masks, and regions that are neither objects nor background.

    Attributes:
        boxes: float32 (M, 4), xyxy in pixels of the image.
        class_ids: int64 (M,), 1..K; 0 for a region that is ignored.
        points: float32 (M, P, 3), labelled points of each object: x and y in pixels (the first
            pixel's centre is 0.5, 0.5), and 1 on the object, 0 beside it, -1 for no point.
    """

    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    points: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        boxes: NDArray[np.float32],
        class_ids: NDArray[np.int64],
        points: Sequence[NDArray[np.float32]] = (),
    ) -> Boxes:
        """Boxes with points, (P_i, 3) of each; none by default."""
        padded = np.full((len(boxes), max(map(len, points), default=0), 3), -1, dtype=np.float32)
        for row, each in enumerate(points):
            padded[row, : len(each)] = each
        return cls(boxes=boxes, class_ids=class_ids, points=padded)

    @classmethod
    def empty(cls) -> Boxes:
        """No boxes."""
        return cls.of(np.zeros((0, 4), dtype=np.float32), np.zeros(0, dtype=np.int64))

    def corners(self) -> NDArray[np.float32]:
        """What is transformed: float32 (M + M * P, 4), the boxes, and squares around the points."""
        places = self.points[..., :2].reshape(-1, 2)
        return np.concatenate([self.boxes, np.hstack([places - HALF_PX, places + HALF_PX])])

    def moved(self, corners: NDArray[np.float32]) -> Boxes:
        """The objects after a transform of `corners`, clipped to the photo.

        Boxes that have nearly vanished are zeros, and points that have left the photo are none.
        """
        count = len(self.boxes)
        boxes = remaining_boxes(self.boxes, corners[:count], self.class_ids == 0)
        squares = corners[count:].reshape(*self.points.shape[:2], 4)
        places = (squares[..., :2] + squares[..., 2:]) / 2
        left = (squares[..., 2:] > squares[..., :2]).all(axis=-1)
        labels = np.where(left, self.points[..., 2], -1)
        points = np.concatenate([places, labels[..., None]], axis=-1).astype(np.float32)
        return replace(self, boxes=boxes, points=points)

    def uncovered(self, covered: NDArray[np.bool_]) -> Boxes:
        """Without the points on covered pixels, bool (H, W)."""
        limits = np.array(covered.shape[::-1]) - 1
        x, y = self.points[..., :2].clip(0, limits).astype(np.int64).transpose(2, 0, 1)
        points = self.points.copy()
        points[..., 2] = np.where(covered[y, x], -1, points[..., 2])
        return replace(self, points=points)


def remaining_boxes(
    before: NDArray[np.float32], boxes: NDArray[np.float32], ignored: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Changed boxes, with zeros for those that have nearly vanished, as objects with masks have.

    Args:
        before: (M, 4) xyxy before the change.
        boxes: (M, 4) xyxy after it.
        ignored: bool (M,), which are regions that are ignored: they are kept as long as anything is
            left of them, as crowds are.
    """
    old, new = box_areas(before), box_areas(boxes)
    enough = np.clip(ENOUGH_SHARE * old, 1, ENOUGH_PIXELS)
    kept = np.where(ignored, new > 0, new >= enough)
    return np.where(kept[:, None], boxes, 0).astype(np.float32)
