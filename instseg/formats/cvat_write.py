"""Writes the XML of "CVAT for images 1.1", and the labels that a task needs for it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from instseg.core.events import told
from instseg.formats.format import Writing
from instseg.formats.labels import Labels, Record
from instseg.formats.outlined import rings_or_mask
from instseg.formats.photo_names import copy_photos, photo_names
from instseg.formats.rings import Loop
from instseg.formats.shaped import shaped
from instseg.formats.shapes import box_of, has_mask, mask_of, polygons_of, size_of

FILE = "annotations.xml"
LABELS = "labels.json"
BUILT_IN = {"occluded": bool, "z_order": int}
"""Attributes that CVAT has for every shape, and their types."""

Attribute = dict[str, Any]
"""As in `labels.json`: name, input_type, mutable, values, default_value."""

_NOT_IN_XML = dict.fromkeys({*range(32), 0xFFFE, 0xFFFF} - {9, 10}, " ")


def write(labels: Labels, folder: Path, writing: Writing) -> dict[int, int]:
    """Write annotations.xml and labels.json; with copied photos in `images/`.

    Without a tolerance, an object that is one polygon is a polygon, and others are masks. With
    one, masks with holes are masks, and others polygons, of which those of one object share a
    `group_id`.

    Returns:
        The number, from 1, of each category among the labels.
    """
    if writing.copy_photos:
        images = copy_photos(labels, folder, writing)
        names = {image["id"]: image["file_name"] for image in images}
    else:
        names = photo_names(labels)
    classes, objects, notes = labels.class_names(), labels.by_image(), writing.notes
    declared = _declared(labels)
    groups = count(1)
    with (folder / FILE).open("w", encoding="utf-8", newline="\n") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n')
        file.write("<version>1.1</version>\n")
        file.write(_meta(classes, declared, len(labels.images)))
        for number, image in enumerate(told(labels.images, writing.on_event, "writing labels")):
            height, width = size_hw = size_of(image)
            subset = {"subset": image["split"]} if image.get("split") else {}
            place = {"id": number, "name": names[image["id"]], **subset}
            file.write(f"<image{_fields({**place, 'width': width, 'height': height})}>\n")
            shape_of = partial(_shapes, size_hw=size_hw, tolerance=writing.tolerance)
            for annotation, shapes in shaped(objects[image["id"]], shape_of, notes):
                label = classes[annotation["category_id"]]
                file.write(_object(annotation, label, shapes, groups))
            file.write("</image>\n")
        file.write("</annotations>\n")
    constructor = [
        {"name": name, "type": "any", "attributes": [*declared[number].values()]}
        for number, name in sorted(classes.items())
    ]
    text = json.dumps(constructor, indent=1, ensure_ascii=False)
    (folder / LABELS).write_text(text, encoding="utf-8")
    return {number: place for place, number in enumerate(sorted(classes), start=1)}


def attributes_of(annotation: Record) -> dict[str, Any]:
    """The attributes of an object as CVAT has them: with its score and track."""
    own = annotation.get("attributes") or {}
    found = {name: value for name, value in own.items() if value is not None}
    for name in ("score", "track_id"):
        if annotation.get(name) is not None:
            found[name] = annotation[name]
    return found


def _declared(labels: Labels) -> dict[int, dict[str, Attribute]]:
    """The attributes of each category, by name, with the type that all of their values have."""
    values: dict[int, dict[str, list[Any]]] = {each["id"]: {} for each in labels.categories}
    for annotation in labels.annotations:
        own = values[annotation["category_id"]]
        for name, value in attributes_of(annotation).items():
            if type(value) is not BUILT_IN.get(name):
                own.setdefault(name, []).append(value)
    return {
        number: {name: _attribute(name, found) for name, found in own.items()}
        for number, own in values.items()
    }


def _attribute(name: str, values: Sequence[Any]) -> Attribute:
    kind, choices, default = "text", [""], ""
    if name == "score":
        kind, choices, default = "number", ["0", "1", "0.01"], "1"
    elif all(isinstance(value, bool) for value in values):
        kind, choices, default = "checkbox", ["false"], "false"
    elif name != "track_id" and all(type(value) in (int, float) for value in values):
        step = "1" if all(type(value) is int for value in values) else "0.01"
        low, high = math.floor(min(values)), math.ceil(max(values))
        kind, choices, default = "number", [str(low), str(max(high, low + 1)), step], str(low)
    return {
        "name": name,
        "input_type": kind,
        "mutable": False,
        "values": choices,
        "default_value": default,
    }


def _meta(
    classes: Mapping[int, str], declared: Mapping[int, Mapping[str, Attribute]], images: int
) -> str:
    newline = "\n"
    lines = ["<meta>", "<task>", f"<size>{images}</size>", "<mode>annotation</mode>", "<labels>"]
    for number, name in sorted(classes.items()):
        lines += ["<label>", f"<name>{_text(name)}</name>", "<type>any</type>", "<attributes>"]
        for each in declared[number].values():
            lines += [
                "<attribute>",
                f"<name>{_text(each['name'])}</name>",
                "<mutable>False</mutable>",
                f"<input_type>{each['input_type']}</input_type>",
                f"<default_value>{each['default_value']}</default_value>",
                f"<values>{newline.join(each['values'])}</values>",
                "</attribute>",
            ]
        lines += ["</attributes>", "</label>"]
    return "\n".join([*lines, "</labels>", "</task>", "</meta>", ""])


def _object(
    annotation: Record,
    label: str,
    shapes: Sequence[tuple[str, dict[str, Any]]],
    groups: count[int],
) -> str:
    """The elements of an object."""
    attributes = attributes_of(annotation)
    own = {
        name: attributes.pop(name)
        for name, kind in BUILT_IN.items()
        if type(attributes.get(name)) is kind
    }
    common = {
        "label": label,
        "source": "manual" if annotation.get("score") is None else "auto",
        "occluded": int(own.get("occluded", False)),
        "z_order": own.get("z_order", 0),
    }
    if len(shapes) > 1:
        common["group_id"] = next(groups)
    inner = "".join(
        f"<attribute name={_quoted(name)}>{_text(_value(value))}</attribute>\n"
        for name, value in attributes.items()
    )
    return "".join(
        f"<{tag}{_fields({**common, **fields})}>\n{inner}</{tag}>\n" for tag, fields in shapes
    )


def _shapes(
    annotation: Record, size_hw: tuple[int, int], tolerance: float
) -> list[tuple[str, dict[str, Any]]]:
    """The elements of an object, each with its geometry."""
    if not has_mask(annotation):
        box = box_of(annotation, size_hw)
        if box is None:
            return []
        corners = (box[0], box[1], box[0] + box[2], box[1] + box[3])
        names = ("xtl", "ytl", "xbr", "ybr")
        return [("box", dict(zip(names, map(_number, corners), strict=True)))]
    single = len(polygons_of(annotation)) == 1
    found = rings_or_mask(annotation, size_hw, tolerance) if tolerance or single else None
    if isinstance(found, list):
        return [("polygon", {"points": _points(ring)}) for ring in found]
    mask = found or mask_of(annotation, size_hw)
    crop = mask.crops[0]
    if not crop.size:
        return []
    edges = np.flatnonzero(np.diff(crop.ravel(), prepend=False))
    runs = np.diff(edges, prepend=0, append=crop.size)
    top, left = mask.offsets_yx[0].tolist()
    fields = {"left": left, "top": top, "width": crop.shape[1], "height": crop.shape[0]}
    return [("mask", {"rle": ", ".join(map(str, runs.tolist())), **fields})]


def _points(ring: Loop) -> str:
    return ";".join([f"{_number(x)},{_number(y)}" for x, y in ring.tolist()])


def _number(value: float) -> str:
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _fields(values: Mapping[str, Any]) -> str:
    return "".join(f" {name}={_quoted(value)}" for name, value in values.items())


def _quoted(value: Any) -> str:
    return quoteattr(str(value).translate(_NOT_IN_XML))


def _text(value: Any) -> str:
    return escape(str(value).translate(_NOT_IN_XML))
