"""Instances as the arrays of Matterport's Mask R-CNN, and their matches.

Boxes are numbers (N, 4), y1 x1 y2 x2 in pixels, the last two exclusive; rows of zeros are padding.
Masks are bool or numbers (H, W, N); what is above 0.5 is mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instseg.core.boxes import box_ious
from instseg.core.instances import Instances
from instseg.core.masks import Masks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class InstanceArrays:
    """N instances of one image, without padding.

    Attributes:
        boxes_yxyx: float64 (N, 4).
        class_ids: int64 (N,).
        scores: float64 (N,); 1 for the truth.
        masks: N masks.
    """

    boxes_yxyx: Floats
    class_ids: Ints
    scores: Floats
    masks: Masks

    def __len__(self) -> int:
        return len(self.class_ids)

    def __getitem__(self, rows: Ints) -> InstanceArrays:
        """The instances of these rows, in this order."""
        return InstanceArrays(
            self.boxes_yxyx[rows], self.class_ids[rows], self.scores[rows], self.masks[rows]
        )


def packed(masks: ArrayLike, name: str = "masks") -> Masks:
    """Masks (H, W, N), each kept as its crop; ValueError for another shape."""
    dense = np.asarray(masks)
    if dense.ndim != 3:
        raise ValueError(f"{name}: expected shape (H, W, N), got {dense.shape}")
    return Masks.from_dense(np.moveaxis(dense > 0.5, 2, 0))


def yxyx(boxes: ArrayLike, name: str = "boxes") -> Floats:
    """Boxes as float64 (N, 4), of an empty list (0, 4); ValueError for another shape."""
    given = np.asarray(boxes, dtype=np.float64)
    if not given.size:
        return np.empty((0, 4))
    if given.ndim != 2 or given.shape[1] != 4:
        raise ValueError(f"{name}: expected shape (N, 4), got {given.shape}")
    return given


def arrays_of(
    boxes: Instances | ArrayLike,
    class_ids: ArrayLike = (),
    masks: ArrayLike = (),
    scores: ArrayLike | None = None,
    *,
    name: str = "",
) -> InstanceArrays:
    """Instances, or Matterport's arrays, checked and without rows of padding.

    Args:
        boxes: `Instances`, which need no further argument, or y1 x1 y2 x2.
        class_ids: (N,).
        masks: (H, W, N).
        scores: (N,), or None for the truth.
        name: What errors call them, as "gt_".

    Raises:
        ValueError: Shapes or lengths do not fit.
    """
    if isinstance(boxes, Instances):
        corners: Floats = boxes.boxes[:, [1, 0, 3, 2]].astype(np.float64)
        ids, kept, values = boxes.class_ids, boxes.masks, boxes.scores.astype(np.float64)
    else:
        corners, kept = yxyx(boxes, f"{name}boxes"), packed(masks, f"{name}masks")
        ids = np.asarray(class_ids).astype(np.int64)
        values = np.ones(len(corners)) if scores is None else np.asarray(scores, np.float64)
    for field, length in (("masks", len(kept)), ("class_ids", len(ids)), ("scores", len(values))):
        if length != len(corners):
            raise ValueError(
                f"{name}{field}: expected {len(corners)}, one for each box, got {length}"
            )
    return InstanceArrays(corners, ids, values, kept)[np.flatnonzero(corners.any(axis=1))]


def truth_and_found(
    gt_boxes: Instances | ArrayLike,
    gt_class_ids: Instances | ArrayLike,
    gt_masks: ArrayLike,
    pred_boxes: ArrayLike,
    pred_class_ids: ArrayLike,
    pred_scores: ArrayLike,
    pred_masks: ArrayLike,
) -> tuple[InstanceArrays, InstanceArrays]:
    """The objects of an image and its predictions, best first; or just two `Instances`.

    Raises:
        ValueError: Shapes or lengths do not fit.
    """
    if isinstance(gt_boxes, Instances) or isinstance(gt_class_ids, Instances):
        if not (isinstance(gt_boxes, Instances) and isinstance(gt_class_ids, Instances)):
            raise ValueError("expected two Instances, the truth and what was found, got one")
        truth, found = arrays_of(gt_boxes), arrays_of(gt_class_ids)
    else:
        truth = arrays_of(gt_boxes, gt_class_ids, gt_masks, name="gt_")
        found = arrays_of(pred_boxes, pred_class_ids, pred_masks, pred_scores, name="pred_")
    return truth, found[np.argsort(-found.scores, kind="stable")]


class Matches(NamedTuple):
    """Which prediction is which object.

    Attributes:
        gt_match: int64 (M,), the prediction of each object, or -1.
        pred_match: int64 (N,), the object of each prediction, or -1.
        overlaps: float64 (N, M), IoUs of masks.
    """

    gt_match: Ints
    pred_match: Ints
    overlaps: Floats


def match_arrays(
    truth: InstanceArrays,
    found: InstanceArrays,
    iou_threshold: float,
    score_threshold: float = 0.0,
) -> Matches:
    """Match predictions, in their order, each with the free object of its class of highest IoU.

    Args:
        truth: M objects.
        found: N predictions, best first.
        iou_threshold: The least IoU of a match.
        score_threshold: The least score of a match.
    """
    overlaps = found.masks.iou(truth.masks)
    gt_match = np.full(len(truth), -1, dtype=np.int64)
    pred_match = np.full(len(found), -1, dtype=np.int64)
    allowed = (found.class_ids[:, None] == truth.class_ids) & (overlaps >= iou_threshold)
    allowed &= (found.scores >= score_threshold)[:, None]
    for i in np.flatnonzero(allowed.any(axis=1)).tolist():
        ious = np.where(allowed[i] & (gt_match < 0), overlaps[i], -1.0)
        j = int(ious.argmax())
        if ious[j] >= 0:
            gt_match[j], pred_match[i] = i, j
    return Matches(gt_match, pred_match, overlaps)


def extract_bboxes(mask: ArrayLike) -> NDArray[np.int32]:
    """The tight box of each mask.

    Args:
        mask: bool or numbers (H, W, N).

    Returns:
        int32 (N, 4), y1 x1 y2 x2, the last two exclusive; zeros for an empty mask.
    """
    boxes: NDArray[np.int32] = packed(mask).boxes_xyxy()[:, [1, 0, 3, 2]].astype(np.int32)
    return boxes


def compute_overlaps(boxes1: ArrayLike, boxes2: ArrayLike) -> Floats:
    """IoU of each box with each other one.

    Args:
        boxes1: numbers (N, 4), y1 x1 y2 x2.
        boxes2: numbers (M, 4).

    Returns:
        float64 (N, M), 0 to 1.
    """
    return box_ious(yxyx(boxes1, "boxes1")[:, None], yxyx(boxes2, "boxes2")[None])


def compute_overlaps_masks(masks1: ArrayLike, masks2: ArrayLike) -> Floats:
    """IoU of each mask with each other one.

    Args:
        masks1: bool or numbers (H, W, N).
        masks2: bool or numbers (H, W, M), of the same image.

    Returns:
        float64 (N, M), 0 to 1; 0 for two empty masks.
    """
    return packed(masks1, "masks1").iou(packed(masks2, "masks2"))


def trim_zeros(x: ArrayLike) -> NDArray[Any]:
    """An array (N, ...) without the rows that are all zeros, which are padding."""
    given = np.asarray(x)
    kept: NDArray[Any] = given[given.reshape(len(given), -1).any(axis=1)]
    return kept
