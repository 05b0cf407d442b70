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


class Chosen:
    """Which images are in each resample, in each of the types that sums need.

    Args:
        weights: uint8 (images, R), 0 or 1.
    """

    def __init__(self, weights: NDArray[np.uint8]) -> None:
        self._of_type: dict[Any, Counts] = {weights.dtype: weights}
        self.shape = weights.shape

    def columns(self, resamples: slice) -> Chosen:
        """Some of the resamples."""
        weights = self._of_type[np.dtype(np.uint8)][:, resamples]
        return self if weights.shape == self.shape else Chosen(np.ascontiguousarray(weights))

    def sums_of(self, rows: Ints, images: Ints, n_rows: int) -> Counts:
        """For each row, how many of its images are in each resample: (n_rows, R).

        Args:
            rows: (N,), ascending.
            images: (N,), of each.
            n_rows: How many there are.
        """
        from scipy.sparse import csr_array  # not for --help

        limits = np.searchsorted(rows, np.arange(n_rows + 1)).astype(np.int32)
        images = images.astype(np.int32)  # of the type that scipy would look for
        dtype = np.min_scalar_type(int(np.diff(limits).max(initial=0)))
        if dtype not in self._of_type:
            self._of_type[dtype] = self._of_type[np.dtype(np.uint8)].astype(dtype)
        shape = (n_rows, self.shape[0])
        chosen = csr_array((np.ones(len(rows), dtype), images, limits), shape=shape)
        sums: Counts = chosen @ self._of_type[dtype]
        return sums


class Gains:
    """Number of recall thresholds that are passed with each number of true positives.

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
        self._start = (column * len(hits)).astype(np.int32)  # where each resample's row begins
        self.thresholds = len(recall_thresholds)

    def gained(self, hits: Floats32, resamples: slice) -> Floats32:
        """How many more each row of some resamples has than the row before: (n, R).

        Args:
            hits: (n, R).
            resamples: Which.
        """
        place = hits.astype(np.int32)
        place += self._start[resamples]
        passed = np.zeros((len(hits) + 1, place.shape[1]), np.float32)
        self._table.take(place, mode="clip", out=passed[1:])
        gained: Floats32 = passed[1:] - passed[:-1]
        return gained


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
        step, det = np.divmod(np.flatnonzero(~(ignored | always)), max(1, len(image)))
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

    def average_precision(self, chosen: Chosen, gains: Gains, steps: int) -> Floats32:
        """AP of resamples at each IoU threshold: (steps, R).

        Args:
            chosen: The images in R resamples.
            gains: Of these resamples.
            steps: How many thresholds there are.
        """
        ap = np.zeros((steps, chosen.shape[1]), np.float32)
        width = max(1, CELLS // max(1, len(self.step)))
        for start in range(0, chosen.shape[1], width):
            columns = slice(start, start + width)
            for step, hits, counted in self._counts(chosen.columns(columns), steps):
                precision = np.divide(hits, counted, out=counted)
                _accumulate(np.fmax, precision[::-1])
                gained = gains.gained(hits, columns)
                np.einsum("nr,nr->r", precision, gained, out=ap[step, columns])
        ap /= gains.thresholds
        return ap

    def _counts(self, chosen: Chosen, steps: int) -> Iterator[tuple[int, Floats32, Floats32]]:
        """Of each threshold: its hits and all that counts, up to each run: (n, R) each."""
        found = chosen.sums_of(self.rows, self.images, 2 * len(self.step))
        found = found.reshape(len(self.step), 2, chosen.shape[1])
        stops = self.stop.max(initial=-1) + 1
        always = chosen.sums_of(self.always_rows, self.always_images, stops).astype(np.float32)
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
