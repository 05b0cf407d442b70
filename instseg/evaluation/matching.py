"""Matches of detections and objects by COCO's rules, from which all metrics are computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from instseg.evaluation.shapes import Pairs, overlapping
from instseg.evaluation.tables import Bools, Floats, Ints, Tables, best_first, ranks

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


def match(tables: Tables, *, max_detections: int, pairs: Pairs | None = None) -> Matches:
    """Match detections with objects as COCO does: greedily, by descending score.

    Args:
        tables: Truth and results.
        max_detections: Of one class in one image; those with the best scores.
        pairs: All results and annotations that overlap, of any class, if they are known.
    """
    gt, crowd = tables.truth, tables.crowd
    gt_ignored = crowd | _of_other_size(tables.area)

    rank = ranks(tables.results.pair)
    kept = rank < max_detections
    det, rank = tables.results.take(kept), rank[kept]
    if pairs is None:
        least = IOU_THRESHOLDS[0]
        pairs = overlapping(det.shapes, det.pair, gt.shapes, gt.pair, crowd, least)
    else:
        pairs = _of_same_class(tables, kept, *pairs)
    detection, region, iou = pairs
    order = best_first(det.score, det.class_)  # stable: ties stay in order of images
    place = np.empty_like(order)
    place[order] = np.arange(len(place))
    unmatched = _of_other_size(det.shapes.areas[order])[:, None]
    ignored = np.repeat(unmatched, len(IOU_THRESHOLDS), axis=1)  # (A, T, D)
    true = np.zeros_like(ignored)
    lanes = _assign(detection, det.pair, region, iou, gt_ignored, crowd)
    for lane, detections, on_ignored in lanes:
        entry = lane * len(place) + place[detections]
        true.reshape(-1)[entry] = ~on_ignored
        ignored.reshape(-1)[entry] = on_ignored
    return Matches(
        image_ids=tables.image_ids,
        category_ids=tables.category_ids,
        iou_thresholds=IOU_THRESHOLDS,
        recall_thresholds=RECALL_THRESHOLDS,
        det_image=det.image[order],
        det_class=det.class_[order],
        det_score=det.score[order],
        det_rank=rank[order],
        det_true=true,
        det_ignored=ignored,
        gt_image=gt.image,
        gt_class=gt.class_,
        gt_ignored=gt_ignored,
    )


def _of_same_class(
    tables: Tables, kept: Bools, detection: Ints, region: Ints, iou: Floats
) -> Pairs:
    """The pairs that may match, with the results that are kept numbered anew."""
    same = tables.results.pair[detection] == tables.truth.pair[region]
    wanted = same & kept[detection] & (iou >= IOU_THRESHOLDS[0])
    return (np.cumsum(kept) - 1)[detection[wanted]], region[wanted], iou[wanted]


def _of_other_size(areas: Floats) -> Bools:
    """Whether areas (N,) are outside of each range of sizes: (A, N)."""
    low, high = AREAS.T[:, :, None]
    return (areas < low) | (areas > high)


def _assign(
    detection: Ints, groups: Ints, region: Ints, iou: Floats, gt_ignored: Bools, crowd: Bools
) -> Iterator[tuple[Ints, Ints, Bools]]:
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
        size and threshold as one number (size * T + threshold), the detection, and whether it
        matches an ignored object, each (N,).
    """
    sizes, steps = len(gt_ignored), len(IOU_THRESHOLDS)
    enough = np.tile(np.minimum(IOU_THRESHOLDS, 1 - 1e-10), sizes)  # (A T,)
    gt_ignored = np.repeat(gt_ignored.T, steps, axis=1)  # (G, A T)
    free = np.ones_like(gt_ignored)
    by_iou = np.argsort(iou, kind="stable")
    worth = np.argsort(by_iou).astype(np.int32)[:, None]
    of_worth = np.tile(region[by_iou], 2)
    first = np.flatnonzero(np.diff(detection, prepend=-1))  # pair of each detection
    group = groups[detection[first]]
    turn = np.arange(len(first)) - np.searchsorted(group, group)
    turns = np.repeat(turn, np.diff(first, append=len(iou)))
    by_turn = np.argsort(turns, kind="stable")
    for pairs in np.split(by_turn, np.flatnonzero(np.diff(turns[by_turn])) + 1):
        found, objects = detection[pairs], region[pairs]
        possible = free[objects] & (iou[pairs, None] >= enough)
        preferred = np.where(gt_ignored[objects], 0, np.int32(len(iou))) + worth[pairs]
        starts = np.flatnonzero(np.diff(found, prepend=-1))
        best = np.maximum.reduceat(np.where(possible, preferred, -1), starts)
        row, lane = np.nonzero(best >= 0)
        chosen = of_worth[best[row, lane]]
        free[chosen, lane] = crowd[chosen]
        yield lane, found[starts[row]], gt_ignored[chosen, lane]
