"""The quality of the instances of a single photo, as one number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instseg.core.instances import Instances, Masks

SCORE_THRESHOLD = 0.5
IOU_THRESHOLD = 0.5
MOSTLY = 0.5  # a prediction with this share of its mask in a crowd region belongs to the crowd


@dataclass(frozen=True, kw_only=True, eq=False)
class PhotoQuality:
    """The matches of objects and predictions of a photo.

    Attributes:
        ious: float64 (P,), 0.5..1, mask IoU of each match.
        missed: bool (M,), objects without a match.
        wrong: bool (N,), predictions without a match that are not ignored.
    """

    ious: NDArray[np.float64]
    missed: NDArray[np.bool_]
    wrong: NDArray[np.bool_]

    @property
    def mistakes(self) -> int:
        """Number of missed objects and wrong predictions."""
        return int(self.missed.sum() + self.wrong.sum())

    @property
    def value(self) -> float:
        """Panoptic quality, 0..1: sum of the IoUs / (matches + missed / 2 + wrong / 2).

        Kirillov et al., "Panoptic Segmentation", CVPR 2019; here over all objects of a photo,
        without a mean over classes. 1 if there are neither objects nor predictions.
        """
        weight = len(self.ious) + self.mistakes / 2
        return float(self.ious.sum() / weight) if weight else 1.0

    def describe(self) -> str:
        """The figures in words."""
        words = f"{self.missed.sum()} missed, {self.wrong.sum()} wrong, {len(self.ious)} found"
        if len(self.ious):
            words += f" with IoU {self.ious.mean():.2f}"
        return f"{words}; panoptic quality {self.value:.2f}"


def photo_quality(
    truth: Instances, predicted: Instances, crowds: Masks | None = None
) -> PhotoQuality:
    """Match the predictions of a photo with its objects.

    Predictions with a score of 0.5 or more are used. By descending score, each matches the
    unmatched object of its class with the highest IoU, if that is 0.5 or more.

    Args:
        truth: M objects.
        predicted: N predictions for the same photo; classes are matched by name.
        crowds: Crowd regions; predictions with half or more of their area in one are never wrong.
    """
    same_class = np.array(predicted.names, str)[:, None] == np.array(truth.names, str)
    ious = predicted.masks.iou(truth.masks) * same_class  # (N, M)
    missed = np.ones(len(truth), dtype=bool)
    wrong = predicted.scores >= SCORE_THRESHOLD
    found = []
    for row in np.argsort(-predicted.scores, kind="stable")[: wrong.sum()]:
        best = ious[row].max(initial=0)
        if best >= IOU_THRESHOLD:
            column = ious[row].argmax()
            missed[column] = wrong[row] = False
            ious[:, column] = 0  # it is matched
            found.append(best)
    if crowds is not None:
        shares = predicted.masks.iou(crowds, iscrowd=np.ones(len(crowds)))
        wrong &= shares.max(axis=1, initial=0) < MOSTLY
    return PhotoQuality(ious=np.array(found, dtype=np.float64), missed=missed, wrong=wrong)
