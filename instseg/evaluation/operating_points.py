"""Calibration of scores, and the best score threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.matching import Floats, Ints, Matches

BINS = 10
LEAST_OBJECTS = 20  # of a class that has its own threshold
LEAST_PRECISION = 0.45  # of predictions that people look at; many of the others are badly placed


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


@dataclass(frozen=True, kw_only=True)
class PredictionThresholds:
    """The score thresholds that a model file stores, for predictions that people look at.

    Attributes:
        overall: The threshold with the best F1 over the detections of all classes together, among
            those with a precision of at least `LEAST_PRECISION` if there is one; None if no
            object is found.
        per_class: The threshold of each class, by the same rule. A class with fewer than
            `LEAST_OBJECTS` objects has `overall`: its own best would be chance. A class that never
            reaches the precision has the higher of `overall` and the threshold of its best F1.
            None if no object of any class is found.
    """

    overall: float | None
    per_class: tuple[float | None, ...]


def operating_points(matches: Matches) -> list[OperatingPoint | None]:
    """The best F1 of each class; None for a class without matched objects."""
    return [_best_f1(*_counted(matches, k)) for k in range(len(matches.category_ids))]


def prediction_thresholds(matches: Matches) -> PredictionThresholds:
    """The score threshold of each class for predictions that people look at."""
    overall = _preferred(*_counted(matches))
    classes = [_counted(matches, k) for k in range(len(matches.category_ids))]
    if overall is None:
        return PredictionThresholds(overall=None, per_class=(None,) * len(classes))
    per_class = []
    for own in classes:
        point = _preferred(*own) if own[2] >= LEAST_OBJECTS else None
        if point is None:
            per_class.append(overall.threshold)
        elif point.precision < LEAST_PRECISION:
            per_class.append(max(point.threshold, overall.threshold))
        else:
            per_class.append(point.threshold)
    return PredictionThresholds(overall=overall.threshold, per_class=tuple(per_class))


def _counted(matches: Matches, k: int | None = None) -> tuple[Floats, NDArray[np.bool_], int]:
    """Scores of the detections, falling, whether each is true, and the number of objects.

    Args:
        matches: Of boxes or masks.
        k: One class; None takes all classes together.
    """
    counted, objects = ~matches.det_ignored[0, 0], ~matches.gt_ignored[0]
    if k is not None:
        counted, objects = counted & (matches.det_class == k), objects & (matches.gt_class == k)
    scores, true = matches.det_score[counted], matches.det_true[0, 0, counted]
    order = np.argsort(-scores, kind="stable")
    return scores[order], true[order], int(np.count_nonzero(objects))


def _preferred(scores: Floats, true: NDArray[np.bool_], objects: int) -> OperatingPoint | None:
    """The best F1 with enough precision, or else the best F1."""
    return _best_f1(scores, true, objects, LEAST_PRECISION) or _best_f1(scores, true, objects)


def _best_f1(
    scores: Floats, true: NDArray[np.bool_], objects: int, least_precision: float = 0.0
) -> OperatingPoint | None:
    if not true.any():
        return None
    hits, kept = np.cumsum(true), np.arange(1, len(true) + 1)
    f1, precision = 2 * hits / (kept + objects), hits / kept
    lower = np.append(scores[1:], 0.0 if scores[-1] > 0 else scores[-1] - 1)
    f1[(lower == scores) | (precision < least_precision)] = -1  # equal scores are kept together
    best = int(f1.argmax())
    if f1[best] < 0:
        return None
    return OperatingPoint(
        threshold=float(scores[best] + lower[best]) / 2,
        f1=float(f1[best]),
        precision=float(precision[best]),
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
