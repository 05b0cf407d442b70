"""IoUs of detections and objects in a whole dataset, regardless of class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.shapes import Pairs, overlapping
from instseg.evaluation.tables import Tables, ranks

Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Overlaps:
    """N detections, M objects without crowds, and the P pairs of them that overlap.

    Classes are 0..K-1, in the order of category ids. Detections are sorted by image, as the
    truth lists them, then by descending score; equal scores keep their order. Objects are sorted by
    image, in the order of the annotations.

    Attributes:
        n_classes: K.
        results: int64 (N,), the index of each detection in the results.
        annotations: int64 (M,), the index of each object in the annotations of the truth.
        scores: float64 (N,).
        ranks: int64 (N,), the place of each detection in its image, from 0.
        detection_classes: int64 (N,).
        object_classes: int64 (M,).
        crowd_ious: float64 (N,), 0..1: the largest share of the detection inside a crowd region of
            its own class; shares below the smallest IoU asked for are 0.
        detections: int64 (P,), 0..N-1. Pairs are sorted by detection, then by descending IoU; of
            equal IoUs, the object of the same class is first.
        objects: int64 (P,), 0..M-1.
        ious: float64 (P,), 0..1.
    """

    n_classes: int
    results: NDArray[np.int64]
    annotations: NDArray[np.int64]
    scores: NDArray[np.float64]
    ranks: NDArray[np.int64]
    detection_classes: NDArray[np.int64]
    object_classes: NDArray[np.int64]
    crowd_ious: NDArray[np.float64]
    detections: NDArray[np.int64]
    objects: NDArray[np.int64]
    ious: NDArray[np.float64]

    @property
    def same_class(self) -> NDArray[np.bool_]:
        """Bool (P,): whether the detection has the class of the object."""
        same: NDArray[np.bool_] = (
            self.detection_classes[self.detections] == self.object_classes[self.objects]
        )
        return same

    def only(self, kept: NDArray[np.bool_]) -> Overlaps:
        """Without some detections.

        Args:
            kept: bool (N,), the detections that stay.
        """
        number = np.cumsum(kept) - 1
        pairs = kept[self.detections]
        return replace(
            self,
            results=self.results[kept],
            scores=self.scores[kept],
            ranks=self.ranks[kept],
            detection_classes=self.detection_classes[kept],
            crowd_ious=self.crowd_ious[kept],
            detections=number[self.detections[pairs]],
            objects=self.objects[pairs],
            ious=self.ious[pairs],
        )

    def best(self, allowed: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The highest IoU of each detection, and with which object.

        Args:
            allowed: bool (P,), the pairs that count.

        Returns:
            float64 (N,), 0 for none, and int64 (N,), -1 for none.
        """
        iou = np.zeros(len(self.scores))
        best = np.full(len(self.scores), -1, dtype=np.int64)
        pairs = np.flatnonzero(allowed)
        detection, first = np.unique(self.detections[pairs], return_index=True)
        iou[detection] = self.ious[pairs[first]]
        best[detection] = self.objects[pairs[first]]
        return iou, best

    def match(self, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Match each detection, by descending score, with the unmatched object of the highest IoU.

        Args:
            allowed: bool (P,), the pairs that may match.

        Returns:
            int64 (N,), the object of each detection, -1 for none.
        """
        matched = np.full(len(self.scores), -1, dtype=np.int64)
        taken: set[int] = set()
        last = -1  # the last matched detection, whose other pairs are skipped
        pairs = zip(self.detections[allowed].tolist(), self.objects[allowed].tolist(), strict=True)
        for detection, found in pairs:
            if detection != last and found not in taken:
                matched[detection] = found
                taken.add(found)
                last = detection
        return matched


def find_overlaps(
    truth: Mapping[str, Any],
    results: Sequence[Record],
    kind: Literal["bbox", "segm"],
    *,
    min_iou: float,
    max_dets: int | None = None,
) -> Overlaps:
    """The IoU of each detection with each object of its image, by pycocotools.

    Annotations and results of images or categories that the truth does not list are ignored.

    Args:
        truth: A COCO document: images, annotations, categories.
        results: COCO results: `image_id`, `category_id`, `score`, and `bbox` or `segmentation`.
        kind: Boxes or masks.
        min_iou: Above 0; pairs that overlap less are dropped.
        max_dets: Number of best detections per image, over all classes; None for all.
    """
    tables = Tables.read(truth, results, kind)
    if max_dets is not None:
        by_score, rank = _by_score(tables)
        best = np.zeros(len(rank), dtype=bool)
        best[by_score] = rank < max_dets
        tables = replace(tables, results=tables.results.take(best))
    return overlaps_of(tables, pairs_of_any_class(tables, min_iou))


def pairs_of_any_class(tables: Tables, min_iou: float) -> Pairs:
    """Results and annotations of the same image with at least this IoU."""
    found, region = tables.results, tables.truth
    return overlapping(
        found.shapes, found.image, region.shapes, region.image, tables.crowd, min_iou
    )


def _by_score(tables: Tables) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order of detections by image and descending score, and each one's place in its image."""
    found, place = tables.results, tables.listed[tables.results.image]
    order = np.lexsort((found.rows, -found.score, place))
    return order, ranks(place[order])


def overlaps_of(tables: Tables, pairs: Pairs) -> Overlaps:
    """As `find_overlaps`, of these pairs of any class."""
    found, region, crowd = tables.results, tables.truth, tables.crowd
    by_score, rank = _by_score(tables)
    as_annotated = np.lexsort((region.rows, tables.listed[region.image]))
    detections, regions, ious = pairs
    detections, regions = np.argsort(by_score)[detections], np.argsort(as_annotated)[regions]
    found_class, region_class = found.class_[by_score], region.class_[as_annotated]
    crowd = crowd[as_annotated]
    same = found_class[detections] == region_class[regions]
    in_crowd = crowd[regions]
    crowd_ious = np.zeros(len(by_score))
    np.maximum.at(crowd_ious, detections[in_crowd & same], ious[in_crowd & same])

    order = np.lexsort((regions, ~same, -ious, detections))
    order = order[~in_crowd[order]]
    number = np.cumsum(~crowd) - 1  # of each region, counting those that are objects
    return Overlaps(
        n_classes=len(tables.category_ids),
        results=found.rows[by_score],
        annotations=region.rows[as_annotated][~crowd],
        scores=found.score[by_score],
        ranks=rank,
        detection_classes=found_class,
        object_classes=region_class[~crowd],
        crowd_ious=crowd_ious,
        detections=detections[order],
        objects=number[regions[order]],
        ious=ious[order],
    )
