"""Reports with a gallery, for tests."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from instseg.core.instances import Instances, Masks
from instseg.report.components import Gallery, Layer, Page, Photo, Section
from instseg.report.page import write_page

CLASSES = ("BG", "cat", "dog", "</script><b>cup")
CATEGORIES = (0, 17, 18, 47)
EVIL_NAME = "<img src=x onerror=alert(1)>.jpg"
SIZE_HW = (48, 64)


def boxes_at(places: Sequence[tuple[int, int, int, int]], class_ids, scores) -> Instances:
    """Instances that are rectangles x0 y0 x1 y1, each with a hole of one pixel."""
    dense = np.zeros((len(places), *SIZE_HW), dtype=bool)
    for mask, (x0, y0, x1, y1) in zip(dense, places, strict=True):
        mask[y0:y1, x0:x1] = True
        mask[y0 + 1, x0 + 1] = False
    return Instances(
        boxes=np.array(places, dtype=np.float32).reshape(-1, 4),
        class_ids=class_ids,
        scores=scores,
        masks=Masks.from_dense(dense),
        class_names=CLASSES,
    )


def pixels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (*SIZE_HW, 3), dtype=np.uint8)


def three_photos() -> list[Photo]:
    """A photo with truth and predictions, one with a cup alone, one with nothing."""
    found = boxes_at(
        [(2, 2, 20, 20), (30, 10, 60, 40), (40, 12, 50, 30)], [1, 2, 1], [0.9, 0.6, 0.3]
    )
    truth = boxes_at([(2, 2, 20, 20), (5, 30, 15, 40)], [1, 2], [1, 1])
    cup = boxes_at([(1, 1, 9, 9)], [3], [0.75])
    layers = [
        Layer(name="truth", instances=truth, marks=["hit", "miss"], keys=[7, 8]),
        Layer(
            name="prediction",
            instances=found,
            marks=["hit", "false positive", "duplicate"],
            notes=["", "=1+1", ""],
        ),
    ]
    return [
        Photo(
            name="b.jpg",
            image=pixels(),
            layers=layers,
            values={"AP": 0.5},
            tags=["worst", "cell:cat:dog"],
            lines=["a line"],
            image_id=31,
        ),
        Photo(
            name=EVIL_NAME,
            image=pixels(1),
            layers=[Layer(name="prediction", instances=cup)],
            values={"AP": 0.75},
            image_id=12,
        ),
        Photo(name="a.jpg", image=pixels(2), layers=[], tags=["worst"], image_id=5),
    ]


def page_of(photos: Sequence[Photo], **options: Any) -> Page:
    gallery = Gallery(photos=iter(photos), class_names=CLASSES, category_ids=CATEGORIES, **options)
    return Page(title="T", sections=[Section(title="Photos", components=[gallery])])


def write_gallery(path: Path, photos: Sequence[Photo], *, embed: Any = "auto", **options: Any):
    return write_page(path, page_of(photos, **options), embed=embed)


def block(text: str, name: str) -> Any:
    """The JSON in the element of a page with this id."""
    (found,) = re.findall(f'<script type="application/json" id="{name}">(.*?)</script>', text, re.S)
    return json.loads(found)
