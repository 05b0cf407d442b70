"""How likely each annotation is wrong in one of four ways, judged by predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from instseg.core.rle import to_rle
from instseg.evaluation.label_noise import Cases, noise_of_choices, noise_of_values
from instseg.evaluation.overlaps import Overlaps, find_overlaps

SAME_PLACE = 0.5  # IoU of annotations and predictions that mean one object
BESIDE = 0.3  # of an annotation and a prediction of another class that may mean one object
NEAR = 0.1  # of those of one class
BEST_WRONG_IOU = 0.8  # badly placed annotations have any IoU from NEAR to this
PART = 0.7  # share of a prediction that lies in an annotation of its class, if it is a part of it
LEAST_SCORE = 0.05  # of predictions that may be missing in the annotations
MAX_DETS = 100

_LEAST, _MOST = 0.01, 0.9999  # of scores
_FOUND_BY_CHANCE = 0.1  # share of spurious annotations
_SMALL_AREA = 32**2
_UNSURE = 0.5  # score; a model that is unsure of many objects overlooks some of them altogether
_LAPSES = 0.03  # so many for each object that it is unsure of

Record = Mapping[str, Any]
Kind = Literal["bbox", "segm"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Suspicion:
    """How likely each object has one kind of error, and the prediction that says so.

    Attributes:
        score: float64 (M,), 0..1.
        detections: int64 (M,); -1 for none.
        ious: float64 (M,), of the object and this detection.
    """

    score: Floats
    detections: Ints
    ious: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Suspicions:
    """Suspicions about M objects, and N detections whose objects may be missing.

    Attributes:
        overlaps: The objects and the detections.
        spurious: There is no object.
        wrong_class: The object has another class.
        badly_placed: The object is elsewhere, or has another shape.
        missing: float64 (N,), 0..1.
    """

    overlaps: Overlaps
    spurious: Suspicion
    wrong_class: Suspicion
    badly_placed: Suspicion
    missing: Floats


def find_suspicions(truth: Mapping[str, Any], results: Sequence[Record], kind: Kind) -> Suspicions:
    """Judge each annotation by predictions.

    Args:
        truth: A COCO document: images, annotations, categories.
        results: COCO results with scores of 0..1.
        kind: Boxes or masks.
    """
    overlaps = find_overlaps(truth, results, kind, min_iou=NEAR, max_dets=MAX_DETS)
    objects = [truth["annotations"][i] for i in overlaps.annotations.tolist()]
    areas = np.array([each["area"] for each in objects], dtype=np.float64)
    size = np.log(np.maximum(areas, 1) / _SMALL_AREA) / 2
    covered = _covered(objects)
    parts = _parts(overlaps, areas, _areas([results[i] for i in overlaps.results.tolist()], kind))
    badly_placed = _badly_placed(overlaps, size, covered)
    return Suspicions(
        overlaps=overlaps,
        spurious=_spurious(overlaps, size, covered),
        wrong_class=_wrong_class(overlaps),
        badly_placed=badly_placed,
        missing=_missing(overlaps, _rivals(overlaps, truth, results, kind), parts, badly_placed),
    )


def _covered(objects: Sequence[Record]) -> Floats:
    """The largest share of each object's box that lies in the box of another object.

    Args:
        objects: Annotations, sorted by image.
    """
    boxes = np.array([each["bbox"] for each in objects], dtype=np.float64).reshape(-1, 4)
    shares = np.zeros(len(boxes))
    images = [each["image_id"] for each in objects]
    first = [i for i in range(len(images)) if i == 0 or images[i] != images[i - 1]]
    for rows in (slice(*pair) for pair in pairwise([*first, len(images)])):
        as_crowds = np.ones(rows.stop - rows.start, dtype=np.uint8)  # shares, not IoUs
        pairs = coco_mask.iou(boxes[rows], boxes[rows], as_crowds)
        np.fill_diagonal(pairs, 0)
        shares[rows] = pairs.max(axis=1)
    return shares


def _log_odds(scores: Floats) -> Floats:
    clipped = np.clip(scores, _LEAST, _MOST)
    odds: Floats = np.log(clipped / (1 - clipped))
    return odds


def _features(*columns: Floats) -> Floats:
    return np.stack([np.ones(len(columns[0])), *columns], axis=1)


def _claimed(overlaps: Overlaps) -> Bools:
    """Whether each detection lies on an object of its own class."""
    claimed = np.zeros(len(overlaps.scores), dtype=bool)
    claimed[overlaps.detections[overlaps.same_class & (overlaps.ious >= SAME_PLACE)]] = True
    return claimed


def _best(overlaps: Overlaps, chosen: Bools) -> tuple[Floats, Ints, Floats]:
    """For each object, of the chosen pairs the one with the best score.

    Returns:
        Its score (0 for none), its detection (-1 for none) and its IoU.
    """
    n = len(overlaps.object_classes)
    score, detection, iou = np.zeros(n), np.full(n, -1), np.zeros(n)
    pairs = np.flatnonzero(chosen)
    by_score = pairs[np.argsort(-overlaps.scores[overlaps.detections[pairs]], kind="stable")]
    found, first = np.unique(overlaps.objects[by_score], return_index=True)
    pairs = by_score[first]
    detection[found], iou[found] = overlaps.detections[pairs], overlaps.ious[pairs]
    score[found] = overlaps.scores[detection[found]]
    return score, detection, iou


def _spurious(overlaps: Overlaps, size: Floats, covered: Floats) -> Suspicion:
    """Objects without predictions, while objects of their class and size are found."""
    near = overlaps.same_class & (overlaps.ious >= NEAR)
    free = ~_claimed(overlaps)[overlaps.detections]
    score, _, _ = _best(overlaps, near | (free & (overlaps.ious >= BESIDE)))
    floor = min(max(overlaps.scores.min(initial=1.0), _LEAST), 0.5)
    score = np.maximum(score, floor)
    by_chance = _FOUND_BY_CHANCE * score * (1 - score) / (1 - floor)
    noise = noise_of_values(
        Cases(
            features=_features(size, covered),
            classes=overlaps.object_classes,
            usual=(2.0, 1.0, -1.0),
        ),
        _log_odds(score),
        np.where(score <= floor, 1 - _FOUND_BY_CHANCE, by_chance),
        floor=float(_log_odds(np.array(floor))),
        lapses=_LAPSES * float(np.mean(score < _UNSURE)) if len(score) else 0.0,
    )
    nothing = np.full(len(size), -1)
    return Suspicion(score=noise, detections=nothing, ious=np.zeros(len(size)))


def _wrong_class(overlaps: Overlaps) -> Suspicion:
    """Objects at whose place the predictions prefer another class."""
    here, same = overlaps.ious >= SAME_PLACE, overlaps.same_class
    own, _, _ = _best(overlaps, here & same)
    other, by, iou = _best(overlaps, here & ~same & ~_claimed(overlaps)[overlaps.detections])
    differs = other > own
    preferred, rival = np.maximum(own, other), np.minimum(own, other)
    classes = np.where(
        differs, np.append(overlaps.detection_classes, 0)[by], overlaps.object_classes
    )
    seen = preferred > 0
    least = _log_odds(np.array(0.0))
    noise = np.zeros(len(own))
    noise[seen] = noise_of_choices(
        Cases(
            features=_features(_log_odds(preferred), _log_odds(rival) - least)[seen],
            classes=classes[seen],
            usual=(-3.0, -1.0, 0.5),
        ),
        differs[seen],
    )
    return Suspicion(score=noise, detections=by, ious=iou)


def _badly_placed(overlaps: Overlaps, size: Floats, covered: Floats) -> Suspicion:
    """Objects that overlap the prediction of their class less than is usual."""
    most = np.zeros(len(overlaps.scores))
    np.maximum.at(
        most, overlaps.detections[overlaps.same_class], overlaps.ious[overlaps.same_class]
    )
    nearest = overlaps.same_class & (overlaps.ious >= most[overlaps.detections])
    score, by, iou = _best(overlaps, nearest)
    seen = by >= 0
    anywhere = iou * (1 - iou) / (BEST_WRONG_IOU - NEAR)  # the density of its log odds
    noise = np.zeros(len(score))
    noise[seen] = noise_of_values(
        Cases(
            features=_features(_log_odds(score), size, covered)[seen],
            classes=overlaps.object_classes[seen],
            usual=(1.0, 0.1, 0.1, -0.5),
        ),
        _log_odds(iou)[seen],
        np.where(iou < BEST_WRONG_IOU, anywhere, 0.0)[seen],
    )
    return Suspicion(score=noise * np.clip(score, 0, 1), detections=by, ious=iou)


def _areas(results: Sequence[Record], kind: Kind) -> Floats:
    if kind == "segm":
        masks = (each["segmentation"] for each in results)
        rles = (to_rle(mask, tuple(mask["size"])) for mask in masks)
        return np.array([coco_mask.area(rle) for rle in rles], dtype=np.float64)
    return np.array([each["bbox"][2] * each["bbox"][3] for each in results], dtype=np.float64)


def _parts(overlaps: Overlaps, object_areas: Floats, areas: Floats) -> Bools:
    """Whether each detection is a part of an object of its class, or of a group in one mask."""
    pairs = np.flatnonzero(overlaps.same_class)
    detections, ious = overlaps.detections[pairs], overlaps.ious[pairs]
    both = object_areas[overlaps.objects[pairs]] + areas[detections]
    shared = ious / (1 + ious) * both
    parts = np.zeros(len(areas), dtype=bool)
    parts[detections[shared >= PART * np.maximum(areas[detections], 1)]] = True
    return parts


def _rivals(
    overlaps: Overlaps, truth: Mapping[str, Any], results: Sequence[Record], kind: Kind
) -> Floats:
    """For each detection, its highest IoU with one of any class that has a better score."""
    rows = np.flatnonzero(overlaps.scores >= LEAST_SCORE)
    used = [{**results[i], "iscrowd": 0} for i in overlaps.results[rows].tolist()]
    pairs = find_overlaps({**truth, "annotations": used}, used, kind, min_iou=NEAR)
    # they are sorted by image and score already, so that their numbers are those of `used`
    worse = pairs.objects < pairs.detections
    rivals = np.zeros(len(overlaps.scores))
    np.maximum.at(rivals, rows[pairs.detections[worse]], pairs.ious[worse])
    return rivals


def _missing(overlaps: Overlaps, rivals: Floats, parts: Bools, badly_placed: Suspicion) -> Floats:
    """Predictions at places without objects of any class, while others of their score are right."""
    best = np.zeros(len(overlaps.scores))
    np.maximum.at(best, overlaps.detections, overlaps.ious)
    explained = best >= SAME_PLACE
    of_moved = np.zeros(len(best), dtype=bool)
    of_moved[badly_placed.detections[badly_placed.detections >= 0]] = True
    judged = (overlaps.scores >= LEAST_SCORE) & (overlaps.crowd_ious < SAME_PLACE)
    judged &= (rivals < SAME_PLACE) & (explained | ~(of_moved | parts))
    noise = np.zeros(len(best))
    noise[judged] = noise_of_choices(
        Cases(
            features=_features(_log_odds(overlaps.scores), 4 * rivals)[judged],
            classes=overlaps.detection_classes[judged],
            usual=(0.0, -1.0, 0.5),
        ),
        ~explained[judged],
    )
    return noise
