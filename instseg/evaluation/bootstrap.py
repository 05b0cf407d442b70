"""How sure a score is: intervals by resampling images, from counts alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from instseg.evaluation.coco_ap import METRICS
from instseg.evaluation.matching import Bools, Floats, Ints, Matches

Weights = NDArray[np.float32]

RESAMPLES = 1000
Z = 1.96  # standard deviations on either side that hold 95%
CELLS = 2**19  # of a table of detections and resamples; a larger one would leave the cache
THREADS = 2
RANKS = (1, 10, 100)  # detections of one class in one image that count for AR1, AR10, AR100


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """Scores of R resamples of the images; NaN where one holds no object.

    Attributes:
        scores: The twelve names of `METRICS` to float64 (R,).
        per_class: AP of each class: float64 (K, R).
    """

    scores: Mapping[str, Floats]
    per_class: Floats


def draw_halves(images: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Weights:
    """Random halves of the images: float32 (images, resamples) of zeros and ones.

    Halves, not draws with replacement: a photo that counts twice brings ties of scores that no
    real data have, and AP's bias shows less.
    """
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(np.arange(images, dtype=np.int32), (resamples, 1)), axis=1)
    return np.ascontiguousarray((order < images // 2).T, dtype=np.float32)


def resample(matches: Matches, weights: Weights) -> Resampled:
    """Score resamples of the images, each as COCO scores a dataset of these images.

    Args:
        matches: Of the whole data.
        weights: (N, R), how often each image counts; ones give the scores of the data itself.
    """
    classes = range(len(matches.category_ids))
    with ThreadPoolExecutor(THREADS) as pool:
        tables = list(pool.map(lambda k: _score_class(matches, k, weights), classes))
    shape = (0, len(matches.gt_ignored), len(matches.iou_thresholds), 4, weights.shape[1])
    table = np.stack(tables) if tables else np.zeros(shape)  # (K, A, T, 4, R)
    precision, recall = table[..., 0, :], table[..., 1:, :]
    values = [
        precision[:, 0],
        precision[:, 0, 0],
        precision[:, 0, 5],
        *(precision[:, size] for size in (1, 2, 3)),
        *(recall[:, 0, :, m] for m in (0, 1, 2)),
        *(recall[:, size, :, 2] for size in (1, 2, 3)),
    ]
    means = [_mean(value.reshape(-1, weights.shape[1])) for value in values]
    return Resampled(
        scores=dict(zip(METRICS, means, strict=True)), per_class=precision[:, 0].mean(axis=1)
    )


def interval(halves: Floats, value: float, *, lowest: float = 0.0) -> tuple[float, float] | None:
    """The 95% interval of a score, from the scores of random halves.

    Halves scatter about their mean as the score of all images scatters about its own (McCarthy,
    "Pseudo-replication: half samples", 1969), and lie above the score by the amount that the score
    itself lies too high: AP is a little too high where objects are few. The coverage is checked by
    simulation in the tests.

    Args:
        halves: (R,); NaN where a half has no score.
        value: The score of all images.
        lowest: The interval is cut off here and at 1.

    Returns:
        Low and high; None where fewer than half of the halves have a score.
    """
    valid = halves[np.isfinite(halves)]
    if 2 * len(valid) < len(halves):
        return None
    centre, reach = 2 * value - valid.mean(), Z * valid.std()
    return float(np.clip(centre - reach, lowest, 1)), float(np.clip(centre + reach, lowest, 1))


def p_value(halves: Floats, value: float) -> float:
    """How probable a difference this large is if there is none, two-sided: `interval` turned round.

    Args:
        halves: (R,) differences in the same halves; NaN where there is none.
        value: The difference itself.
    """
    valid = halves[np.isfinite(halves)]
    spread = valid.std()
    if spread == 0:
        return 1.0 if value == 0 else 0.0
    return math.erfc(abs(2 * value - valid.mean()) / spread / math.sqrt(2))


def _mean(values: Floats) -> Floats:
    """Over rows (M, R), those apart that are NaN: (R,); NaN where all are."""
    valid = np.isfinite(values)
    count = valid.sum(axis=0)
    total = np.where(valid, values, 0).sum(axis=0)
    return np.where(count, total / np.maximum(count, 1), np.nan)


def _score_class(matches: Matches, k: int, weights: Weights) -> Floats:
    """AP, AR1, AR10 and AR100 of one class: (A, T, 4, R); NaN where a resample has no object."""
    dets = slice(*np.searchsorted(matches.det_class, [k, k + 1]))
    image, rank = matches.det_image[dets], matches.det_rank[dets]
    true, ignored = matches.det_true[:, :, dets], matches.det_ignored[:, :, dets]
    of_class = matches.gt_class == k
    tables = []
    for size, gt_ignored in enumerate(matches.gt_ignored):
        objects = weights[matches.gt_image[of_class & ~gt_ignored]].sum(axis=0, dtype=np.float64)
        some = np.flatnonzero(objects)
        table = np.full((len(matches.iou_thresholds), 4, weights.shape[1]), np.nan)
        step = max(1, CELLS // max(1, true[size].any(axis=0).sum()))
        for columns in np.split(some, range(step, len(some), step)):
            table[..., columns] = _score_size(
                true[size],
                ignored[size],
                image,
                rank,
                weights if len(columns) == weights.shape[1] else weights[:, columns],
                objects[columns],
                matches.recall_thresholds,
            )
        tables.append(table)
    return np.stack(tables)


def _score_size(
    true: Bools,
    ignored: Bools,
    image: Ints,
    rank: Ints,
    weights: Weights,
    objects: Floats,
    recall_thresholds: Floats,
) -> Floats:
    """AP, AR1, AR10 and AR100 at one object size: (T, 4, R).

    Precision is highest where a detection is true, so only there it is looked at. What counts up
    to there is nearly the same at every IoU threshold: it is summed once, and corrected.
    """
    found = np.flatnonzero(true.any(axis=0))
    image_found, rank_found = image[found], rank[found]
    after = np.searchsorted(found, np.arange(true.shape[1]))  # the next found one, or itself
    counted = _cumulative(~ignored[0], after, image, weights, len(found))
    table = np.zeros((len(true), 4, weights.shape[1]))
    for t, (is_true, is_ignored) in enumerate(zip(true, ignored, strict=True)):
        rows = is_true[found]
        if not rows.any():
            continue
        changed = ignored[0].astype(np.int8) - is_ignored
        correction = _cumulative(changed, after, image, weights, len(found))
        each = weights[image_found[rows]]
        hits = np.cumsum(each, axis=0, dtype=np.float64)
        precision = hits / np.maximum((counted + correction)[rows], np.spacing(1))
        best_after = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        passed = np.searchsorted(recall_thresholds, hits / objects, side="right")
        gained = np.diff(passed, axis=0, prepend=0)
        table[t, 0] = (gained * best_after).sum(axis=0) / len(recall_thresholds)
        for m, most in enumerate(RANKS, start=1):
            table[t, m] = each[rank_found[rows] < most].sum(axis=0) / objects
    return table


def _cumulative(
    values: NDArray[np.int8] | Bools, after: Ints, image: Ints, weights: Weights, rows: int
) -> Weights:
    """Running weighted sum of values, read at each found detection: (rows, R)."""
    used = np.flatnonzero(values & (after < rows))
    if not len(used):
        return np.zeros((1, weights.shape[1]), dtype=np.float32)
    shape = (rows, len(weights))
    sums = csr_array((values[used].astype(np.float32), (after[used], image[used])), shape=shape)
    return np.cumsum(sums @ weights, axis=0)
