"""Error analysis: the AP50 lost to each type of error.

The definitions are those of Bolya et al., "TIDE: A General Toolbox for Identifying Object
Detection Errors" (ECCV 2020), with the conventions of its `tidecv` package, so that the numbers
compare with published ones:

* The 100 best-scored detections of an image count, over all classes together.
* AP is the mean over classes that have objects or detections: a class with detections but no
  objects counts with 0. COCO ignores it, and uses 100 detections per class, so that its AP50
  differs slightly.
* Unmatched detections with more than half of their area in a crowd region of their class are
  ignored, but included in the counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.overlaps import Overlaps

ERRORS = ("classification", "localisation", "both", "duplicate", "background", "missed")
FOREGROUND_IOU = 0.5
BACKGROUND_IOU = 0.1
MAX_DETS = 100

CORRECT = -1
_CLASSIFICATION, _LOCALISATION, _BOTH, _DUPLICATE, _BACKGROUND, _MISSED = range(len(ERRORS))
_RECALLS = np.arange(101) / 100


@dataclass(frozen=True, kw_only=True)
class ErrorTaxonomy:
    """The cost of each type of error.

    Attributes:
        ap50: AP at IoU 0.5, 0..1; None without ground truth.
        costs: AP50 gained by fixing all errors of one type and no other, 0..1: the six `ERRORS`;
            `false_positives`, if all false positives had lower scores than true positives; and
            `false_negatives`, if all missed objects were removed from the ground truth. They do
            not add up. None without ground truth.
        counts: Number of errors of each of the six types.
    """

    ap50: float | None
    costs: dict[str, float | None]
    counts: dict[str, int]


def error_taxonomy(overlaps: Overlaps) -> ErrorTaxonomy:
    """Assign false positives and missed objects to six types of error, and compute their costs.

    A detection is correct if its IoU with an object of its class is at least 0.5, and no detection
    with a higher score matches that object. Of the others, in this order:

    * localisation: IoU 0.1 to 0.5 with an object of its class;
    * classification: at least 0.5 with an object of another class;
    * duplicate: at least 0.5 with an object of its class that is already matched;
    * background: at most 0.1 with every object;
    * both: all others, that is, wrong class and wrong position.

    Missed are unmatched objects without a classification or localisation error.

    A fixed classification or localisation error becomes a correct detection if its object is
    unmatched and has no error with a higher score; else it is removed, as are the other false
    positives. Missed objects are removed from the ground truth; if nothing else is left, AP is 1.

    Args:
        overlaps: With all pairs from `BACKGROUND_IOU` on.
    """
    overlaps = overlaps.only(overlaps.ranks < MAX_DETS)
    errors = assign_errors(overlaps)
    counts = np.bincount(errors.types[errors.types != CORRECT], minlength=len(ERRORS))
    counts[_MISSED] = np.count_nonzero(errors.missed)
    ap50, costs = None, dict.fromkeys((*ERRORS, "false_positives", "false_negatives"))
    if len(overlaps.object_classes):
        ap50, costs = _costs(overlaps, errors)
    return ErrorTaxonomy(
        ap50=ap50, costs=costs, counts=dict(zip(ERRORS, counts.tolist(), strict=True))
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Errors:
    """The type of error of each of N detections, and which of M objects are found.

    Attributes:
        types: int64 (N,), indices of `ERRORS`; `CORRECT` for a correct detection.
        targets: int64 (N,), the object that a detection matches, or would match if its
            localisation or classification error was fixed; -1 for none.
        mends: bool (N,), whether fixing the error would find an unmatched object: of several errors
            at an object, the one with the highest score.
        found: bool (M,), the matched objects.
        missed: bool (M,), unmatched objects at which no error points.
    """

    types: NDArray[np.int64]
    targets: NDArray[np.int64]
    mends: NDArray[np.bool_]
    found: NDArray[np.bool_]
    missed: NDArray[np.bool_]


def assign_errors(overlaps: Overlaps) -> Errors:
    """Assign each detection to a type of error; see `error_taxonomy`.

    Args:
        overlaps: With all pairs from `BACKGROUND_IOU` on.
    """
    same = overlaps.same_class
    matched = overlaps.match(same & (overlaps.ious >= FOREGROUND_IOU))
    found = np.zeros(len(overlaps.object_classes), dtype=bool)
    found[matched[matched >= 0]] = True
    own_iou, own = overlaps.best(same)
    other_iou, other = overlaps.best(~same)
    found_iou, _ = overlaps.best(same & found[overlaps.objects])
    types = np.select(
        [
            matched >= 0,
            (own_iou >= BACKGROUND_IOU) & (own_iou <= FOREGROUND_IOU),
            other_iou >= FOREGROUND_IOU,
            found_iou >= FOREGROUND_IOU,
            np.maximum(own_iou, other_iou) <= BACKGROUND_IOU,
        ],
        [CORRECT, _LOCALISATION, _CLASSIFICATION, _DUPLICATE, _BACKGROUND],
        _BOTH,
    )
    targets = np.select([types == _LOCALISATION, types == _CLASSIFICATION], [own, other], matched)

    pointing = np.flatnonzero((targets >= 0) & (types != CORRECT))
    pointing = pointing[~found[targets[pointing]]]
    pointed, first = np.unique(targets[pointing], return_index=True)
    mends = np.zeros(len(types), dtype=bool)
    mends[pointing[first]] = True
    missed = ~found
    missed[pointed] = False
    return Errors(types=types, targets=targets, mends=mends, found=found, missed=missed)


def _costs(overlaps: Overlaps, errors: Errors) -> tuple[float, dict[str, float | None]]:
    """AP50, and its gain if each type of error is fixed."""
    error, mends = errors.types, errors.mends
    scores, classes = overlaps.scores, overlaps.detection_classes
    object_classes, n_classes = overlaps.object_classes, overlaps.n_classes
    correct = error == CORRECT
    counted = correct | (overlaps.crowd_ious <= FOREGROUND_IOU)
    objects = np.bincount(object_classes, minlength=n_classes)

    by_score = np.argsort(-scores, kind="stable")
    by_score = by_score[counted[by_score]]
    ap50 = _mean_ap(classes[by_score], correct[by_score], objects)

    # TIDE puts errors before correct detections of equal score when it fixes them, but not above
    errors_first = np.lexsort((correct, -scores))
    costs: dict[str, float | None] = {}
    for code, name in enumerate(ERRORS):
        mended = mends & (error == code)
        kept = np.where(error == code, mends, counted)[errors_first]
        new_classes = np.where(mended, object_classes[errors.targets], classes)[errors_first]
        gone = object_classes[errors.missed] if code == _MISSED else object_classes[:0]
        left = objects - np.bincount(gone, minlength=n_classes)
        new_ap50 = _mean_ap(new_classes[kept], (correct | mended)[errors_first][kept], left)
        costs[name] = max(new_ap50 - ap50, 0.0)  # below 0 only by the steps of the 101 recalls

    right_first = np.lexsort((-scores, ~correct))
    right_first = right_first[counted[right_first]]
    without = _mean_ap(classes[right_first], correct[right_first], objects)
    costs["false_positives"] = without - ap50
    of_found = np.bincount(object_classes[errors.found], minlength=n_classes)
    kept = errors_first[counted[errors_first]]
    costs["false_negatives"] = _mean_ap(classes[kept], correct[kept], of_found) - ap50
    return ap50, costs


def _mean_ap(
    classes: NDArray[np.int64], correct: NDArray[np.bool_], objects: NDArray[np.int64]
) -> float:
    """Mean AP over classes with detections or objects; 1 if there are none.

    Args:
        classes: (N,), classes of detections by descending score.
        correct: (N,), whether they are correct.
        objects: (K,), number of objects of each class.
    """
    order = np.argsort(classes, kind="stable")
    limits = np.searchsorted(classes[order], np.arange(len(objects) + 1))
    parts = np.split(correct[order], limits[1:-1])
    aps = [_ap(part, n) for part, n in zip(parts, objects, strict=True) if len(part) or n]
    return float(np.mean(aps)) if aps else 1.0


def _ap(correct: NDArray[np.bool_], n_objects: int) -> float:
    """Mean, over COCO's 101 recalls, of the best precision at that recall or above."""
    if not n_objects:
        return 0.0
    hits = np.cumsum(correct)
    precision = hits / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    reached = np.searchsorted(hits / n_objects, _RECALLS)
    return float(precision[reached[reached < len(hits)]].sum() / len(_RECALLS))
