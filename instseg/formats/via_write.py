"""Writes projects of VGG Image Annotator 2."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from instseg.core.events import told
from instseg.formats.format import Writing
from instseg.formats.labels import Labels, Record
from instseg.formats.notes import Notes
from instseg.formats.photo_names import photo_names, photo_of, place_photo
from instseg.formats.shaped import shaped
from instseg.formats.shapes import box_of, has_mask, ring_of, size_of
from instseg.formats.via_files import ATTRIBUTES, PROJECT
from instseg.formats.via_read import CLASS, NOT_CLASSES

FILE = "via_project.json"

_SETTINGS = {
    "ui": {
        "annotation_editor_height": 25,
        "annotation_editor_fontsize": 0.8,
        "leftsidebar_width": 18,
        "image_grid": {
            "img_height": 80,
            "rshape_fill": "none",
            "rshape_fill_opacity": 0.3,
            "rshape_stroke": "yellow",
            "rshape_stroke_width": 2,
            "show_region_shape": True,
            "show_image_policy": "all",
        },
        "image": {
            "region_label": CLASS,
            "region_color": CLASS,
            "region_label_font": "10px Sans",
            "on_image_annotation_editor_placement": "NEAR_REGION",
        },
    },
    "core": {"buffer_size": 18, "filepath": {}, "default_filepath": ""},
    "project": {"name": "instances"},
}


def write(labels: Labels, folder: Path, writing: Writing) -> dict[int, int]:
    """Write a project and links to the photos, or copies, for each split in its folder.

    Several parts and holes are one polygon with bridges.

    Returns:
        The number, from 1, of each category among the choices of the class.
    """
    notes, names, objects = writing.notes, photo_names(labels), labels.by_image()
    classes, named = labels.class_names(), _named(labels, names)
    files: dict[str, dict[str, Any]] = {}
    for image in told(labels.images, writing.on_event, "writing labels"):
        split = "" if writing.one_file else str(image.get("split") or "")
        own = objects[image["id"]]
        regions = list(_regions(image, own, classes, writing.tolerance, notes))
        name = named[image["id"]] if writing.one_file else names[image["id"]]
        photo = photo_of(labels, image)
        size = photo.stat().st_size if photo else -1  # of the file, by which VIA knows it again
        files.setdefault(split, {})[f"{name}{size}"] = _entry(image, name, size, regions)
        if writing.one_file:
            continue
        if not place_photo(labels, image, folder / split / name, copy=writing.copy_photos):
            notes.add("photos that are not there, so that only labels were written", name)
    ordered = sorted(classes)
    attributes = _attributes([classes[number] for number in ordered], labels.annotations)
    for split, entries in (files or {"": {}}).items():
        document = {
            "_via_settings": _SETTINGS,
            PROJECT: entries,
            ATTRIBUTES: attributes,
            "_via_data_format_version": "2.0.10",
            "_via_image_id_list": [*entries],
        }
        (folder / split).mkdir(exist_ok=True)
        text = json.dumps(document, ensure_ascii=False)
        (folder / split / FILE).write_text(text, encoding="utf-8")
    return {number: place for place, number in enumerate(ordered, start=1)}


def _named(labels: Labels, names: Mapping[int, str]) -> dict[int, str]:
    """The photos as the labels name them; where two have one name, with their splits."""
    times = Counter(image["file_name"] for image in labels.images)
    return {
        image["id"]: image["file_name"]
        if times[image["file_name"]] == 1
        else str(PurePosixPath(image.get("split") or "", names[image["id"]]))
        for image in labels.images
    }


def _entry(image: Record, name: str, size: int, regions: Sequence[Record]) -> Record:
    split = {"split": image["split"]} if image.get("split") else {}
    sides = {side: str(image[side]) for side in ("width", "height")}
    return {"filename": name, "size": size, "regions": regions, "file_attributes": sides | split}


def _attributes(classes: Sequence[str], annotations: Iterable[Record]) -> Record:
    """What can be entered about regions and photos."""
    choice = {"description": "", "options": dict.fromkeys(classes, ""), "default_options": {}}
    names = dict.fromkeys(
        name for annotation in annotations for name in _entered(annotation, "") if name != CLASS
    )
    text = {"type": "text", "description": "", "default_value": ""}
    return {
        "region": {CLASS: {"type": "dropdown", **choice}, **dict.fromkeys(names, text)},
        "file": dict.fromkeys(("width", "height", "split"), text),
    }


def _entered(annotation: Record, label: str) -> dict[str, Any]:
    """The attributes of a region."""
    own = {**(annotation.get("attributes") or {}), CLASS: label}
    for name in NOT_CLASSES:
        if annotation.get(name) is not None:
            own[name] = annotation[name]
    return own


def _regions(
    image: Record,
    annotations: Iterable[Record],
    classes: Mapping[int, str],
    tolerance: float,
    notes: Notes,
) -> Iterable[Record]:
    size_hw = size_of(image)
    for annotation, shape in shaped(annotations, lambda a: _shape(a, size_hw, tolerance), notes):
        entered = _entered(annotation, classes[annotation["category_id"]])
        yield {"shape_attributes": shape, "region_attributes": entered}


def _shape(annotation: Record, size_hw: tuple[int, int], tolerance: float) -> Record | None:
    if not has_mask(annotation):
        box = box_of(annotation, size_hw)
        names = ("x", "y", "width", "height")
        return None if box is None else {"name": "rect", **dict(zip(names, box, strict=True))}
    ring = ring_of(annotation, size_hw, tolerance)
    if ring is None:
        return None
    x, y = ring.round(4).T.tolist()
    return {"name": "polygon", "all_points_x": x, "all_points_y": y}
