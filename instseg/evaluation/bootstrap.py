"""Confidence intervals by resampling images, computed from counts."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.coco_ap import MAX_DETECTIONS, METRICS, Metric
from instseg.evaluation.matching import SIZES, Bools, Floats, Ints, Matches

Weights = NDArray[np.float32]
Range = tuple[float, float]  # low and high of an interval

RESAMPLES = 1000
FEW_OBJECTS = 10  # of a class, with which AP is too high and its interval too narrow
LEAST_SHARE = 0.7  # share of the half-samples that must have a score
NOTHING = 1e-12  # a smaller standard deviation is rounding
Z = 1.96  # standard deviations on either side that contain 95%
AP, AR = 0, 1  # columns of a table of scores: AP, and AR at 1, 10 and 100 detections
ALL_SIZES = SIZES.index("all")
CELLS = 2**22  # of a table of detections and resamples, so that memory stays small


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
    order = rng.permuted(np.tile(np.arange(images, dtype=np.int32), (resamples, 1)), axis=1)
    return np.ascontiguousarray((order < images // 2).T, dtype=np.float32)


def resample(matches: Matches, weights: Weights) -> Resampled:
    """Score resamples of the images, each as COCO scores a dataset of these images.

    Args:
        matches: Matches of the whole dataset.
        weights: (N, R), 1 for images in the resample, else 0; all ones give the full score.
    """
    counted = ~np.logical_and.reduce(matches.gt_ignored)
    with_objects = np.unique(matches.gt_class[counted])  # other classes have no score
    sides = (len(with_objects), len(matches.gt_ignored), len(matches.iou_thresholds))
    table = np.zeros((*sides, 4, weights.shape[1]))  # [class, size, IoU, AP and AR, resample]
    for row, k in zip(table, with_objects, strict=True):
        _score_class(row, matches, k, weights)
    per_class = np.full((len(matches.category_ids), weights.shape[1]), np.nan)
    per_class[with_objects] = table[:, ALL_SIZES, :, AP].mean(axis=1)
    scores = {name: table[:, each.size, each.iou, _column(each)] for name, each in METRICS.items()}
    return Resampled(
        scores={n: _mean(v.reshape(-1, weights.shape[1])) for n, v in scores.items()},
        per_class=per_class,
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
    if value == 0 and not np.nan_to_num(halves).any():
        return 1.0
    if interval(halves, value, lowest=-1) is None:
        return None
    valid = halves[np.isfinite(halves)]
    return math.erfc(abs(2 * value - float(valid.mean())) / float(valid.std()) / math.sqrt(2))


def _column(metric: Metric) -> int:
    """The indices into `_score_class` whose mean is a metric."""
    return AP if metric.of == "precision" else AR + metric.limit


def _mean(values: Floats) -> Floats:
    """Mean over rows (M, R) without NaN: (R,); NaN if all are NaN."""
    valid = np.isfinite(values)
    count = valid.sum(axis=0)
    total = np.where(valid, values, 0).sum(axis=0)
    return np.where(count, total / np.maximum(count, 1), np.nan)


def _score_class(table: Floats, matches: Matches, k: int, weights: Weights) -> None:
    """Fill in AP, AR1, AR10 and AR100 of one class: (A, T, 4, R); NaN where there is no object."""
    first, last = np.searchsorted(matches.det_class, [k, k + 1])
    dets = first + np.flatnonzero(matches.det_rank[first:last] < MAX_DETECTIONS[-1])
    image, rank = matches.det_image[dets], matches.det_rank[dets]
    of_class = matches.gt_class == k
    for size, gt_ignored in enumerate(matches.gt_ignored):
        true, ignored = matches.det_true[size][:, dets], matches.det_ignored[size][:, dets]
        of_size = matches.gt_image[of_class & ~gt_ignored]
        objects = _sums(np.zeros_like(of_size), of_size, weights, 1)[0].astype(np.int64)
        hits = np.zeros((len(true), weights.shape[1]), np.float32)
        step, det = np.nonzero(true)
        for limit, (least, most) in enumerate(pairwise((0, *MAX_DETECTIONS))):
            now = (rank[det] >= least) & (rank[det] < most)
            hits += _sums(step[now], image[det[now]], weights, len(true))
            table[size, :, AR + limit] = hits / np.maximum(objects, 1)
        width = max(1, CELLS // max(1, int(np.count_nonzero(true.any(axis=0)))))
        for start in range(0, weights.shape[1], width):
            columns = slice(start, start + width)
            part = np.ascontiguousarray(weights[:, columns])
            gains = _Gains(matches.recall_thresholds, np.maximum(objects[columns], 1))
            table[size, :, AP, columns] = _average_precision(
                true, ignored, image, part, hits[:, columns], gains
            )
        table[size][..., objects == 0] = np.nan


class _Gains:
    """Number of recall thresholds that each true positive passes, by number of objects."""

    def __init__(self, recall_thresholds: Floats, objects: Ints) -> None:
        counts, column = np.unique(objects, return_inverse=True)
        hits = np.arange(counts.max(initial=0) + 1)
        recall = hits / counts[:, None]
        passed = np.searchsorted(recall_thresholds, recall, side="right")
        passed[:, 0] = 0  # the first hit passes recall 0 too
        self.table = np.diff(passed, axis=1, prepend=0).astype(np.float32).ravel()
        self.start = column * len(hits)  # (R,), where the row of each resample begins
        self.thresholds = len(recall_thresholds)


def _average_precision(
    true: Bools, ignored: Bools, image: Ints, weights: Weights, hits: Weights, gains: _Gains
) -> Weights:
    """AP at one object size: (T, R).

    Precision has its maxima at true positives, so it is computed only there: from the last to the
    first, with running sums of all resamples and IoU thresholds, which stay in the cache.
    """
    found = np.flatnonzero(true.any(axis=0))
    following = np.searchsorted(found, np.arange(true.shape[1]))  # the next found one, or itself
    counted = ~ignored & (following < len(found))
    always = counted.all(axis=0)
    between = _sums(following[always], image[always], weights, len(found))
    step, det = np.nonzero(counted & ~always)
    totals = between.sum(axis=0) + _sums(step, image[det], weights, len(true))
    sometimes: list[list[tuple[int, int]]] = [[] for _ in found]
    for row, t, i in zip(following[det].tolist(), step.tolist(), image[det].tolist(), strict=True):
        sometimes[row].append((t, i))
    left = hits.copy()
    at = hits.astype(np.intp) + gains.start
    ap, best, spare = (np.zeros_like(left) for _ in range(3))
    patterns = (2 ** np.arange(len(true)) @ true[:, found]).tolist()
    with np.errstate(invalid="ignore"):  # 0 / 0 where nothing is left
        for row in range(len(found) - 1, -1, -1):
            weight = weights[image[found[row]]]
            weight_int = weight.astype(np.intp)
            for run in _runs(patterns[row]):
                gained, highest, hits_left, place = spare[run], best[run], left[run], at[run]
                np.divide(hits_left, totals[run], out=gained)
                np.fmax(highest, gained, out=highest)  # at this recall or above
                gains.table.take(place, out=gained, mode="clip")
                gained *= highest
                gained *= weight
                ap[run] += gained
                hits_left -= weight
                place -= weight_int
            totals -= between[row]
            for t, i in sometimes[row]:
                totals[t] -= weights[i]
    ap /= gains.thresholds
    return ap


@cache
def _runs(pattern: int) -> list[slice]:
    """The runs of ones in a number's binary digits, counted from the lowest."""
    return [slice(*ones.span()) for ones in re.finditer("1+", f"{pattern:b}"[::-1])]


def _sums(rows: Ints, images: Ints, weights: Weights, n_rows: int) -> Weights:
    """For each row, the sum of the weights of its images: (n_rows, R).

    Args:
        rows: (N,), ascending.
        images: (N,), of each.
        weights: (images, R).
        n_rows: How many there are.
    """
    from scipy.sparse import csr_array  # not for --help

    ones, limits = np.ones(len(rows), np.float32), np.searchsorted(rows, np.arange(n_rows + 1))
    chosen = csr_array((ones, images, limits), shape=(n_rows, len(weights)))
    sums: Weights = chosen @ weights
    return sums
