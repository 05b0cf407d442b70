"""Plants label errors in a sound dataset, for `label_errors.py`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

Json = dict[str, Any]

KINDS = ("missing", "spurious", "wrong class", "badly placed")
IOU_RANGE = (0.4, 0.7)  # of a badly placed annotation with the truth, for its box and its mask
MOST_TRIES = 1000


def plant(document: Json, seed: int, per_kind: int) -> tuple[Json, list[Json]]:
    """A copy of a dataset with errors, each at another object.

    Args:
        document: A COCO dataset with RLE masks and all annotations right.
        seed: Random seed.
        per_kind: Number of errors of each of `KINDS`.

    Returns:
        The dataset, and for each error its `kind`, `image_id`, `annotation_id` (None for a missing
        one), `bbox` of what is planted or deleted, and `category_id` that would be right.
    """
    rng = np.random.default_rng(seed)
    broken = copy.deepcopy(document)
    annotations = broken["annotations"]
    chosen = rng.permutation(len(annotations))[: 4 * per_kind].reshape(4, per_kind)
    planted = [_error("missing", annotations[index]) for index in chosen[0]]
    for index in chosen[2]:
        each = annotations[index]
        planted.append(_error("wrong class", each))
        others = [c["id"] for c in broken["categories"] if c["id"] != each["category_id"]]
        each["category_id"] = int(rng.choice(others))
    for index in chosen[3]:
        _move(annotations[index], rng)
        planted.append(_error("badly placed", annotations[index]))
    next_id = max(each["id"] for each in annotations) + 1
    copies = []
    for number, index in enumerate(chosen[1]):
        shape = document["annotations"][index]
        copies.append({**_paste(shape, document, rng), "id": next_id + number})
        planted.append(_error("spurious", copies[-1]))
    deleted = set(chosen[0].tolist())
    kept = [each for index, each in enumerate(annotations) if index not in deleted]
    broken["annotations"] = kept + copies
    return broken, planted


def _error(kind: str, annotation: Json) -> Json:
    gone = kind == "missing"
    return {
        "kind": kind,
        "image_id": annotation["image_id"],
        "annotation_id": None if gone else annotation["id"],
        "category_id": annotation["category_id"],
        "bbox": annotation["bbox"],
    }


def _move(annotation: Json, rng: np.random.Generator) -> None:
    """Shift and scale an annotation until the IoU with what it was is in the range."""
    old = coco_mask.decode(annotation["segmentation"]).astype(bool)
    box = annotation["bbox"]

    def shape() -> NDArray[np.bool_]:
        factors = np.exp(rng.uniform(-0.35, 0.35, 2))
        shift = rng.uniform(-0.4, 0.4, 2) * [box[2], box[3]]
        return _transformed(old, box, factors, shift)

    def fits(new: NDArray[np.bool_]) -> bool:
        low, high = IOU_RANGE
        mask_iou = (old & new).sum() / max((old | new).sum(), 1)
        if not low <= mask_iou <= high:
            return False
        box_iou = coco_mask.iou([_geometry(new)["bbox"]], [_geometry(old)["bbox"]], [0])[0, 0]
        return bool(low <= box_iou <= high)

    annotation |= _geometry(_first(shape, fits))


def _transformed(
    mask: NDArray[np.bool_], box: Sequence[float], factors: NDArray[Any], shift: NDArray[Any]
) -> NDArray[np.bool_]:
    """A mask scaled about the centre of its box, and shifted, both by x and y."""
    height, width = mask.shape
    center = np.array([box[0] + box[2] / 2, box[1] + box[3] / 2])
    y, x = np.indices(mask.shape) + 0.5
    from_x = np.floor((x - center[0] - shift[0]) / factors[0] + center[0]).astype(int)
    from_y = np.floor((y - center[1] - shift[1]) / factors[1] + center[1]).astype(int)
    inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    new = np.zeros_like(mask)
    new[inside] = mask[from_y[inside], from_x[inside]]
    return new


def _paste(shape: Json, document: Json, rng: np.random.Generator) -> Json:
    """The shape in another photo, at a place without an object of its class."""
    mask = coco_mask.decode(shape["segmentation"]).astype(bool)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    crop = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    others = [
        each
        for each in document["images"]
        if each["id"] != shape["image_id"]
        and (each["height"] >= crop.shape[0] and each["width"] >= crop.shape[1])
    ]
    image: Json = {}

    def pasted() -> NDArray[np.bool_]:
        nonlocal image
        image = others[rng.integers(len(others))]
        new = np.zeros((image["height"], image["width"]), dtype=bool)
        top = rng.integers(new.shape[0] - crop.shape[0] + 1)
        left = rng.integers(new.shape[1] - crop.shape[1] + 1)
        new[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
        return new

    def is_free(new: NDArray[np.bool_]) -> bool:
        boxes = [
            each["bbox"]
            for each in document["annotations"]
            if (each["image_id"], each["category_id"]) == (image["id"], shape["category_id"])
        ]
        box = _geometry(new)["bbox"]
        return not boxes or not coco_mask.iou([box], boxes, [0] * len(boxes)).any()

    geometry = _geometry(_first(pasted, is_free))
    return {**shape, **geometry, "image_id": image["id"]}


def _first(
    draw: Callable[[], NDArray[np.bool_]], fits: Callable[[NDArray[np.bool_]], bool]
) -> NDArray[np.bool_]:
    for _ in range(MOST_TRIES):
        if fits(mask := draw()):
            return mask
    raise RuntimeError("no place found for an error; choose another seed")


def _geometry(mask: NDArray[np.bool_]) -> Json:
    """Segmentation, box and area of a mask, as annotations have them."""
    rle = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    box = coco_mask.toBbox(rle).tolist()
    rle["counts"] = rle["counts"].decode("ascii")
    return {"segmentation": rle, "bbox": box, "area": int(mask.sum())}
