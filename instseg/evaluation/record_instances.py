"""Annotations and results of COCO as instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from instseg.core.instances import Instances, Masks
from instseg.data.coco import CocoData

Record = Mapping[str, Any]


def instances_of(records: Sequence[Record], data: CocoData, size_hw: tuple[int, int]) -> Instances:
    """Annotations or results of one photo as instances.

    Those without a mask, or with one of another size, have an empty one and their box. Scores
    outside 0..1 are set to the nearer end.

    Args:
        records: `category_id`, and `bbox` or `segmentation` as RLE; `score` is 1 if missing.
        data: Knows the classes.
        size_hw: The photo.
    """
    masks = Masks.concatenate([Masks.empty(size_hw), *(_mask(r, size_hw) for r in records)])
    boxes = masks.boxes_xyxy().copy()
    for box, record in zip(boxes, records, strict=True):
        if record.get("bbox"):
            x, y, width, height = record["bbox"]
            box[:] = (x, y, x + width, y + height)
    class_ids = [data.class_id(record["category_id"]) for record in records]
    scores = [min(max(record.get("score", 1.0), 0.0), 1.0) for record in records]
    return Instances(
        boxes=boxes,
        class_ids=np.array(class_ids, dtype=np.int64),
        scores=np.array(scores, dtype=np.float32),
        masks=masks,
        class_names=data.class_names,
    )


def _mask(record: Record, size_hw: tuple[int, int]) -> Masks:
    coded = record.get("segmentation")
    if coded and tuple(coded["size"]) == size_hw:
        return Masks.from_rle([coded])
    return Masks.from_crops([np.zeros((0, 0), dtype=bool)], [(0, 0)], size_hw)
