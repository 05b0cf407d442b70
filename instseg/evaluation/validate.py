"""COCO AP of a model on images with known instances."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.coco_ap import average_precision
from instseg.instances import Instances
from instseg.results import coco_annotations

Example = tuple[NDArray[np.uint8], Instances]


def validate(
    predict: Callable[[NDArray[np.uint8]], Instances], examples: Iterable[Example]
) -> dict[str, dict[str, Any]]:
    """Predict, and compare with the truth.

    Args:
        predict: What is measured, such as a `Predictor` with a low score threshold, as AP needs
            the whole list, and at most 100 detections.
        examples: Images, uint8 RGB (H, W, 3), and their true instances; classes are matched by
            name, and classes that `predict` does not know count as missed.

    Returns:
        `bbox` and `segm`, each as `average_precision` gives them.
    """
    images: list[dict[str, Any]] = []
    truth: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    names: dict[str, int] = {}  # ids of this comparison alone
    for number, (image, instances) in enumerate(examples, start=1):
        height, width = instances.size_hw
        images.append({"id": number, "height": height, "width": width})
        for records, found in ((truth, instances), (results, predict(image))):
            ids = [0, *(names.setdefault(n, len(names) + 1) for n in found.class_names[1:])]
            for record in coco_annotations(found, ids):
                records.append({"id": len(records) + 1, "image_id": number, **record})
    used = {record["category_id"] for record in truth}
    categories = [{"id": i, "name": name} for name, i in names.items() if i in used]
    document = {"images": images, "annotations": truth, "categories": categories}
    results = [record for record in results if record["category_id"] in used]
    return {kind: average_precision(document, results, kind) for kind in ("bbox", "segm")}
