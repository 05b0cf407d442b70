"""What is right and wrong on each photo, at the score thresholds that people look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.confusion import DEFAULT_SCORE, Confusions, confusions
from instseg.evaluation.error_taxonomy import (
    BACKGROUND_IOU,
    CORRECT,
    ERRORS,
    FOREGROUND_IOU,
    Errors,
    assign_errors,
)
from instseg.evaluation.overlaps import Overlaps, find_overlaps
from instseg.report.components import Mark

Record = Mapping[str, Any]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MARKS: dict[str, Mark] = {  # of the types of error
    "classification": "wrong class",
    "localisation": "badly placed",
    "both": "false positive",
    "duplicate": "duplicate",
    "background": "false positive",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """N detections at or above the thresholds and M objects, on P photos.

    Attributes:
        overlaps: Of these detections with the objects.
        errors: Their types of error, as in the error analysis, with IoU 0.5.
        confusions: Their cells in the confusion matrix.
        thresholds: float64 (K,), the least score of each class.
        unsure: By missed object, score and IoU of the detection of its class that scores highest
            below the threshold, if any.
        detection_photos: int64 (N,), rows of the truth's images.
        object_photos: int64 (M,), likewise.
        photos: P.
    """

    overlaps: Overlaps
    errors: Errors
    confusions: Confusions
    thresholds: Floats
    unsure: Mapping[int, tuple[float, float]]
    detection_photos: Ints
    object_photos: Ints
    photos: int

    @cached_property
    def in_crowd(self) -> NDArray[np.bool_]:
        """Bool (N,): wrong, but mostly in a crowd region of its class, and so not counted."""
        wrong = self.errors.types != CORRECT
        inside: NDArray[np.bool_] = wrong & (self.overlaps.crowd_ious > FOREGROUND_IOU)
        return inside

    @cached_property
    def matrix(self) -> Ints:
        """Int64 (K + 1, K + 1): the confusion matrix, truth by prediction, background first."""
        return self.confusions.matrix(self.overlaps.n_classes)

    @cached_property
    def best(self) -> tuple[Floats, Ints]:
        """The highest IoU of each detection with any object, and that object; 0 and -1 if none."""
        return self.overlaps.best(np.ones(len(self.overlaps.ious), dtype=bool))

    @cached_property
    def hits(self) -> Ints:
        """Int64 (P,): correct detections of each photo."""
        return self._count(self.errors.types == CORRECT)

    @cached_property
    def false(self) -> Ints:
        """Int64 (P,): wrong detections of each photo, outside crowds."""
        return self._count((self.errors.types != CORRECT) & ~self.in_crowd)

    @cached_property
    def misses(self) -> Ints:
        """Int64 (P,): unmatched objects of each photo."""
        return np.bincount(self.object_photos[~self.errors.found], minlength=self.photos)

    @cached_property
    def f1(self) -> Floats:
        """Float64 (P,): F1 of each photo at IoU 0.5; 1 if there is nothing and nothing is found."""
        counted = 2 * self.hits + self.false + self.misses
        return np.divide(2 * self.hits, counted, out=np.ones(self.photos), where=counted > 0)

    def iou(self, detection: int, thing: int) -> float:
        """The IoU of a detection with an object; 0 if it is below 0.1."""
        first, last = np.searchsorted(self.overlaps.detections, (detection, detection + 1))
        at = first + np.flatnonzero(self.overlaps.objects[first:last] == thing)
        return float(self.overlaps.ious[at[0]]) if len(at) else 0.0

    def _count(self, chosen: NDArray[np.bool_]) -> Ints:
        return np.bincount(self.detection_photos[chosen], minlength=self.photos)

    def detection_mark(self, i: int) -> Mark:
        """What is said of a detection; "" for one in a crowd."""
        code = int(self.errors.types[i])
        if code == CORRECT:
            return "hit"
        return "" if self.in_crowd[i] else MARKS[ERRORS[code]]

    def object_mark(self, i: int) -> Mark:
        """What is said of an object: of one that is not matched, how it is found, if at all."""
        if self.errors.found[i]:
            return "hit"
        if self.errors.missed[i]:
            return "miss"
        return MARKS[ERRORS[int(self.errors.types[self.partners[i]])]]

    @cached_property
    def partners(self) -> Ints:
        """Int64 (M,): the detection that matches each object, or the best error at it; -1 if none.

        Errors count only at objects that are not matched.
        """
        partners = np.full(len(self.overlaps.object_classes), -1, dtype=np.int64)
        at = np.flatnonzero(self.errors.mends | (self.errors.types == CORRECT))
        partners[self.errors.targets[at]] = at
        return partners


def judge(
    truth: Mapping[str, Any],
    results: Sequence[Record],
    kind: Literal["bbox", "segm"],
    thresholds: Mapping[str, float],
) -> Judged:
    """Match the detections of sufficient score with the objects, photo by photo.

    Args:
        truth: A COCO document: images, annotations, categories.
        results: COCO results.
        kind: Boxes or masks.
        thresholds: The least score by class name; other classes have `DEFAULT_SCORE`.
    """
    categories = sorted(truth["categories"], key=lambda category: category["id"])
    least = np.array([thresholds.get(c["name"], DEFAULT_SCORE) for c in categories])
    every = find_overlaps(truth, results, kind, min_iou=BACKGROUND_IOU)
    sure = every.scores >= least[every.detection_classes]
    overlaps = every.only(sure)
    errors = assign_errors(overlaps)
    rows = {image["id"]: i for i, image in enumerate(truth["images"])}
    annotations = truth["annotations"]
    return Judged(
        overlaps=overlaps,
        errors=errors,
        confusions=confusions(overlaps),
        thresholds=least,
        unsure=_unsure(every, ~sure, errors.missed),
        detection_photos=_rows(rows, results, overlaps.results),
        object_photos=_rows(rows, annotations, overlaps.annotations),
        photos=len(truth["images"]),
    )


def _rows(rows: Mapping[int, int], records: Sequence[Record], chosen: Ints) -> Ints:
    return np.array([rows[records[i]["image_id"]] for i in chosen.tolist()], dtype=np.int64)


def _unsure(
    every: Overlaps, unsure: NDArray[np.bool_], missed: NDArray[np.bool_]
) -> dict[int, tuple[float, float]]:
    """For missed objects, score and IoU of the detection of their class that scores highest."""
    near = every.same_class & (every.ious >= FOREGROUND_IOU)
    near &= unsure[every.detections] & missed[every.objects]
    best: dict[int, tuple[float, float]] = {}
    pairs = zip(every.detections[near], every.objects[near], every.ious[near], strict=True)
    for detection, thing, iou in pairs:
        found = (float(every.scores[detection]), float(iou))
        best[int(thing)] = max(found, best.get(int(thing), (-np.inf, 0.0)))
    return best
