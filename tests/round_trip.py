"""Labels through a format and back: how well each object comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from instseg import convert
from instseg.formats.convert import read_labels
from instseg.formats.labels import Labels
from instseg.formats.shapes import has_mask, mask_of, size_of


def through(source: Path, name: str, folder: Path, **options: Any) -> Labels:
    """The labels of `source` after they were written in a format and read from it."""
    return read_labels(convert(source, folder, to=name, **options).path)[0]


def by_photo(labels: Labels) -> dict[str, list[dict[str, Any]]]:
    """The objects of each photo, crowds left out, by the stem of its name."""
    names = {image["id"]: Path(image["file_name"]).stem for image in labels.images}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
    for annotation in labels.annotations:
        if not annotation.get("iscrowd"):
            found[names[annotation["image_id"]]].append(annotation)
    return found


def assert_same(before: Labels, after: Labels, *, iou: float = 0.995, crowds: bool = False) -> None:
    """Each object is there again, in order, of its class, with its mask."""
    classes_before, classes_after = before.class_names(), after.class_names()
    sizes = {Path(image["file_name"]).stem: size_of(image) for image in before.images}
    theirs = by_photo(after)
    assert {Path(image["file_name"]).stem: size_of(image) for image in after.images} == sizes
    for photo, objects in by_photo(before).items():
        again = theirs[photo]
        assert [classes_before[each["category_id"]] for each in objects] == [
            classes_after[each["category_id"]] for each in again
        ]
        for one, other in zip(objects, again, strict=True):
            assert overlap(one, other, sizes[photo]) >= iou, (photo, one["id"])


def overlap(one: dict[str, Any], other: dict[str, Any], size_hw: tuple[int, int]) -> float:
    """IoU of two masks, or of two boxes; 1 for two empty masks."""
    if not has_mask(one):
        return 1.0 if np.allclose(one["bbox"], other["bbox"], atol=0.02) else 0.0
    masks = mask_of(one, size_hw), mask_of(other, size_hw)
    if not masks[0].areas()[0]:
        return 1.0 if not masks[1].areas()[0] else 0.0
    return float(masks[0].iou(masks[1])[0, 0])
