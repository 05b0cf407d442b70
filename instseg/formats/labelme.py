"""LabelMe: a JSON file for each photo, beside it."""

from __future__ import annotations

import base64
from io import BytesIO
from itertools import chain, count, islice
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instseg.core.errors import InputError
from instseg.core.events import told
from instseg.core.masks import Masks
from instseg.files.coco_json import read_form
from instseg.formats.format import LOOKED_AT, Format, Writing
from instseg.formats.labelme_read import CLASSES, NO_CLASSES, read
from instseg.formats.labels import Labels, Record
from instseg.formats.notes import Notes
from instseg.formats.outlined import rings_or_mask
from instseg.formats.photo_names import photo_names, place_photo
from instseg.formats.shaped import shaped
from instseg.formats.shapes import box_of, has_mask, size_of

VERSION = "5.5.0"
_QUICK = 1  # compression of PNG


class _File(msgspec.Struct):
    shapes: list[msgspec.Raw]
    imagePath: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # noqa: N815
    imageHeight: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET  # noqa: N815


def recognises(path: Path) -> bool:
    """Whether a file, or one of the first in a folder, has shapes and names its photo."""
    if path.is_file():
        return path.suffix.lower() == ".json" and _is_labelme(path)
    found = chain(path.glob("*.json"), path.glob("*/*.json"), path.glob("*/*/*.json"))
    return any(map(_is_labelme, islice(found, LOOKED_AT)))


def _is_labelme(file: Path) -> bool:
    try:
        found = read_form(file, _File)
    except (InputError, OSError):
        return False
    return found.imagePath is not msgspec.UNSET or found.imageHeight is not msgspec.UNSET


def write(labels: Labels, folder: Path, writing: Writing) -> dict[int, int]:
    """Write a JSON file and a link to the photo, or a copy, for each photo; and labels.txt.

    Masks with holes are shapes of the type `mask`, which has no tolerance; others are polygons, of
    which those of one object share a `group_id`.

    Returns:
        The number, from 1, of each category in labels.txt.
    """
    notes, names, objects = writing.notes, photo_names(labels), labels.by_image()
    classes = labels.class_names()
    for image in told(labels.images, writing.on_event, "writing labels"):
        name = PurePosixPath(image.get("split") or "", names[image["id"]])
        shapes = _shapes(image, objects[image["id"]], classes, writing.tolerance, notes)
        file = folder / name.with_suffix(".json")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(msgspec.json.encode(_document(name.name, size_of(image), shapes)))
        if not place_photo(labels, image, folder / name, copy=writing.copy_photos):
            notes.add("photos that are not there, so that only labels were written", name)
    ordered = sorted(classes)
    lines = [" ".join(classes[number].split()) for number in ordered]
    (folder / CLASSES).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return {number: place for place, number in enumerate(ordered, start=1)}


def _document(photo: str, size_hw: tuple[int, int], shapes: list[Record]) -> Record:
    return {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": photo,
        "imageData": None,
        "imageHeight": size_hw[0],
        "imageWidth": size_hw[1],
    }


def _shapes(
    image: Record,
    annotations: list[Record],
    classes: dict[int, str],
    tolerance: float,
    notes: Notes,
) -> list[Record]:
    """The shapes of a photo."""
    groups, size_hw = count(1), size_of(image)
    found = []
    for annotation, outlines in shaped(
        annotations, lambda a: _outlines(a, size_hw, tolerance), notes
    ):
        group = next(groups) if len(outlines) > 1 else None
        common = {
            "label": classes[annotation["category_id"]],
            "group_id": group,
            **_described(annotation),
        }
        found += [{**common, **outline} for outline in outlines]
    return found


def _outlines(
    annotation: Record, size_hw: tuple[int, int], tolerance: float
) -> list[dict[str, Any]]:
    """The geometry of an object's shapes."""
    if not has_mask(annotation):
        box = box_of(annotation, size_hw)
        if box is None:
            return []
        points = [[box[0], box[1]], [box[0] + box[2], box[1] + box[3]]]
        return [{"points": points, "shape_type": "rectangle"}]
    found = rings_or_mask(annotation, size_hw, tolerance)
    if isinstance(found, Masks):
        return [_mask_shape(found.crops[0], found.offsets_yx[0].tolist())]
    return [{"points": ring.tolist(), "shape_type": "polygon"} for ring in found]


def _mask_shape(crop: NDArray[np.bool_], offset_yx: list[int]) -> dict[str, Any]:
    top, left = offset_yx
    bottom, right = top + crop.shape[0] - 1, left + crop.shape[1] - 1  # inclusive
    png = BytesIO()
    Image.fromarray(crop.astype(np.uint8)).save(png, "PNG", compress_level=_QUICK)
    return {
        "points": [[float(left), float(top)], [float(right), float(bottom)]],
        "shape_type": "mask",
        "mask": base64.b64encode(png.getvalue()).decode("ascii"),
    }


def _described(annotation: Record) -> dict[str, Any]:
    """What LabelMe shows of an object, flags and a description; it keeps further fields."""
    attributes = dict(annotation.get("attributes") or {})
    lines = []
    if isinstance(attributes.get("description"), str):
        lines.append(attributes.pop("description"))
    more: dict[str, Any] = {}
    if annotation.get("score") is not None:
        more["score"] = float(annotation["score"])
        lines.append(f"score {more['score']:.3g}")
    if annotation.get("track_id") is not None:
        more["track_id"] = annotation["track_id"]
    flags = {name: value for name, value in attributes.items() if isinstance(value, bool)}
    attributes = {name: value for name, value in attributes.items() if name not in flags}
    if attributes:
        more["attributes"] = attributes
    return {"description": "\n".join(lines), "flags": flags, **more}


FORMAT = Format(
    name="labelme",
    title="LabelMe",
    recognises=recognises,
    read=read,
    write=write,
    loses={"crowds": "left out", "ids": "numbered anew by their place"},
    no_class=lambda name: name in NO_CLASSES,
    by_hand=True,
)
