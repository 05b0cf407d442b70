"""COCO records: validation, and their fields as columns."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
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
        shapes: The boxes (N, 4), xywh, or N RLEs.
    """

    image_ids: Ids
    category_ids: Ids
    scores: Floats
    shapes: Floats | Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, results: Sequence[Mapping[str, Any]], field: str) -> ResultColumns:
        """The results' `field`, "bbox" or "segmentation"; none of them broken."""
        shapes = [r[field] for r in results]
        return cls(
            image_ids=np.array([r["image_id"] for r in results], np.int64),
            category_ids=np.array([r["category_id"] for r in results], np.int64),
            scores=np.array([r["score"] for r in results], np.float64),
            shapes=np.array(shapes, np.float64).reshape(-1, 4) if field == "bbox" else shapes,
        )

    def boxes_xywh(self, rows: Ids) -> Floats:
        """Some boxes, or those around masks: (len(rows), 4); NaN for a mask that has none."""
        if isinstance(self.shapes, np.ndarray):
            return self.shapes[rows]
        return boxes_around([self.shapes[i] for i in rows.tolist()])

    def repeats(self) -> int:
        """How many results repeat another one exactly."""
        keys = (self.scores, self.category_ids, self.image_ids)
        order = np.lexsort(keys)
        same = np.logical_and.reduce([key[order[1:]] == key[order[:-1]] for key in keys])
        similar = np.append(same, False) | np.append(False, same)  # but for the shape
        group = np.cumsum(np.append(True, ~same))[similar].tolist()
        shapes = (_hashable(self.shapes[i]) for i in order[similar].tolist())
        return len(group) - len({*zip(group, shapes, strict=True)})


def boxes_around(rles: Sequence[Mapping[str, Any]]) -> Floats:
    """Boxes (N, 4) around compressed masks; NaN around others."""
    boxes = np.full((len(rles), 4), np.nan)
    usable = [
        i for i, r in enumerate(rles) if min(r["size"]) > 0 and isinstance(r["counts"], str | bytes)
    ]
    if usable:
        boxes[usable] = mask.toBbox([dict(rles[i]) for i in usable])
    return boxes


def _hashable(shape: Floats | Mapping[str, Any]) -> Hashable:
    """The sides of a box, or the runs of a mask."""
    shape = shape if isinstance(shape, np.ndarray) else shape["counts"]
    return shape if isinstance(shape, str | bytes) else tuple(shape)


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
    for index, record in enumerate(() if _are(dict, records) else records):
        if not isinstance(record, Mapping):
            yield f"{what}[{index}]: expected a record of {', '.join(fields)}, got {_shown(record)}"
            return
    for name in fields:
        fits, all_fit, expected = FIELDS[name]
        values = [record.get(name) for record in records]
        bad = [] if all_fit(values) else [i for i, value in enumerate(values) if not fits(value)]
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


def _all_ids(values: Sequence[Any]) -> bool:
    """Whether all are ids; as the others below, fast, and False for what is merely unusual."""
    return _are(int, values) and (not values or max(max(values), -min(values)) < 2**53)


def _all_numbers(values: Sequence[Any]) -> bool:
    whole = [value for value in values if type(value) is not float]
    return _all_ids(whole)


def _all_boxes(values: Sequence[Any]) -> bool:
    if not _are(list, values) or {*map(len, values)} - {4}:
        return False
    sides = [*chain.from_iterable(values)]
    return _all_numbers(sides) and bool((np.abs(_column(sides)) < 1e300).all())  # not NaN either


def _all_rles(values: Sequence[Any]) -> bool:
    if not _are(dict, values) or not _are(str, [value.get("counts") for value in values]):
        return False
    sizes = [value.get("size") for value in values]
    if not _are(list, sizes) or {*map(len, sizes)} - {2}:
        return False
    sides = [*chain.from_iterable(sizes)]
    return _are(int, sides) and (not sides or (min(sides) > 0 and max(sides) < 2**31))


def _are(kind: type, values: Iterable[object]) -> bool:
    return {*map(type, values)} <= {kind}


def _column(numbers: Sequence[float]) -> Floats:
    return np.fromiter(numbers, np.float64, len(numbers))


Check = tuple[Callable[[object], bool], Callable[[Sequence[Any]], bool], str]
FIELDS: dict[str, Check] = {  # whether one value fits, whether all do, and what should be there
    "id": (_is_id, _all_ids, "a whole number below 2^53"),
    "image_id": (_is_id, _all_ids, "a whole number below 2^53"),
    "category_id": (_is_id, _all_ids, "a whole number below 2^53"),
    "height": (_is_number, _all_numbers, "a number of pixels"),
    "width": (_is_number, _all_numbers, "a number of pixels"),
    "score": (_is_number, _all_numbers, "a number"),
    "bbox": (_is_box, _all_boxes, "four finite numbers, [x, y, width, height]"),
    "segmentation": (_is_rle, _all_rles, 'an RLE, {"size": [height, width], "counts": ...}'),
}


def best_matches(
    truth: TruthColumns, found: ResultColumns, boxes_xywh: Callable[[Ids], Floats]
) -> tuple[Ids, Ids, Floats]:
    """For a sample of objects, the result of any class with the highest IoU in their image.

    Args:
        truth: The objects; those without a box, or in an image without results, are ignored.
        found: The results.
        boxes_xywh: Gives the boxes (n, 4) of some of them, in the assumed format.

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
    used, of_used = np.unique(results, return_inverse=True)
    objects_xyxy = np.repeat(corners_of(truth.object_boxes_xywh[objects]), count, axis=0)
    ious = box_ious(objects_xyxy, corners_of(boxes_xywh(used))[of_used])
    if not len(objects):
        return objects, results, ious
    best = np.maximum.reduceat(ious, starts)
    is_best = np.flatnonzero(ious == np.repeat(best, count))
    chosen = is_best[np.searchsorted(is_best, starts)]  # the first, where several are as good
    return objects, results[chosen], best
