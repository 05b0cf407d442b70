"""Matches of detections and objects by COCO's rules, from which all metrics are computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


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


def match(evaluator: Any) -> Matches:
    """Match detections with objects as COCO does: greedily, by descending score.

    Args:
        evaluator: A `COCOeval_faster` that has been evaluated; its IoUs are used.
    """
    p = evaluator.params
    image_ids, category_ids = np.array(p.imgIds, np.int64), np.array(p.catIds, np.int64)
    gt = _Columns.read(evaluator.cocoGt.dataset["annotations"], image_ids, category_ids)
    det = _Columns.read(evaluator.cocoDt.dataset["annotations"], image_ids, category_ids)
    rank = det.ranks()
    det, rank = det[rank < p.maxDets[-1]], rank[rank < p.maxDets[-1]]
    low, high = np.array(p.areaRng, dtype=np.float64).T[:, :, None]  # (A, 1)
    gt_ignored = (gt.area < low) | (gt.area > high) | gt.crowd
    shape = (len(p.areaRng), len(p.iouThrs), len(det.image))
    true, ignored = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for dets, gts in _shared_pairs(det, gt):
        pair = (image_ids[det.image[dets.start]], category_ids[det.category[dets.start]])
        true[:, :, dets], ignored[:, :, dets] = _assign(
            np.asarray(evaluator.ious[pair]), gt_ignored[:, gts], gt.crowd[gts], p.iouThrs
        )
    ignored |= ((det.area < low) | (det.area > high))[:, None] & ~true
    best_first = np.lexsort((-det.score, det.category))  # stable: ties stay in order of images
    return Matches(
        image_ids=image_ids,
        category_ids=category_ids,
        iou_thresholds=np.asarray(p.iouThrs),
        recall_thresholds=np.asarray(p.recThrs),
        det_image=det.image[best_first],
        det_class=det.category[best_first],
        det_score=det.score[best_first],
        det_rank=rank[best_first],
        det_true=true[:, :, best_first],
        det_ignored=ignored[:, :, best_first],
        gt_image=gt.image,
        gt_class=gt.category,
        gt_ignored=gt_ignored,
    )


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """Annotations or results as columns, sorted by image, then class, then descending score."""

    image: Ints
    category: Ints
    score: Floats
    area: Floats
    crowd: Bools

    @classmethod
    def read(
        cls, records: Sequence[dict[str, Any]], image_ids: Ints, category_ids: Ints
    ) -> _Columns:
        """The records of these images and categories."""
        rows = [
            (r["image_id"], r["category_id"], r.get("score", 0), r["area"], r.get("iscrowd", 0))
            for r in records
        ]
        image, category, score, area, crowd = np.array(rows, dtype=np.float64).reshape(-1, 5).T
        found = cls(
            image=np.searchsorted(image_ids, image),
            category=np.searchsorted(category_ids, category),
            score=score,
            area=area,
            crowd=crowd > 0,
        )
        known = np.isin(image, image_ids) & np.isin(category, category_ids)
        order = np.lexsort((-score, found.category, found.image))  # stable
        return found[order[known[order]]]

    def __getitem__(self, rows: Ints | Bools) -> _Columns:
        return _Columns(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def starts(self) -> tuple[Ints, Ints]:
        """For each pair of image and class that occurs: its number and first row."""
        if not len(self.image):
            return self.image, self.image
        keys = self.image * 2**32 + self.category
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        return keys[first], first

    def ranks(self) -> Ints:
        """Index of each row within its image and class, from 0."""
        rows = np.arange(len(self.image))
        _, first = self.starts()
        return rows - np.repeat(first, np.diff(first, append=len(rows)))


def _shared_pairs(det: _Columns, gt: _Columns) -> Iterator[tuple[slice, slice]]:
    """Rows of detections and of objects, for each image and class that has both."""
    det_keys, det_first = det.starts()
    gt_keys, gt_first = gt.starts()
    det_last, gt_last = [*det_first[1:], len(det.image)], [*gt_first[1:], len(gt.image)]
    _, in_det, in_gt = np.intersect1d(det_keys, gt_keys, assume_unique=True, return_indices=True)
    for i, j in zip(in_det.tolist(), in_gt.tolist(), strict=True):
        yield slice(det_first[i], det_last[i]), slice(gt_first[j], gt_last[j])


def _assign(
    overlaps: Floats, gt_ignored: Bools, crowd: Bools, iou_thresholds: Floats
) -> tuple[Bools, Bools]:
    """COCO's greedy matching in one image and class, at every threshold and size at once.

    Objects that are not ignored are preferred, then higher IoUs, and of equal IoUs the last.

    Args:
        overlaps: (D, G), detections by descending score.
        gt_ignored: (A, G).
        crowd: (G,); a crowd can match many detections.
        iou_thresholds: (T,).

    Returns:
        Whether each detection matches an object, and whether it matches an ignored one: each bool
        (A, T, D).
    """
    enough = np.minimum(iou_thresholds, 1 - 1e-10)
    sizes, steps, count = len(gt_ignored), len(enough), overlaps.shape[1]
    true = np.zeros((sizes, steps, len(overlaps)), dtype=bool)
    ignored = np.zeros_like(true)
    free = np.ones((sizes, steps, count), dtype=bool)
    worth = np.where(gt_ignored, 0.0, 2.0)[:, None]  # (A, 1, G)
    a, t = np.indices((sizes, steps))
    for d in np.flatnonzero(overlaps.max(axis=1) >= enough.min()):
        open_to = free & (overlaps[d] >= enough[:, None])
        preference = np.where(open_to, overlaps[d] + worth, -1)
        best = count - 1 - preference[..., ::-1].argmax(axis=-1)  # (A, T), the last of equals
        found = open_to[a, t, best]
        on_ignored = gt_ignored[a, best]
        true[..., d], ignored[..., d] = found & ~on_ignored, found & on_ignored
        free[a, t, best] &= ~found | crowd[best]
    return true, ignored
