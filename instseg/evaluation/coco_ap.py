"""COCO average precision by the rules of pycocotools."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.matching import Bools, Floats, Ints, Matches, match
from instseg.evaluation.shapes import Kind, Pairs
from instseg.evaluation.tables import Tables
from instseg.system.memory import no_garbage_collection


class Metric(NamedTuple):
    """The values that a COCO metric is the mean of.

    Attributes:
        of: Precision or recall.
        iou: IoU thresholds.
        size: Index into `SIZES`.
        limit: Index into the numbers of detections for which this is known.
    """

    of: Literal["precision", "recall"]
    iou: slice
    size: int
    limit: int


_EVERY = slice(None)
METRICS = {
    "AP": Metric("precision", _EVERY, 0, 0),
    "AP50": Metric("precision", slice(0, 1), 0, 0),
    "AP75": Metric("precision", slice(5, 6), 0, 0),
    "APs": Metric("precision", _EVERY, 1, 0),
    "APm": Metric("precision", _EVERY, 2, 0),
    "APl": Metric("precision", _EVERY, 3, 0),
    "AR1": Metric("recall", _EVERY, 0, 0),
    "AR10": Metric("recall", _EVERY, 0, 1),
    "AR100": Metric("recall", _EVERY, 0, 2),
    "ARs": Metric("recall", _EVERY, 1, 2),
    "ARm": Metric("recall", _EVERY, 2, 2),
    "ARl": Metric("recall", _EVERY, 3, 2),
}
MAX_DETECTIONS = (1, 10, 100)  # of one class in one image


@dataclass(frozen=True, kw_only=True)
class ApTables:
    """The output of the evaluator.

    Attributes:
        class_names: K names, by ascending category id.
        objects: Number of objects of each class, without crowds.
        max_detections: M numbers of detections of one class in one image.
        precision: float64 (T, 101, K, A, M - 2) at IoU 0.50 to 0.95, recall 0 to 1, for each class,
            size and number of detections from the third on; -1 where there is no object.
        recall: float64 (T, K, A, M), the maximum; -1 where there is no object.
    """

    class_names: tuple[str, ...]
    objects: tuple[int, ...]
    max_detections: tuple[int, ...]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    matches: Matches

    @property
    def scores(self) -> dict[str, float]:
        """COCO's twelve metrics, and AP and AR at more than 100 detections if requested.

        0..1, or -1 where there is no object.
        """
        return self._scores(slice(None)) | {
            f"{name}{most}": _mean(values[..., 0, m])
            for m, most in enumerate(self.max_detections[3:], start=1)
            for name, values in (("AP_", self.precision), ("AR", self.recall[..., 2:]))
        }

    @property
    def per_class(self) -> dict[str, dict[str, float]]:
        """The twelve metrics of each class."""
        return {name: self._scores(slice(k, k + 1)) for k, name in enumerate(self.class_names)}

    @property
    def by_name(self) -> dict[str, Any]:
        """`scores`, and AP of each class as `per_class`."""
        of_class = np.moveaxis(self.precision[..., METRICS["AP"].size, METRICS["AP"].limit], -1, 0)
        values = map(_mean, of_class)
        return self.scores | {"per_class": dict(zip(self.class_names, values, strict=True))}

    @property
    def mean_curves(self) -> dict[str, NDArray[np.float64]]:
        """Precision (101,) by recall 0 to 1, mean over the classes that have objects."""
        precision = self.precision[..., 0, 0]  # (T, 101, K)
        held = precision[..., (precision >= 0).all(axis=(0, 1))]
        return {
            "IoU 0.50": held[0].mean(axis=1),
            "IoU 0.75": held[5].mean(axis=1),
            "mean 0.50:0.95": held.mean(axis=(0, 2)),
        }

    def _scores(self, classes: slice) -> dict[str, float]:
        tables = {"precision": self.precision[:, :, classes], "recall": self.recall[:, classes]}
        return {
            name: _mean(tables[each.of][each.iou, ..., each.size, each.limit])
            for name, each in METRICS.items()
        }


@no_garbage_collection()
def measure_ap(
    truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    kind: Kind,
    *,
    max_detections: Sequence[int] = MAX_DETECTIONS,
) -> ApTables:
    """Compare results with the truth.

    The size of a predicted mask is its area, also if its record has a box (pycocotools would use
    the area of the box).

    Args:
        truth: A COCO document: images, annotations, categories.
        results: COCO results: `image_id`, `category_id`, `score`, and `bbox` or `segmentation`.
        kind: Boxes, masks or boundaries (the minimum of mask IoU and boundary IoU, Cheng et al.,
            CVPR 2021).
        max_detections: 1, 10, 100, and more if an image has more objects.
    """
    return ap_of(Tables.read(truth, results, kind), max_detections)


def ap_of(
    tables: Tables,
    max_detections: Sequence[int] = MAX_DETECTIONS,
    pairs: Pairs | None = None,
) -> ApTables:
    """As `measure_ap`, from the truth and results as tables, and `pairs` as in `match`."""
    found = match(tables, max_detections=max(max_detections), pairs=pairs)
    classes = len(tables.class_names)
    objects = np.array(
        [np.bincount(found.gt_class[~i], minlength=classes) for i in found.gt_ignored]
    )
    hits = _Hits.of(found)
    precision = [_precision(found, objects, *hits.precision(most)) for most in max_detections[2:]]
    recall = [hits.count(most) / np.maximum(objects, 1)[:, None] for most in max_detections]
    tables_of = {"precision": np.stack(precision, axis=-1), "recall": np.stack(recall, axis=-1)}
    for each in tables_of.values():  # (A, T, K, ...)
        each[np.broadcast_to(objects[:, None] == 0, each.shape[:3])] = -1
    return ApTables(
        class_names=tables.class_names,
        objects=tuple(objects[0].tolist()),
        max_detections=tuple(max_detections),
        precision=tables_of["precision"].transpose(1, 3, 2, 0, 4),
        recall=tables_of["recall"].transpose(1, 2, 0, 3),
        matches=found,
    )


def _precision(matches: Matches, objects: Ints, line: Ints, precision: Floats) -> Floats:
    """Precision (A, T, K, 101), as pycocotools accumulates it.

    Args:
        matches: Of all detections.
        objects: (A, K).
        line: As `_Hits.precision` returns it.
        precision: Likewise.
    """
    sides = (*matches.det_true.shape[:2], len(matches.category_ids))  # (A, T, K)
    hits = np.bincount(line, minlength=math.prod(sides)).reshape(sides)
    starts = np.cumsum(hits).reshape(sides) - hits
    counts, of_count = np.unique(objects, return_inverse=True)
    needed = np.array(
        [np.searchsorted(np.arange(1, n + 1) / n, matches.recall_thresholds) for n in counts]
    )[of_count].reshape(len(objects), 1, sides[-1], -1)  # hits to each recall, less one
    reached = needed < hits[..., None]
    table = np.zeros(reached.shape)
    if len(line):
        table[reached] = np.maximum.reduceat(precision, (starts[..., None] + needed)[reached])
    return np.maximum.accumulate(table[..., ::-1], axis=-1)[..., ::-1]


@dataclass(frozen=True, kw_only=True)
class _Hits:
    """True positives, and what else differs from the lowest threshold: N entries, as `line` rises.

    Attributes:
        matches: Of all detections.
        det: (N,), a detection.
        line: (N,), size, threshold and class as one number.
        size: (N,).
        true: (N,), whether it is a true positive.
        more: (N,), 1 if it counts here and not at the lowest threshold, -1 the other way round.
    """

    matches: Matches
    det: Ints
    line: Ints
    size: Ints
    true: Bools
    more: Ints

    @classmethod
    def of(cls, matches: Matches) -> _Hits:
        """At every size and threshold."""
        true, ignored = matches.det_true, matches.det_ignored
        lowest = ignored[:, :1]
        entries = np.flatnonzero(true | (ignored != lowest))
        size, step, det = np.unravel_index(entries, true.shape)
        sides = (*true.shape[:2], len(matches.category_ids))
        return cls(
            matches=matches,
            det=det,
            line=np.ravel_multi_index((size, step, matches.det_class[det]), sides),
            size=size,
            true=true.ravel()[entries],
            more=lowest[size, 0, det].astype(np.int64) - ignored.ravel()[entries],
        )

    def count(self, most: int) -> Ints:
        """True positives (A, T, K), if so many detections of one class in one image count."""
        sides = (*self.matches.det_true.shape[:2], len(self.matches.category_ids))
        line = self.line[self.true & (self.matches.det_rank[self.det] < most)]
        return np.bincount(line, minlength=math.prod(sides)).reshape(sides)

    def precision(self, most: int) -> tuple[Ints, Floats]:
        """Precision at each true positive, where it has its maxima.

        Args:
            most: The number of detections of one class in one image that count.

        Returns:
            `line` and precision, each (n,).
        """
        kept = self.matches.det_rank < most
        mine = kept[self.det]
        det, line, size = (each[mine] for each in (self.det, self.line, self.size))
        counted = np.zeros((len(self.matches.det_ignored), len(kept) + 1), dtype=np.int32)
        np.cumsum(~self.matches.det_ignored[:, 0] & kept, axis=1, out=counted[:, 1:])
        class_start = _starts(self.matches.det_class)
        more = np.cumsum(self.more[mine])
        before = np.append(0, more)[_starts(line)]
        counts = counted[size, det + 1] - counted[size, class_start[det]] + more - before
        true = self.true[mine]
        line = line[true]
        hits = np.arange(1, len(line) + 1) - _starts(line)
        precision: Floats = hits / (counts[true] + np.spacing(1))
        return line, precision


def _starts(group: Ints) -> Ints:
    """Where each one's group begins, of ascending groups (N,) from 0: (N,)."""
    return np.searchsorted(group, np.arange(group[-1] + 1))[group] if len(group) else group


def _mean(values: NDArray[np.float64]) -> float:
    valid = values[values > -1]
    return float(valid.mean()) if valid.size else -1.0


def average_precision(
    truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], kind: Kind
) -> dict[str, Any]:
    """COCO's twelve metrics by the names of `METRICS`, and `per_class`, class name to AP.

    See `measure_ap`. Values are 0..1, or -1 without ground truth.
    """
    return measure_ap(truth, results, kind).by_name
