"""The confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.overlaps import Overlaps

DEFAULT_SCORE = 0.3


def confusion_matrix(
    overlaps: Overlaps,
    *,
    iou_threshold: float = 0.5,
    score_threshold: float | NDArray[np.float64] = DEFAULT_SCORE,
) -> NDArray[np.int64]:
    """Count objects by true and predicted class.

    In each image, detections by descending score match the unmatched object of any class with the
    highest IoU; of equal IoUs one of their own class. Unmatched detections with at
    least `iou_threshold` of their area in a crowd region of their class are left out.

    Args:
        overlaps: Of all detections, at `iou_threshold` or below.
        iou_threshold: Minimum IoU of a match, above 0, up to 1.
        score_threshold: Minimum score of detections, for all classes or for each (K,).

    Returns:
        int64 (K + 1, K + 1). Rows are the truth, columns the prediction; 0 is the background,
        1..K are the categories in order of their ids. Row 0 has false positives on background,
        column 0 has missed objects, and [0, 0] is 0.
    """
    least = np.broadcast_to(score_threshold, overlaps.n_classes)
    sure = overlaps.only(overlaps.scores >= least[overlaps.detection_classes])
    return confusions(sure, iou_threshold).matrix(overlaps.n_classes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Confusions:
    """The C detections and objects that a confusion matrix counts.

    Attributes:
        rows: int64 (C,), the true class; 0 is the background.
        columns: int64 (C,), the predicted class; 0 is the background.
        detections: int64 (C,), rows of the detections; -1 for missed objects.
        objects: int64 (C,), rows of the objects; -1 for false positives on background.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    detections: NDArray[np.int64]
    objects: NDArray[np.int64]

    def matrix(self, n_classes: int) -> NDArray[np.int64]:
        """Their counts; see `confusion_matrix`."""
        side = n_classes + 1
        places = self.rows * side + self.columns
        return np.bincount(places, minlength=side**2).reshape(side, side)


def confusions(overlaps: Overlaps, iou_threshold: float = 0.5) -> Confusions:
    """Match detections and objects of any class; see `confusion_matrix`."""
    matched = overlaps.match(overlaps.ious >= iou_threshold)
    counted = np.flatnonzero((matched >= 0) | (overlaps.crowd_ious < iou_threshold))
    unfound = np.delete(np.arange(len(overlaps.object_classes)), matched[matched >= 0])
    detections = np.concatenate([counted, np.full_like(unfound, -1)])
    objects = np.concatenate([matched[counted], unfound])
    true = np.append(overlaps.object_classes + 1, 0)  # -1 takes the last, background
    predicted = np.append(overlaps.detection_classes + 1, 0)
    return Confusions(
        rows=true[objects], columns=predicted[detections], detections=detections, objects=objects
    )
