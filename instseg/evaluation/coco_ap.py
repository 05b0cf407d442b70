"""COCO average precision by the rules of pycocotools, computed with faster-coco-eval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster, mask
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from instseg.core.rle import to_rle
from instseg.evaluation.matching import Matches, match
from instseg.system.memory import no_garbage_collection

Kind = Literal["bbox", "segm", "boundary"]


class Metric(NamedTuple):
    """The values that a COCO metric is the mean of.

    Attributes:
        of: Precision or recall.
        iou: IoU thresholds.
        size: Index into `SIZES`.
        limit: Index into the numbers of detections.
    """

    of: Literal["precision", "recall"]
    iou: slice
    size: int
    limit: int


_EVERY = slice(None)
METRICS = {
    "AP": Metric("precision", _EVERY, 0, 2),
    "AP50": Metric("precision", slice(0, 1), 0, 2),
    "AP75": Metric("precision", slice(5, 6), 0, 2),
    "APs": Metric("precision", _EVERY, 1, 2),
    "APm": Metric("precision", _EVERY, 2, 2),
    "APl": Metric("precision", _EVERY, 3, 2),
    "AR1": Metric("recall", _EVERY, 0, 0),
    "AR10": Metric("recall", _EVERY, 0, 1),
    "AR100": Metric("recall", _EVERY, 0, 2),
    "ARs": Metric("recall", _EVERY, 1, 2),
    "ARm": Metric("recall", _EVERY, 2, 2),
    "ARl": Metric("recall", _EVERY, 3, 2),
}
SIZES = ("all", "small", "medium", "large")  # by area in pixels: up to 32^2, up to 96^2, more
MAX_DETECTIONS = (1, 10, 100)  # of one class in one image


@dataclass(frozen=True, kw_only=True)
class ApTables:
    """The output of the evaluator.

    Attributes:
        class_names: K names, by ascending category id.
        objects: Number of objects of each class, without crowds.
        max_detections: M numbers of detections of one class in one image.
        precision: float64 (T, 101, K, A, M) at IoU 0.50 to 0.95, recall 0 to 1, for each class,
            size and number of detections; -1 where there is no object.
        recall: float64 (T, K, A, M), the maximum; -1 where there is no object.
    """

    class_names: tuple[str, ...]
    objects: tuple[int, ...]
    max_detections: tuple[int, ...]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    _evaluator: Any

    @property
    def scores(self) -> dict[str, float]:
        """COCO's twelve metrics, and AP and AR at more than 100 detections if requested.

        0..1, or -1 where there is no object.
        """
        return self._scores(slice(None)) | {
            f"{name}{most}": _mean(values[..., 0, m])
            for m, most in enumerate(self.max_detections[3:], start=3)
            for name, values in (("AP_", self.precision), ("AR", self.recall))
        }

    @property
    def per_class(self) -> dict[str, dict[str, float]]:
        """The twelve metrics of each class."""
        return {name: self._scores(slice(k, k + 1)) for k, name in enumerate(self.class_names)}

    @property
    def mean_curves(self) -> dict[str, NDArray[np.float64]]:
        """Precision (101,) by recall 0 to 1, mean over the classes that have objects."""
        precision = self.precision[..., 0, 2]  # (T, 101, K)
        held = precision[..., (precision >= 0).all(axis=(0, 1))]
        return {
            "IoU 0.50": held[0].mean(axis=1),
            "IoU 0.75": held[5].mean(axis=1),
            "mean 0.50:0.95": held.mean(axis=(0, 2)),
        }

    @cached_property
    def matches(self) -> Matches:
        """The match of each detection."""
        return match(self._evaluator)

    def _scores(self, classes: slice) -> dict[str, float]:
        tables = {"precision": self.precision[:, :, classes], "recall": self.recall[:, classes]}
        return {
            name: _mean(tables[each.of][each.iou, ..., each.size, each.limit])
            for name, each in METRICS.items()
        }


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
    with no_garbage_collection():
        ground = COCO({**truth, "annotations": _objects(truth, kind)})
        detected = COCO({**truth, "annotations": _detections(truth, results, kind)})
        if kind == "segm":  # "bbox" spares it the coding of all masks
            evaluator = _MaskEvaluator(ground, detected, "bbox")
        else:
            evaluator = COCOeval_faster(ground, detected, kind)
        evaluator.params.maxDets = list(max_detections)
        evaluator.evaluate()
        evaluator.accumulate()
    names = {category["id"]: category["name"] for category in truth["categories"]}
    category_ids = evaluator.params.catIds
    objects = Counter(a["category_id"] for a in truth["annotations"] if not a.get("iscrowd", 0))
    return ApTables(
        class_names=tuple(names[i] for i in category_ids),
        objects=tuple(objects[i] for i in category_ids),
        max_detections=tuple(max_detections),
        precision=evaluator.eval["precision"],
        recall=evaluator.eval["recall"],
        _evaluator=evaluator,
    )


class _MaskEvaluator(COCOeval_faster):
    """Compares masks only if an image has detections and objects of a class.

    The evaluator itself would decode and encode every mask of the dataset beforehand.
    """

    def computeIoU(self, imgId: int, catId: int) -> Any:  # noqa: N802, N803
        """IoUs (detections by descending score, objects)."""
        sides = (self.dt_dataset, self.gt_dataset)
        found, objects = (s.get_instances([imgId], [catId], True)[0][0] for s in sides)
        best = np.argsort([-d["score"] for d in found], kind="stable")[: self.params.maxDets[-1]]
        return coco_mask.iou(
            [found[i]["segmentation"] for i in best],
            [each["segmentation"] for each in objects],
            [int(each["iscrowd"]) for each in objects],
        )


def _objects(truth: Mapping[str, Any], kind: Kind) -> list[dict[str, Any]]:
    """Copies of the annotations, because the evaluator modifies them; segmentations as RLE."""
    copies = [{**a, "iscrowd": int(a.get("iscrowd") or 0)} for a in truth["annotations"]]
    if kind == "segm":
        sizes_hw = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
        for each in copies:
            each["segmentation"] = to_rle(each["segmentation"], sizes_hw[each["image_id"]])
    return copies


def _detections(
    truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], kind: Kind
) -> list[dict[str, Any]]:
    """Results as annotations with id and area.

    COCO's `loadRes` measures one mask at a time, which takes longer than the evaluation.
    """
    records: list[dict[str, Any]]
    if kind == "bbox":
        records = [{"bbox": r["bbox"], "area": r["bbox"][2] * r["bbox"][3]} for r in results]
    else:
        sizes_hw = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
        rles = [to_rle(r["segmentation"], sizes_hw.get(r["image_id"], (0, 0))) for r in results]
        areas = mask.area(rles).tolist()
        records = [{"segmentation": r, "area": a} for r, a in zip(rles, areas, strict=True)]
    for number, (record, result) in enumerate(zip(records, results, strict=True), start=1):
        record["id"], record["iscrowd"] = number, 0
        for key in ("image_id", "category_id", "score"):
            record[key] = result[key]
    return records


def _mean(values: NDArray[np.float64]) -> float:
    valid = values[values > -1]
    return float(valid.mean()) if valid.size else -1.0


def average_precision(
    truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], kind: Kind
) -> dict[str, Any]:
    """COCO's twelve metrics by the names of `METRICS`, and `per_class`, class name to AP.

    See `measure_ap`. Values are 0..1, or -1 without ground truth.
    """
    found = measure_ap(truth, results, kind)
    return found.scores | {"per_class": {n: s["AP"] for n, s in found.per_class.items()}}
