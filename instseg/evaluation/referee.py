"""Checks the evaluator against pycocotools."""

from __future__ import annotations

import contextlib
import copy
import io
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from instseg.core.rle import to_rle
from instseg.evaluation.coco_ap import METRICS

TOLERANCE = 1e-9
_ONE_AT_A_TIME = threading.Lock()  # or one thread would keep the standard output of another


def referee_scores(
    truth: Mapping[str, Any], results: Sequence[Mapping[str, Any]], kind: Literal["bbox", "segm"]
) -> dict[str, float]:
    """COCO's twelve metrics by pycocotools, by the names of `METRICS`.

    Takes the arguments of `measure_ap`, and is slower.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    shape = "bbox" if kind == "bbox" else "segmentation"  # not both: it would measure the box
    keys = ("image_id", "category_id", "score", shape)
    ground, found = COCO(), COCO()
    with _ONE_AT_A_TIME, contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        ground.dataset = copy.deepcopy(dict(truth))
        ground.createIndex()
        if results:
            sizes_hw = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
            known = [{key: r[key] for key in keys} for r in results if r["image_id"] in sizes_hw]
            for record in known if kind == "segm" else ():
                size_hw = sizes_hw[record["image_id"]]
                record["segmentation"] = to_rle(record["segmentation"], size_hw)
            found = ground.loadRes(known)  # it takes no other images, and no plain runs
        else:
            found.dataset = {**truth, "annotations": []}
            found.createIndex()
        evaluator = COCOeval(ground, found, kind)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return dict(zip(METRICS, map(float, evaluator.stats), strict=True))


def disagreements(scores: Mapping[str, float], referee: Mapping[str, float]) -> list[str]:
    """Names of the metrics that differ by more than 1e-9."""
    return [name for name in METRICS if not np.isclose(scores[name], referee[name], 0, TOLERANCE)]
