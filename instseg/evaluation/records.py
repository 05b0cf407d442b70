"""COCO records: validation, and their fields as columns."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask

from instseg.core.boxes import box_ious, corners_of

Ids = NDArray[np.int64]
Floats = NDArray[np.float64]

SAMPLE = 500  # sample of objects for `best_matches`


@dataclass(frozen=True, kw_only=True)
class TruthColumns:
    """Columns of a COCO document.

    Attributes:
        image_ids: (I,), ascending.
        sizes_hw: (I, 2), of these images; NaN where it is 0, not stated.
        category_ids: (K,), ascending.
        object_images: (M,), of the annotations without crowds.
        object_categories: (M,).
        object_boxes_xywh: (M, 4), NaN where an annotation has no usable box.
    """

    image_ids: Ids
    sizes_hw: Floats
    category_ids: Ids
    object_images: Ids
    object_categories: Ids
    object_boxes_xywh: Floats

    @classmethod
    def read(cls, truth: Mapping[str, Any]) -> TruthColumns:
        """From a document without broken records."""
        objects = [a for a in truth["annotations"] if not a.get("iscrowd")]
        images = sorted((i["id"], i["height"], i["width"]) for i in truth["images"])
        boxes = [a["bbox"] if _is_box(a.get("bbox")) else [np.nan] * 4 for a in objects]
        sizes_hw = np.array([image[1:] for image in images], np.float64).reshape(-1, 2)
        return cls(
            image_ids=np.array([image[0] for image in images], np.int64),
            sizes_hw=np.where(sizes_hw > 0, sizes_hw, np.nan),
            category_ids=np.unique(np.array([c["id"] for c in truth["categories"]], np.int64)),
            object_images=np.array([a["image_id"] for a in objects], np.int64),
            object_categories=np.array([a["category_id"] for a in objects], np.int64),
            object_boxes_xywh=np.array(boxes, np.float64).reshape(-1, 4),
        )

    def sizes_of(self, image_ids: Ids) -> Floats:
        """Height and width of images (N,): (N, 2), NaN for an unknown image."""
        if not len(self.image_ids):
            return np.full((len(image_ids), 2), np.nan)
        at = np.searchsorted(self.image_ids, image_ids).clip(max=len(self.image_ids) - 1)
        known = self.image_ids[at] == image_ids
        return np.where(known[:, None], self.sizes_hw[at], np.nan)


@dataclass(frozen=True, kw_only=True)
class ResultColumns:
    """Columns of N results.

    Attributes:
        image_ids: (N,).
        category_ids: (N,).
        scores: (N,).
        boxes_xywh: (N, 4), of masks those around them; NaN for a mask that has none.
        sizes_hw: (N, 2) of the RLEs, or None for boxes.
        shapes: (N,), numbers that are equal for equal boxes or RLEs.
    """

    image_ids: Ids
    category_ids: Ids
    scores: Floats
    boxes_xywh: Floats
    sizes_hw: Floats | None
    shapes: Ids

    @classmethod
    def read(cls, results: Sequence[Mapping[str, Any]], field: str) -> ResultColumns:
        """The results' `field`, "bbox" or "segmentation"; none of them broken."""
        sizes_hw = None
        if field == "bbox":
            boxes_xywh = np.array([r["bbox"] for r in results], np.float64)
            shapes = _numbered(map(tuple, boxes_xywh.tolist()))
        else:
            sizes_hw = np.array([r["segmentation"]["size"] for r in results], np.float64)
            shapes = _numbered(_hashable(r["segmentation"]["counts"]) for r in results)
            boxes_xywh = boxes_around([r["segmentation"] for r in results])
        return cls(
            image_ids=np.array([r["image_id"] for r in results], np.int64),
            category_ids=np.array([r["category_id"] for r in results], np.int64),
            scores=np.array([r["score"] for r in results], np.float64),
            boxes_xywh=boxes_xywh,
            sizes_hw=sizes_hw,
            shapes=shapes,
        )


def boxes_around(rles: Sequence[Mapping[str, Any]]) -> Floats:
    """Boxes (N, 4) around compressed masks; NaN around others."""
    boxes = np.full((len(rles), 4), np.nan)
    usable = [
        i for i, r in enumerate(rles) if min(r["size"]) > 0 and isinstance(r["counts"], str | bytes)
    ]
    if usable:
        boxes[usable] = mask.toBbox([dict(rles[i]) for i in usable])
    return boxes


def _numbered(keys: Iterable[Hashable]) -> Ids:
    """The same number for each key that is the same."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def _hashable(counts: str | bytes | list[int]) -> Hashable:
    return tuple(counts) if isinstance(counts, list) else counts


def broken(records: object, what: str, fields: Sequence[str]) -> Iterator[str]:
    """Find records with a missing or invalid field.

    Args:
        records: The value that should be a sequence of mappings.
        what: Its name in messages.
        fields: Names of `FIELDS`.

    Yields:
        A line per field, which names the first such record by its index.
    """
    if not isinstance(records, Sequence) or isinstance(records, str):
        yield f"{what}: expected a list of records, got {_shown(records)}"
        return
    for index, record in enumerate(records):
        if not isinstance(record, Mapping):
            yield f"{what}[{index}]: expected a record of {', '.join(fields)}, got {_shown(record)}"
            return
    for name in fields:
        fits, expected = FIELDS[name]
        bad = [i for i, record in enumerate(records) if not fits(record.get(name))]
        if bad:
            first = records[bad[0]]
            given = _shown(first[name]) if name in first else "nothing"
            yield (
                f"{what}[{bad[0]}]: expected {name} to be {expected}, got {given} "
                f"({len(bad):,} of {len(records):,} {what} are broken like this)"
            )


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _is_id(value: object) -> bool:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return whole and abs(value) < 2**53  # type: ignore[arg-type]  # exact as a float too


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return True
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return -(2**63) < value < 2**63  # type: ignore[operator]


def _is_box(value: object) -> bool:
    if not isinstance(value, (list, tuple, np.ndarray)) or len(value) != 4:
        return False
    try:
        return bool(np.isfinite(sum(value)))
    except TypeError:
        return False


def _is_rle(value: object) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("counts"), (str, bytes, list)):
        return False
    size = value.get("size")
    return isinstance(size, (list, tuple)) and len(size) == 2 and all(map(_is_side, size))


def _is_side(value: object) -> bool:
    return _is_id(value) and 0 < value < 2**31  # type: ignore[operator]


FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "id": (_is_id, "a whole number"),
    "image_id": (_is_id, "a whole number"),
    "category_id": (_is_id, "a whole number"),
    "height": (_is_number, "a number of pixels"),
    "width": (_is_number, "a number of pixels"),
    "score": (_is_number, "a number"),
    "bbox": (_is_box, "four finite numbers, [x, y, width, height]"),
    "segmentation": (_is_rle, 'an RLE, {"size": [height, width], "counts": ...}'),
}


def best_matches(
    truth: TruthColumns, found: ResultColumns, boxes_xywh: Floats
) -> tuple[Ids, Ids, Floats]:
    """For a sample of objects, the result of any class with the highest IoU in their image.

    Args:
        truth: The objects; those without a box, or in an image without results, are ignored.
        found: The results.
        boxes_xywh: Their boxes (N, 4), in the assumed format.

    Returns:
        Indices of the objects and of the results, and their IoU, each (S,).
    """
    by_image = np.argsort(found.image_ids, kind="stable")
    ids = found.image_ids[by_image]
    usable = np.isfinite(truth.object_boxes_xywh[:, 0]) & np.isin(truth.object_images, ids)
    objects = np.flatnonzero(usable)
    objects = objects[:: 1 + len(objects) // SAMPLE]
    first = np.searchsorted(ids, truth.object_images[objects], "left")
    count = np.searchsorted(ids, truth.object_images[objects], "right") - first
    starts = np.cumsum(count) - count  # where the pairs of each object begin
    results = by_image[np.repeat(first - starts, count) + np.arange(count.sum())]
    objects_xyxy, results_xyxy = corners_of(truth.object_boxes_xywh), corners_of(boxes_xywh)
    ious = box_ious(np.repeat(objects_xyxy[objects], count, axis=0), results_xyxy[results])
    if not len(objects):
        return objects, results, ious
    best = np.maximum.reduceat(ious, starts)
    is_best = np.flatnonzero(ious == np.repeat(best, count))
    chosen = is_best[np.searchsorted(is_best, starts)]  # the first, where several are as good
    return objects, results[chosen], best
