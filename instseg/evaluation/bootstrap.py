"""Confidence intervals by resampling images, computed from counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.coco_ap import MAX_DETECTIONS, METRICS
from instseg.evaluation.matching import Floats, Matches
from instseg.evaluation.resampled_ap import Chosen, Gains, Runs

Weights = NDArray[np.float32]
Range = tuple[float, float]  # low and high of an interval

RESAMPLES = 1000
FEW_OBJECTS = 10  # of a class, with which AP is too high and its interval too narrow
LEAST_SHARE = 0.7  # share of the half-samples that must have a score
NOTHING = 1e-12  # a smaller standard deviation is rounding
Z = 1.96  # standard deviations on either side that contain 95%


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """Scores of R resamples of the images; NaN for a resample without objects.

    Attributes:
        scores: The twelve names of `METRICS` to float64 (R,).
        per_class: AP of each class: float64 (K, R).
    """

    scores: Mapping[str, Floats]
    per_class: Floats


def draw_halves(images: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Weights:
    """Random halves of the images: float32 (images, resamples) of zeros and ones.

    Halves, not draws with replacement: duplicated photos would cause ties of scores that real data
    do not have, and hide the bias of AP.
    """
    rng = np.random.default_rng(seed)
    half = np.arange(images) < images // 2
    halves = rng.permuted(np.tile(half, (resamples, 1)), axis=1)
    return np.ascontiguousarray(halves.T, dtype=np.float32)


def resample(matches: Matches, weights: Weights) -> Resampled:
    """Score resamples of the images, each as COCO scores a dataset of these images.

    Args:
        matches: Matches of the whole dataset.
        weights: (N, R), 1 for images in the resample, else 0; all ones give the full score.
    """
    counted = ~np.logical_and.reduce(matches.gt_ignored)
    with_objects = np.unique(matches.gt_class[counted])  # other classes have no score
    table = np.full((len(METRICS), len(matches.category_ids), weights.shape[1]), np.nan)
    chosen = Chosen(weights.astype(np.uint8))
    for k in with_objects.tolist():
        _score_class(table[:, k], matches, k, chosen)
    scores = dict(zip(METRICS, table, strict=True))
    return Resampled(
        scores={name: _mean(values) for name, values in scores.items()}, per_class=scores["AP"]
    )


def interval(halves: Floats, value: float, *, lowest: float = 0.0) -> Range | None:
    """The 95% interval of a score, from the scores of random halves.

    The variance of half-samples about their mean equals that of the full score (McCarthy,
    "Pseudo-replication: half samples", 1969), and their mean exceeds the score by the bias of the
    score: AP is slightly too high if there are few objects. The tests check the coverage by
    simulation.

    Args:
        halves: (R,); NaN for a half-sample without a score.
        value: The score of all images.
        lowest: The interval is cut off here and at 1.

    Returns:
        Low and high; None if fewer than 70% of the half-samples have a score, as with objects in a
        single image, or all scores are equal.
    """
    valid = halves[np.isfinite(halves)]
    if not len(valid) or len(valid) < LEAST_SHARE * len(halves) or np.ptp(valid) < NOTHING:
        return None
    centre, reach = 2 * value - valid.mean(), Z * valid.std()
    return float(np.clip(centre - reach, lowest, 1)), float(np.clip(centre + reach, lowest, 1))


def p_value(halves: Floats, value: float) -> float | None:
    """The two-sided p-value of a difference, consistent with `interval`.

    Args:
        halves: (R,) differences in the same half-samples; NaN for a missing one.
        value: The difference of all images.

    Returns:
        0..1; 1 for equal results; None under the conditions of `interval`.
    """
    if value == 0 and len(halves) and not np.nan_to_num(halves).any():
        return 1.0
    if interval(halves, value, lowest=-1) is None:
        return None
    valid = halves[np.isfinite(halves)]
    return math.erfc(abs(2 * value - float(valid.mean())) / float(valid.std()) / math.sqrt(2))


def _mean(values: Floats) -> Floats:
    """Mean over rows (M, R) without NaN: (R,); NaN if all are NaN."""
    valid = np.isfinite(values)
    count = valid.sum(axis=0)
    total = np.where(valid, values, 0).sum(axis=0)
    return np.where(count, total / np.maximum(count, 1), np.nan)


def _score_class(scores: Floats, matches: Matches, k: int, chosen: Chosen) -> None:
    """Fill in the twelve numbers of one class: (12, R); NaN remains where there is no object."""
    first, last = np.searchsorted(matches.det_class, [k, k + 1])
    counted = matches.det_rank[first:last] < MAX_DETECTIONS[-1]
    dets = slice(first, last) if counted.all() else first + np.flatnonzero(counted)
    image = matches.det_image[dets]
    limit = np.searchsorted(MAX_DETECTIONS, matches.det_rank[dets], side="right")
    of_class = matches.gt_class == k
    for size, gt_ignored in enumerate(matches.gt_ignored):
        true, ignored = matches.det_true[size][:, dets], matches.det_ignored[size][:, dets]
        of_size = matches.gt_image[of_class & ~gt_ignored]
        det = np.flatnonzero(true) % max(1, true.shape[1])
        det = det[np.argsort(limit[det], kind="stable")]
        rows = np.concatenate([np.zeros_like(of_size), 1 + limit[det]])
        images = np.concatenate([of_size, image[det]])
        sums = chosen.sums_of(rows, images, 1 + len(MAX_DETECTIONS)).astype(np.float64)
        sums[0, sums[0] == 0] = np.nan
        recall = sums[1:].cumsum(axis=0) / (len(true) * sums[0])
        gains = Gains(matches.recall_thresholds, sums[0])
        precision = Runs.of(true, ignored, image).average_precision(chosen, gains, len(true))
        precision[:, np.isnan(sums[0])] = np.nan
        for row, metric in zip(scores, METRICS.values(), strict=True):
            if metric.size == size:
                of_recall = metric.of == "recall"
                row[:] = recall[metric.limit] if of_recall else precision[metric.iou].mean(axis=0)
