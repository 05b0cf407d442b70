"""Calibration of scores, and the best score threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from instseg.evaluation.matching import Floats, Ints, Matches

BINS = 10


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """The score threshold of one class with the best F1 at IoU 0.50.

    Attributes:
        threshold: Half-way between the last score that is kept and the first that is not, 0..1.
        f1: F1 at that threshold.
        precision: Precision at that threshold.
        recall: Recall at that threshold.
    """

    threshold: float
    f1: float
    precision: float
    recall: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Mean score and precision at IoU 0.50, in ten bins of equal width.

    Attributes:
        confidence: float64 (10,), mean score of each bin; NaN if it is empty.
        precision: float64 (10,), share of true positives; NaN if it is empty.
        counts: int64 (10,), number of detections.
        ece: Expected calibration error: the mean gap between the two over all detections (Naeini
            et al., AAAI 2015; for detections Küppers et al., CVPR Workshops 2020); NaN without
            detections.
    """

    confidence: Floats
    precision: Floats
    counts: Ints
    ece: float


def operating_points(matches: Matches) -> list[OperatingPoint | None]:
    """The best F1 of each class; None for a class without matched objects."""
    return [_best_f1(matches, k) for k in range(len(matches.category_ids))]


def _best_f1(matches: Matches, k: int) -> OperatingPoint | None:
    counted = (matches.det_class == k) & ~matches.det_ignored[0, 0]
    scores, true = matches.det_score[counted], matches.det_true[0, 0, counted]
    objects = np.count_nonzero((matches.gt_class == k) & ~matches.gt_ignored[0])
    if not true.any():
        return None
    hits, kept = np.cumsum(true), np.arange(1, len(true) + 1)
    f1 = 2 * hits / (kept + objects)
    lower = np.append(scores[1:], 0.0 if scores[-1] > 0 else scores[-1] - 1)
    f1[lower == scores] = -1  # equal scores are kept together
    best = int(f1.argmax())
    return OperatingPoint(
        threshold=float(scores[best] + lower[best]) / 2,
        f1=float(f1[best]),
        precision=float(hits[best] / kept[best]),
        recall=float(hits[best] / objects),
    )


def calibration(matches: Matches) -> Calibration:
    """Calibration of scores in 0..1; crowds are ignored."""
    in_range = (matches.det_score >= 0) & (matches.det_score <= 1)  # else not a probability
    counted = ~matches.det_ignored[0, 0] & in_range
    scores, true = matches.det_score[counted], matches.det_true[0, 0, counted]
    place = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    counts, score_sums, true_sums = (
        np.bincount(place, weights, BINS) for weights in (None, scores, true)
    )
    some = np.where(counts > 0, counts, np.nan)
    gaps = np.abs(score_sums - true_sums).sum()
    return Calibration(
        confidence=score_sums / some,
        precision=true_sums / some,
        counts=counts.astype(np.int64),
        ece=float(gaps / counts.sum()) if counts.any() else float("nan"),
    )
