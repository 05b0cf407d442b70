"""The annotations of a COCO dataset, checked: their masks, and what evaluators take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from instseg.core.errors import InputError
from instseg.core.masks import Masks
from instseg.core.rle import polygons_to_rle
from instseg.files.coco_records import Annotation, ImageRecord


def annotation_rle(annotation: Annotation, image: ImageRecord, coco_json: Path) -> dict[str, Any]:
    """The mask of an annotation as compressed RLE.

    Args:
        annotation: The annotation, with a segmentation.
        image: Its image.
        coco_json: The file, for messages.

    Raises:
        InputError: It is broken, or there is only a box.
    """
    size_hw = (image.height, image.width)
    try:
        outline = annotation.outline()
        if not outline or not isinstance(outline, dict | list):
            raise ValueError("has no segmentation")
        if isinstance(outline, list):
            return polygons_to_rle(outline, size_hw)
        return Masks.from_rle([outline], size_hw).to_rle()[0]  # which adds a missing last run
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        problem = f"has no {error}" if isinstance(error, KeyError) else str(error)
        if annotation.is_box_only:
            raise InputError(
                f"{_named(annotation, coco_json)}: has a box and no segmentation, which only the "
                "training data of finetune may; draw its mask, or remove it"
            ) from error
        raise _wrong(annotation, coco_json, problem) from error


def annotation_record(
    annotation: Annotation, image: ImageRecord, coco_json: Path
) -> dict[str, Any]:
    """An annotation without its id, for evaluators; see `CocoData.document`.

    Args:
        annotation: The annotation.
        image: Its image.
        coco_json: The file, for messages.

    Raises:
        InputError: It is broken.
    """
    bare = annotation.is_box_only
    coded = None if bare else annotation_rle(annotation, image, coco_json)
    record = {
        "image_id": annotation.image_id,
        "category_id": annotation.category_id,
        "segmentation": coded,
        "bbox": annotation.bbox,
        "area": annotation.area,
        "iscrowd": int(bool(annotation.iscrowd)),
    }
    if annotation.bbox and min(annotation.bbox[2:]) < 0:
        raise _wrong(annotation, coco_json, "its box has a width or height below 0")
    if annotation.bbox and bare and annotation.area is None:
        record["area"] = annotation.bbox[2] * annotation.bbox[3]
    elif coded and (annotation.bbox is None or annotation.area is None):
        masks = Masks.from_rle([coded])
        left, top, right, bottom = masks.boxes_xyxy()[0].tolist()
        measured = {"bbox": [left, top, right - left, bottom - top], "area": masks.areas()[0]}
        record |= {key: value for key, value in measured.items() if record[key] is None}
    return record


def _wrong(annotation: Annotation, coco_json: Path, problem: str) -> InputError:
    return InputError(
        f"{_named(annotation, coco_json)}: {problem}; `instseg doctor --fix` repairs it or leaves "
        "it out"
    )


def _named(annotation: Annotation, coco_json: Path) -> str:
    return f"{coco_json}: annotation {annotation.id}, of image {annotation.image_id}"
