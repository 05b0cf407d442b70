"""Matches of detections and objects by COCO's rules, from which all metrics are computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.shapes import Kind, Shapes, overlapping

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_THRESHOLDS = np.linspace(0, 1, 101)
SIZES = ("all", "small", "medium", "large")  # by area in pixels: up to 32^2, up to 96^2, more
AREAS = np.array([[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]])


@dataclass(frozen=True, kw_only=True)
class Matches:
    """Detections and objects of N images and K classes, at T IoU thresholds and A object sizes.

    Detections are sorted by class, and within a class by descending score. A detection that is
    neither true nor ignored is a false positive.

    Attributes:
        image_ids: int64 (N,), ascending.
        category_ids: int64 (K,), ascending.
        iou_thresholds: float64 (T,).
        recall_thresholds: float64 (101,), where precision is read.
        det_image: int64 (D,), rows of `image_ids`.
        det_class: int64 (D,), rows of `category_ids`.
        det_score: float64 (D,).
        det_rank: int64 (D,), rank among the detections of its image and class, from 0.
        det_true: bool (A, T, D): matches an object of this size.
        det_ignored: bool (A, T, D): matches a crowd or an object of another size, or matches
            nothing and has itself another size.
        gt_image: int64 (G,), rows of `image_ids`.
        gt_class: int64 (G,), rows of `category_ids`.
        gt_ignored: bool (A, G): a crowd, or of another size.
    """

    image_ids: Ints
    category_ids: Ints
    iou_thresholds: Floats
    recall_thresholds: Floats
    det_image: Ints
    det_class: Ints
    det_score: Floats
    det_rank: Ints
    det_true: Bools
    det_ignored: Bools
    gt_image: Ints
    gt_class: Ints
    gt_ignored: Bools


def match(
    truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    kind: Kind,
    *,
    max_detections: int,
) -> Matches:
    """Match detections with objects as COCO does: greedily, by descending score.

    Annotations and results of images or categories that the truth does not list are ignored.

    Args:
        truth: A COCO document: images, annotations, categories.
        results: COCO results: `image_id`, `category_id`, `score`, and `bbox` or `segmentation`.
        kind: Boxes, masks or boundaries.
        max_detections: Of one class in one image; those with the best scores.
    """
    image_ids = np.unique(np.array([image["id"] for image in truth["images"]], np.int64))
    category_ids = np.unique(np.array([c["id"] for c in truth["categories"]], np.int64))
    sizes_hw = {i["id"]: (i["height"], i["width"]) for i in truth["images"] if kind != "bbox"}
    gt = _Arranged.of(truth["annotations"], image_ids, category_ids)
    crowd = np.array([bool(each.get("iscrowd")) for each in gt.records], dtype=bool)
    area = np.array([each["area"] for each in gt.records], dtype=np.float64)
    gt_ignored = crowd | _of_other_size(area)

    det = _Arranged.of(results, image_ids, category_ids, scored=True, most=max_detections)
    shapes = Shapes.read(det.records, kind, sizes_hw)
    shared = np.flatnonzero(np.isin(gt.pair, det.pair))
    regions = Shapes.read([gt.records[i] for i in shared.tolist()], kind, sizes_hw)
    detection, region, iou = overlapping(
        shapes, det.pair, regions, gt.pair[shared], crowd[shared], IOU_THRESHOLDS[0]
    )
    best_first = np.lexsort((-det.score, det.class_))  # stable: ties stay in order of images
    place = np.argsort(best_first)
    true = np.zeros((len(AREAS), len(IOU_THRESHOLDS), len(place)), dtype=bool)
    ignored = np.zeros_like(true)
    lanes = _assign(detection, det.pair, shared[region], iou, gt_ignored, crowd)
    for size, step, detections, on_ignored in lanes:
        true[size, step, place[detections]] = ~on_ignored
        ignored[size, step, place[detections]] = on_ignored
    ignored |= _of_other_size(shapes.areas[best_first])[:, None] & ~true
    return Matches(
        image_ids=image_ids,
        category_ids=category_ids,
        iou_thresholds=IOU_THRESHOLDS,
        recall_thresholds=RECALL_THRESHOLDS,
        det_image=det.image[best_first],
        det_class=det.class_[best_first],
        det_score=det.score[best_first],
        det_rank=det.rank[best_first],
        det_true=true,
        det_ignored=ignored,
        gt_image=gt.image,
        gt_class=gt.class_,
        gt_ignored=gt_ignored,
    )


def _of_other_size(areas: Floats) -> Bools:
    """Whether areas (N,) are outside of each range of sizes: (A, N)."""
    low, high = AREAS.T[:, :, None]
    return (areas < low) | (areas > high)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Arranged:
    """Records of known images and classes, sorted by image, then class, then descending score.

    Attributes:
        records: N annotations or results.
        image: int64 (N,), by number.
        class_: int64 (N,), by number.
        pair: int64 (N,), ascending; the same for records of the same image and class.
        score: float64 (N,).
        rank: int64 (N,), place among the records of the same image and class.
    """

    records: list[Mapping[str, Any]]
    image: Ints
    class_: Ints
    pair: Ints
    score: Floats
    rank: Ints

    @classmethod
    def of(
        cls,
        records: Sequence[Mapping[str, Any]],
        image_ids: Ints,
        category_ids: Ints,
        *,
        scored: bool = False,
        most: int | None = None,
    ) -> _Arranged:
        """Arrange records.

        Args:
            records: Annotations or results.
            image_ids: The known images, ascending.
            category_ids: The known classes, ascending.
            scored: Whether they have scores; else they stay in order.
            most: How many to keep of each image and class.
        """
        image, class_ = (
            _place(np.fromiter(map(itemgetter(key), records), np.int64, len(records)), ids)
            for key, ids in (("image_id", image_ids), ("category_id", category_ids))
        )
        score = np.zeros(len(records))
        if scored:
            score = np.fromiter(map(itemgetter("score"), records), np.float64, len(records))
        pair = image * len(category_ids) + class_
        order = np.lexsort((-score, pair))  # stable
        order = order[(image[order] >= 0) & (class_[order] >= 0)]
        pair = pair[order]
        rank = np.arange(len(order)) - np.searchsorted(pair, pair)
        if most is not None:
            order, pair, rank = (each[rank < most] for each in (order, pair, rank))
        return cls(
            records=[records[i] for i in order.tolist()],
            image=image[order],
            class_=class_[order],
            pair=pair,
            score=score[order],
            rank=rank,
        )


def _place(ids: Ints, known: Ints) -> Ints:
    """The place of each id among the known ones, ascending; -1 for others."""
    place = np.searchsorted(known, ids)
    return np.where(np.append(known, -1)[place] == ids, place, -1) if len(known) else place - 1


def _assign(
    detection: Ints, groups: Ints, region: Ints, iou: Floats, gt_ignored: Bools, crowd: Bools
) -> Iterator[tuple[Ints, Ints, Ints, Bools]]:
    """COCO's greedy matching, for all images, classes, thresholds and sizes at once.

    Objects that are not ignored are preferred, then higher IoUs, and of equal IoUs the last.

    Args:
        detection: (P,), of each pair that overlaps enough, ascending.
        groups: (D,), image and class of each detection; those of a group by descending score.
        region: (P,), objects or crowds, ascending for each detection.
        iou: (P,), of the pair.
        gt_ignored: (A, G).
        crowd: (G,); a crowd can match many detections.

    Yields:
        In turn the best detections of all groups, the second best, and so on; of those that match:
        the size, the threshold, the detection, and whether it matches an ignored object, each (N,).
    """
    sizes, steps = len(gt_ignored), len(IOU_THRESHOLDS)
    enough = np.tile(np.minimum(IOU_THRESHOLDS, 1 - 1e-10), sizes)[:, None]  # (A T, 1)
    gt_ignored = np.repeat(gt_ignored, steps, axis=0)
    free = np.ones_like(gt_ignored)
    by_iou = np.argsort(iou, kind="stable")
    worth = np.argsort(by_iou)
    first = np.flatnonzero(np.diff(detection, prepend=-1))  # pair of each detection
    group = groups[detection[first]]
    turn = np.arange(len(first)) - np.searchsorted(group, group)
    turns = np.repeat(turn, np.diff(first, append=len(iou)))
    by_turn = np.argsort(turns, kind="stable")
    for pairs in np.split(by_turn, np.flatnonzero(np.diff(turns[by_turn])) + 1):
        found, objects = detection[pairs], region[pairs]
        possible = free[:, objects] & (iou[pairs] >= enough)
        preferred = worth[pairs] + len(iou) * ~gt_ignored[:, objects]
        starts = np.flatnonzero(np.diff(found, prepend=-1))
        best = np.maximum.reduceat(np.where(possible, preferred, -1), starts, axis=1)
        lane, column = np.divmod(np.flatnonzero(best >= 0), len(starts))
        chosen = region[by_iou[best[lane, column] % len(iou)]]
        free[lane, chosen] = crowd[chosen]
        yield lane // steps, lane % steps, found[starts[column]], gt_ignored[lane, chosen]
