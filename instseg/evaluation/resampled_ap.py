"""AP of resamples of the images, from the matches of one class at one object size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.matching import Bools, Floats, Ints

Counts = NDArray[np.unsignedinteger[Any]]
Floats32 = NDArray[np.float32]

CELLS = 2**23  # of a table of runs and resamples, so that memory stays small
TINY = 1e-20  # false positives, so that precision is 0 in a resample without detections


class Gains:
    """Number of recall thresholds that are passed with some true positives.

    Args:
        recall_thresholds: Ascending.
        objects: (R,); NaN for none.
    """

    def __init__(self, recall_thresholds: Floats, objects: Floats) -> None:
        counts, column = np.unique(np.nan_to_num(objects, nan=1), return_inverse=True)
        hits = np.arange(counts.max(initial=0) + 1)
        passed = np.searchsorted(recall_thresholds, hits / counts[:, None], side="right")
        passed[:, 0] = 0  # the first hit passes recall 0 too
        self._table = passed.astype(np.float32).ravel()
        self._start = column * len(hits)  # (R,), where the row of each resample begins
        self.thresholds = len(recall_thresholds)

    def passed(self, hits: Floats32, resamples: slice) -> Floats32:
        """Of some resamples with so many hits: (n, R)."""
        place = hits.astype(np.intp)
        place += self._start[resamples]
        return self._table.take(place, mode="clip")


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Runs of true positives without a false one between them, at all IoU thresholds.

    Precision has its maxima at the last detection of each. N runs are sorted by threshold, then by
    descending score. Each has what was found since the run before: hits, false positives that
    count at all thresholds ("always"), and others.

    Attributes:
        step: int64 (N,), the threshold of each.
        images: Of each hit, and of each false positive that depends on the threshold.
        rows: Ascending: twice the run of each, and 1 more for a false positive.
        stop: int64 (N,), which of the M stops below each run has.
        always_images: Of each false positive at all thresholds.
        always_rows: The stop that follows each, 0 to M - 1, ascending.
    """

    step: Ints
    images: Ints
    rows: Ints
    stop: Ints
    always_images: Ints
    always_rows: Ints

    @classmethod
    def of(cls, true: Bools, ignored: Bools, image: Ints) -> Runs:
        """From matches (T, D) and the image of each detection (D,)."""
        always = ~(true | ignored).any(axis=0)
        before = np.cumsum(always)
        step, det = np.nonzero(~(ignored | always))
        hit = true[step, det]
        goes_on = hit[1:] & (step[1:] == step[:-1]) & (before[det[1:]] == before[det[:-1]])
        last = hit & ~np.append(goes_on, False)[: len(hit)]
        run = np.cumsum(last) - last
        of_run = step[last]
        used = np.append(of_run, -1)[run] == step  # not after the last run of a threshold
        row = 2 * run[used] + ~hit[used]
        order = np.argsort(row, kind="stable")
        stops, stop = np.unique(det[last], return_inverse=True)
        always_det = np.flatnonzero(always)
        always_det = always_det[: np.searchsorted(always_det, stops[-1:].sum())]
        return cls(
            step=of_run,
            images=image[det[used][order]],
            rows=row[order],
            stop=stop,
            always_images=image[always_det],
            always_rows=np.searchsorted(stops, always_det),
        )

    def average_precision(self, weights: Counts, gains: Gains, steps: int) -> Floats32:
        """AP of resamples at each IoU threshold: (steps, R).

        Args:
            weights: (images, R), 0 or 1.
            gains: Of these resamples.
            steps: How many thresholds there are.
        """
        ap = np.zeros((steps, weights.shape[1]), np.float32)
        width = max(1, CELLS // max(1, len(self.step)))
        for start in range(0, weights.shape[1], width):
            columns = slice(start, start + width)
            part = np.ascontiguousarray(weights[:, columns])
            for step, hits, counted in self._counts(part, steps):
                precision = np.divide(hits, counted, out=counted)
                _accumulate(np.fmax, precision[::-1])
                passed = gains.passed(hits, columns)
                passed[1:] -= passed[:-1].copy()
                np.einsum("nr,nr->r", precision, passed, out=ap[step, columns])
        ap /= gains.thresholds
        return ap

    def _counts(self, weights: Counts, steps: int) -> Iterator[tuple[int, Floats32, Floats32]]:
        """Of each threshold: its hits and all that counts, up to each run: (n, R) each."""
        found = sums_of(self.rows, self.images, weights, 2 * len(self.step))
        found = found.reshape(len(self.step), 2, weights.shape[1])
        stops = self.stop.max(initial=-1) + 1
        always = sums_of(self.always_rows, self.always_images, weights, stops).astype(np.float32)
        always[:1] += TINY
        _accumulate(np.add, always)
        limits = np.searchsorted(self.step, np.arange(steps + 1)).tolist()
        for step, (start, end) in enumerate(pairwise(limits)):
            hits_and_false = found[start:end].astype(np.float32)
            _accumulate(np.add, hits_and_false)
            counted = always.take(self.stop[start:end], axis=0)
            counted += hits_and_false[:, 0]
            counted += hits_and_false[:, 1]
            yield step, hits_and_false[:, 0], counted


def _accumulate(operation: np.ufunc, rows: Floats32) -> None:
    """As `operation.accumulate` does in place, which is five times slower along columns."""
    for previous, row in pairwise(rows):
        operation(row, previous, out=row)


def sums_of(rows: Ints, images: Ints, weights: Counts, n_rows: int) -> Counts:
    """For each row, the sum of the weights of its images: (n_rows, R).

    Args:
        rows: (N,), ascending.
        images: (N,), of each.
        weights: (images, R), 0 or 1.
        n_rows: How many there are.
    """
    from scipy.sparse import csr_array  # not for --help

    limits = np.searchsorted(rows, np.arange(n_rows + 1))
    most = int(np.diff(limits).max(initial=0))
    weights = weights.astype(np.promote_types(weights.dtype, np.min_scalar_type(most)), copy=False)
    ones = np.ones(len(rows), weights.dtype)
    chosen = csr_array((ones, images, limits), shape=(n_rows, len(weights)))
    sums: Counts = chosen @ weights
    return sums
