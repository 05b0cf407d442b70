"""The measures of Matterport's Mask R-CNN for one image, equal in meaning to its `mrcnn.utils`.

AP is VOC's: predictions, best first, are each matched with the free object of their class of
highest mask IoU; precision is raised to the highest one at any greater recall; AP is the area under
it. All classes of the image are ranked together. COCO's AP, over a dataset and by class, is
`instseg.evaluate`.

`from instseg.evaluation import matterport as utils` stands for `from mrcnn import utils`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instseg.core.instances import Instances
from instseg.core.matterport_arrays import (
    Matches,
    compute_overlaps,
    compute_overlaps_masks,
    extract_bboxes,
    match_arrays,
    trim_zeros,
    truth_and_found,
)
from instseg.files.resizing import (
    expand_mask,
    minimize_mask,
    resize_image,
    resize_mask,
    unmold_mask,
)

__all__ = [
    "AveragePrecision",
    "Matches",
    "compute_ap",
    "compute_ap_range",
    "compute_matches",
    "compute_overlaps",
    "compute_overlaps_masks",
    "compute_recall",
    "expand_mask",
    "extract_bboxes",
    "minimize_mask",
    "resize_image",
    "resize_mask",
    "trim_zeros",
    "unmold_mask",
]

Floats = NDArray[np.float64]

COCO_IOUS = [round(0.5 + 0.05 * step, 2) for step in range(10)]


class AveragePrecision(NamedTuple):
    """AP of one image, and the curve under which it is the area.

    Attributes:
        AP: 0 to 1; NaN where the image has no objects.
        precisions: float64 (N + 2,), never rising; the last is 0.
        recalls: float64 (N + 2,), from 0 to 1.
        overlaps: float64 (N, M), mask IoU of each prediction, best first, with each object.
    """

    AP: float
    precisions: Floats
    recalls: Floats
    overlaps: Floats


def compute_matches(
    gt_boxes: Instances | ArrayLike,
    gt_class_ids: Instances | ArrayLike,
    gt_masks: ArrayLike = (),
    pred_boxes: ArrayLike = (),
    pred_class_ids: ArrayLike = (),
    pred_scores: ArrayLike = (),
    pred_masks: ArrayLike = (),
    iou_threshold: float = 0.5,
    score_threshold: float = 0.0,
) -> Matches:
    """Match the predictions of an image with its objects.

    Two forms: `compute_matches(truth, found)` with two `Instances`, and Matterport's arrays. Rows
    of boxes that are zeros are padding and are left out everywhere.

    Args:
        gt_boxes: numbers (M, 4), y1 x1 y2 x2.
        gt_class_ids: integers (M,).
        gt_masks: bool or numbers (H, W, M).
        pred_boxes: numbers (N, 4).
        pred_class_ids: integers (N,).
        pred_scores: numbers (N,), 0 to 1.
        pred_masks: bool or numbers (H, W, N).
        iou_threshold: The least IoU of a match, 0 to 1.
        score_threshold: Predictions with a lower score match nothing.

    Returns:
        `gt_match, pred_match, overlaps`; predictions are numbered by descending score.

    Raises:
        ValueError: Shapes or lengths do not fit.
    """
    truth, found = truth_and_found(
        gt_boxes, gt_class_ids, gt_masks, pred_boxes, pred_class_ids, pred_scores, pred_masks
    )
    return match_arrays(truth, found, iou_threshold, score_threshold)


def compute_ap(
    gt_boxes: Instances | ArrayLike,
    gt_class_ids: Instances | ArrayLike,
    gt_masks: ArrayLike = (),
    pred_boxes: ArrayLike = (),
    pred_class_ids: ArrayLike = (),
    pred_scores: ArrayLike = (),
    pred_masks: ArrayLike = (),
    iou_threshold: float = 0.5,
) -> AveragePrecision:
    """AP of one image, all its classes ranked together.

    Arguments are those of `compute_matches`; `compute_ap(truth, found)` takes two `Instances`.

    Returns:
        `mAP, precisions, recalls, overlaps`.
    """
    return _ap_of(
        compute_matches(
            gt_boxes,
            gt_class_ids,
            gt_masks,
            pred_boxes,
            pred_class_ids,
            pred_scores,
            pred_masks,
            iou_threshold,
        )
    )


def compute_ap_range(
    gt_box: Instances | ArrayLike,
    gt_class_id: Instances | ArrayLike,
    gt_mask: ArrayLike = (),
    pred_box: ArrayLike = (),
    pred_class_id: ArrayLike = (),
    pred_score: ArrayLike = (),
    pred_mask: ArrayLike = (),
    iou_thresholds: Sequence[float] | NDArray[np.floating] | None = None,
    verbose: int = 1,
) -> float:
    """The mean of `compute_ap` over IoU thresholds.

    Args:
        gt_box: As `gt_boxes` of `compute_matches`, and so on.
        gt_class_id: Likewise, or the predictions as `Instances`.
        gt_mask: Likewise.
        pred_box: Likewise.
        pred_class_id: Likewise.
        pred_score: Likewise.
        pred_mask: Likewise.
        iou_thresholds: 0 to 1; None for 0.5, 0.55 ... 0.95.
        verbose: 1 prints the AP at each threshold, as Matterport's function does; 0 is silent.

    Returns:
        0 to 1; NaN where the image has no objects.
    """
    thresholds = COCO_IOUS if iou_thresholds is None else [float(iou) for iou in iou_thresholds]
    truth, found = truth_and_found(
        gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask
    )
    values = [_ap_of(match_arrays(truth, found, iou)).AP for iou in thresholds]
    mean = float(np.mean(values))
    if verbose:
        lines = [f"AP @{iou:.2f}:\t {ap:.3f}" for iou, ap in zip(thresholds, values, strict=True)]
        lines.append(f"AP @{min(thresholds):.2f}-{max(thresholds):.2f}:\t {mean:.3f}")
        sys.stdout.write("\n".join(lines) + "\n")
    return mean


def compute_recall(
    pred_boxes: ArrayLike, gt_boxes: ArrayLike, iou: float
) -> tuple[float, NDArray[np.int64]]:
    """The share of objects that boxes cover, whatever their classes; for proposals.

    Args:
        pred_boxes: numbers (N, 4), y1 x1 y2 x2.
        gt_boxes: numbers (M, 4).
        iou: The least box IoU; each box covers at most the object it overlaps most.

    Returns:
        Recall, 0 to 1, NaN without objects; and int64 (P,), the rows of the boxes that cover one.
    """
    overlaps = compute_overlaps(pred_boxes, gt_boxes)
    if not overlaps.size:
        return (0.0 if overlaps.shape[1] else float("nan")), np.empty(0, dtype=np.int64)
    covering = np.flatnonzero(overlaps.max(axis=1) >= iou)
    covered = np.unique(overlaps[covering].argmax(axis=1))
    return len(covered) / overlaps.shape[1], covering


def _ap_of(matches: Matches) -> AveragePrecision:
    gt_match, pred_match, overlaps = matches
    right = (pred_match >= 0).cumsum()
    objects = max(len(gt_match), 1)
    precisions = np.concatenate([[0], right / np.arange(1, len(right) + 1), [0]])
    recalls = np.concatenate([[0], right / objects, [1]])
    raised = np.maximum.accumulate(precisions[::-1])[::-1]
    area = float((np.diff(recalls) * raised[1:]).sum())
    return AveragePrecision(area if len(gt_match) else float("nan"), raised, recalls, overlaps)
