"""Instances of rectangles on grey photos, for tests of drawing."""

import numpy as np

from instseg.core.instances import Instances, Masks

NAMES = ("BG", "cat", "dog")


def make(dense, class_ids=None, scores=None, class_names=NAMES, boxes=None):
    masks = Masks.from_dense(np.asarray(dense, bool))
    return Instances(
        boxes=masks.boxes_xyxy() if boxes is None else boxes,
        class_ids=[1] * len(masks) if class_ids is None else class_ids,
        scores=[0.87] * len(masks) if scores is None else scores,
        masks=masks,
        class_names=class_names,
    )


def rectangles(size_hw, *boxes_xyxy):
    dense = np.zeros((len(boxes_xyxy), *size_hw), bool)
    for mask, (x0, y0, x1, y1) in zip(dense, boxes_xyxy, strict=True):
        mask[y0:y1, x0:x1] = True
    return dense


def grey(height, width):
    return np.full((height, width, 3), 120, np.uint8)


def changed(before, after):
    return (before != after).any(axis=2)
