"""COCO average precision, computed by faster-coco-eval by pycocotools' rules."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

METRICS = (
    "AP",
    "AP50",
    "AP75",
    "APs",
    "APm",
    "APl",
    "AR1",
    "AR10",
    "AR100",
    "ARs",
    "ARm",
    "ARl",
)


def average_precision(
    truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    kind: Literal["bbox", "segm"],
) -> dict[str, Any]:
    """COCO's twelve numbers, and the AP of each class.

    Args:
        truth: A COCO document: images, annotations, categories.
        results: COCO results: `image_id`, `category_id`, `score`, and `bbox` or `segmentation`.
        kind: Boxes or masks.

    Returns:
        The names of `METRICS` to numbers in 0..1 (-1 where there is no ground truth), and
        `per_class`, category name to AP.
    """
    own = {**truth, "annotations": [dict(a) for a in truth["annotations"]]}  # it adds to records
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        ground = COCO(own)
        if results:
            found = ground.loadRes([dict(record) for record in results])
        else:
            found = COCO({**own, "annotations": []})
        evaluator = COCOeval_faster(ground, found, kind)
        evaluator.run()
    scores: dict[str, Any] = dict(zip(METRICS, map(float, evaluator.stats[:12]), strict=True))
    precision = evaluator.eval["precision"][:, :, :, 0, -1]  # [IoU, recall, class]
    names = {c["id"]: c["name"] for c in truth["categories"]}
    per_class = {}
    for k, category_id in enumerate(evaluator.params.catIds):
        valid = precision[:, :, k][precision[:, :, k] > -1]
        per_class[names[category_id]] = float(np.mean(valid)) if valid.size else -1.0
    return scores | {"per_class": per_class}
