"""Instances as they were before they were written to predictions.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from instseg.core.instances import Instances
from instseg.core.json_types import Json
from instseg.core.masks import Masks


def instances_of(
    annotations: Sequence[Json],
    image: Json,
    class_names: Sequence[str],
    by_category: Mapping[int, int],
) -> Instances:
    """What was written of a photo, as it was before.

    Args:
        annotations: Its records, as `coco_annotations` makes them.
        image: Its own record.
        class_names: Names by class id.
        by_category: Class ids by the dataset's ids.
    """
    size_hw = (image["height"], image["width"])
    rles: list[dict[str, Any]] = [each.get("rle") or each["segmentation"] for each in annotations]
    boxes = np.array([each["bbox"] for each in annotations], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return Instances(
        boxes=boxes.astype(np.float32),
        class_ids=np.array([by_category[each["category_id"]] for each in annotations], np.int64),
        scores=np.array([each["score"] for each in annotations], dtype=np.float32),
        masks=Masks.from_rle(rles, size_hw),
        class_names=tuple(class_names),
    )
