"""The XML files of Pascal VOC, and of the tools that write their own kinds of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from instseg.core.errors import InputError
from instseg.files.image import MAX_PIXELS
from instseg.files.xml_file import read_xml
from instseg.formats.labels import Record
from instseg.formats.notes import Notes
from instseg.formats.shapes import Loop

STANDARD = "PASCAL VOC"  # how `annotation` begins where boxes are VOC's own
_FLAGS = ("truncated", "difficult", "occluded")
_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, kw_only=True)
class VocObject:
    """An object.

    Attributes:
        name: Of its class, with blanks around it, which may belong to it.
        corners: xmin, ymin, xmax, ymax as they are written; None without a box.
        rings: Polygons, (K, 2) each, of tools that write them.
        attributes: `pose`, `truncated`, `difficult`, `occluded` where they say something, parts
            of a body, and what CVAT adds.
    """

    name: str
    corners: tuple[float, float, float, float] | None
    rings: tuple[Loop, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class VocFile:
    """An XML file.

    Attributes:
        filename: Of the photo, without folders; "" if it is missing.
        size_wh: Of the photo; None if it is missing, zero or impossible.
        is_standard: Whether it says that its boxes are VOC's.
        is_shifted: Whether its boxes look like coordinates from 0: floats, or zeros.
        objects: In order.
    """

    filename: str
    size_wh: tuple[int, int] | None
    is_standard: bool
    is_shifted: bool
    objects: tuple[VocObject, ...]


def read_voc(path: Path, notes: Notes) -> VocFile:
    """Read an XML file; objects without a class or place are left out and noted.

    Raises:
        InputError: It is no XML, or of another tool.
    """
    root = read_xml(path)
    if root.tag != "annotation":
        raise InputError(f"{path}: begins with {root.tag!r:.40}, so it is not of Pascal VOC")
    found, floats, zeros, boxes = [], 0, False, 0
    for each in root.iter("object"):
        name = each.findtext("name") or ""
        rings = _rings(each)
        texts = _corners(each)
        corners = _numbers(texts)
        if not name.strip() or (corners is None and not rings):
            notes.add("objects without a class, a box or finite numbers: left out", path)
            continue
        if corners is not None:
            boxes += 1
            floats += any("." in text for text in texts)
            zeros |= corners[0] == 0 or corners[1] == 0
        found.append(
            VocObject(name=name, corners=corners, rings=rings, attributes=_attributes(each))
        )
    return VocFile(
        filename=_text(root, "filename").replace("\\", "/").rpartition("/")[2],
        size_wh=_size(root),
        is_standard=_text(root, "source/annotation").startswith(STANDARD),
        is_shifted=zeros or 2 * floats > boxes,
        objects=tuple(found),
    )


def to_box(corners: Sequence[float], *, shifted: bool) -> list[float]:
    """x, y, width, height of a box. VOC's pixels count from 1, and the last is inside."""
    x0, x1 = sorted((corners[0], corners[2]))
    y0, y1 = sorted((corners[1], corners[3]))
    first = 0 if shifted else 1
    return [x0 - first, y0 - first, x1 - x0 + first, y1 - y0 + first]


def xml_text(
    filename: str, size_hw: tuple[int, int], objects: Iterable[tuple[Record, str]], segmented: bool
) -> str:
    """An XML file as VOC's own.

    Args:
        filename: Of the photo.
        size_hw: Of the photo.
        objects: Records with a box, and the names of their classes.
        segmented: Whether there are masks.
    """
    root = Element("annotation")
    _add(root, "folder", "JPEGImages")
    _add(root, "filename", filename)
    source = SubElement(root, "source")
    _add(source, "database", "instseg")
    _add(source, "annotation", f"{STANDARD}2012")
    size = SubElement(root, "size")
    for tag, number in zip(("width", "height", "depth"), (*size_hw[::-1], 3), strict=True):
        _add(size, tag, str(number))
    _add(root, "segmented", str(int(segmented)))
    for record, name in objects:
        _add_object(root, record, name)
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def _add_object(root: Element, record: Record, name: str) -> None:
    attributes = dict(record.get("attributes") or {})
    parts = attributes.get("parts")
    is_parts = isinstance(parts, list) and all(
        isinstance(part, dict) and {*part} == {"name", "bbox"} for part in parts
    )
    each = SubElement(root, "object")
    _add(each, "name", name)
    pose = attributes.get("pose")
    if isinstance(pose, str) and pose not in ("", "Unspecified"):
        del attributes["pose"]
        _add(each, "pose", pose)
    else:
        _add(each, "pose", "Unspecified")
    for flag in _FLAGS:
        is_set = attributes.get(flag) in (True, 1)
        if is_set:
            del attributes[flag]
        _add(each, flag, str(int(is_set)))
    _add_box(each, record["bbox"])
    for part in attributes.pop("parts") if is_parts else ():
        element = SubElement(each, "part")
        _add(element, "name", str(part["name"]))
        _add_box(element, part["bbox"])
    if attributes:
        listed = SubElement(each, "attributes")
        for key, value in attributes.items():
            element = SubElement(listed, "attribute")
            _add(element, "name", str(key))
            _add(element, "value", _as_text(value))


def _add_box(parent: Element, box_xywh: Sequence[float]) -> None:
    x, y, width, height = box_xywh
    box = SubElement(parent, "bndbox")
    for side, value in zip(_SIDES, (x + 1, y + 1, x + width, y + height), strict=True):
        _add(box, side, f"{value:.3f}".rstrip("0").rstrip("."))


def _add(parent: Element, tag: str, text: str) -> None:
    whole = "".join(c if c in "\t\n" or c >= " " else " " for c in text)  # XML has no others
    SubElement(parent, tag).text = whole


def _as_text(value: Any) -> str:
    """A value as text that `_value` reads as the same."""
    if isinstance(value, str) and _value(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text if isinstance(value, float) and not math.isfinite(value) else value


def _attributes(element: Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in element.findall("attributes/attribute"):
        if name := _text(each, "name"):
            found[name] = _value(_text(each, "value"))
    pose = _text(element, "pose")
    if pose and pose.lower() != "unspecified":
        found["pose"] = pose
    for flag in _FLAGS:
        if _text(element, flag).lower() in ("1", "true", "yes"):
            found[flag] = True
    parts = []
    for part in element.findall("part"):
        corners = _numbers(_corners(part))
        if corners is not None:
            parts.append({"name": _text(part, "name"), "bbox": to_box(corners, shifted=False)})
    return found | ({"parts": parts} if parts else {})


def _corners(element: Element) -> list[str]:
    return [_text(element, f"bndbox/{side}") for side in _SIDES]


def _numbers(texts: Sequence[str]) -> tuple[float, float, float, float] | None:
    try:
        x0, y0, x1, y1 = map(float, texts)
    except ValueError:
        return None
    return (x0, y0, x1, y1) if all(map(math.isfinite, (x0, y0, x1, y1))) else None


def _rings(element: Element) -> tuple[Loop, ...]:
    """Polygons of Roboflow, `x1 y1 x2 y2`, and of the first LabelMe, `pt` with `x` and `y`."""
    found = []
    for polygon in element.findall("polygon"):
        points = [(_text(point, "x"), _text(point, "y")) for point in polygon.findall("pt")]
        count = 1
        while polygon.find(f"x{count}") is not None:
            points.append((_text(polygon, f"x{count}"), _text(polygon, f"y{count}")))
            count += 1
        try:
            ring = np.array(points, dtype=np.float64).reshape(-1, 2)
        except ValueError:
            continue
        if len(ring) > 2 and np.isfinite(ring).all():
            found.append(ring)
    return tuple(found)


def _size(root: Element) -> tuple[int, int] | None:
    try:
        width, height = (int(float(_text(root, f"size/{side}"))) for side in ("width", "height"))
    except (ValueError, OverflowError):
        return None
    return (width, height) if min(width, height) > 0 and width * height <= MAX_PIXELS else None


def _text(element: Element, path: str) -> str:
    return (element.findtext(path) or "").strip()
