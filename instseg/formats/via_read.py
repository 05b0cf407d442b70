"""Reads one file of VGG Image Annotator."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from instseg.core.events import told
from instseg.files.coco_records import score_of
from instseg.files.photo_header import photo_size
from instseg.formats.bridges import unbridged
from instseg.formats.drawn import Drawn, add_objects
from instseg.formats.format import Reading
from instseg.formats.found_photos import find_photos, plain_name
from instseg.formats.labels import Builder, Labels, Record
from instseg.formats.rings import Loop, ellipse
from instseg.formats.shapes import of_rings, size_of
from instseg.formats.splits import split_in
from instseg.formats.via_files import Values, ViaFile, ViaPhoto, ViaRegion, read_via

CLASS = "class"
NO_CLASSES = ("", "undefined")
NOT_CLASSES = ("score", "track_id")

_CLASS_NAMES = (CLASS, "label", "name", "type", "category", "class_name", "object")
_CHOICES = ("dropdown", "radio", "checkbox")
_NO_OBJECTS = ("point", "polyline", "line")
_ONE_CLASS = "object"


def read_file(file: Path, reading: Reading, seen: set[tuple[Path, str]]) -> Labels:
    """Read a file; its photos are beside it, or in the folder that the user gave.

    Args:
        file: The file.
        reading: How.
        seen: Photos of files before, by folder and name, which are left out; this file's are added.

    Raises:
        InputError: It is not of the tool.
    """
    found = read_via(file)
    folder = reading.images or file.parent
    builder = Builder()
    for line in found.broken:
        words = "lines with a cell that is not JSON, as VIA writes: left out"
        builder.note(words, f"{file.name}, line {line}")
    photos = []
    for photo in found.photos:
        key = (file.parent, photo.name)
        if key in seen:
            builder.note("photos that are in a file before: left out here", file.name)
        else:
            seen.add(key)
            photos.append(photo)
    files = find_photos(folder, [photo.name for photo in photos])
    builder.photos = folder if files else reading.images
    attribute = _class_attribute(found, builder, file.name)
    for name in _declared_classes(found, attribute):
        builder.category(name)
    for photo in told(photos, reading.on_event, "reading labels"):
        own = files.get(photo.name)
        size = (photo_size(folder, own) if own else None) or _stated(photo)
        if size is None:
            builder.note("photos that are not found, whose size is needed: left out", photo.name)
            continue
        split = split_in(str(photo.attributes.get("split") or ""))
        image = builder.image(own or plain_name(photo.name), size, split=split)
        shapes = _drawn(photo, image, attribute, found.declared, builder)
        add_objects(builder, image, shapes, photo.name)
    return builder.labels()


def _stated(photo: ViaPhoto) -> tuple[int, int] | None:
    """The size among the photo's own attributes, as instseg writes it."""
    size = [str(photo.attributes.get(side) or "") for side in ("width", "height")]
    if all(side.isdecimal() and 0 < int(side) < 1e6 for side in size if len(side) < 9):
        return (int(size[0]), int(size[1])) if all(size) else None
    return None


def _class_attribute(found: ViaFile, builder: Builder, where: str) -> str | None:
    """The attribute of regions that is the class; None if they have none.

    One of a telling name, else the only one, else the only one with a list of choices, else the
    first, which is then told.
    """
    names = dict.fromkeys(found.declared)
    for photo in found.photos:
        for region in photo.regions:
            names.update(dict.fromkeys(region.attributes))
    folded = {name.strip().casefold(): name for name in reversed(names)}
    for wanted in _CLASS_NAMES:
        if wanted in folded:
            return folded[wanted]
    others = [name for name in names if name not in NOT_CLASSES]
    if len(others) < 2:
        return others[0] if others else None
    choices = [name for name in others if _type_of(found.declared, name) in _CHOICES]
    chosen = choices[0] if len(choices) == 1 else others[0]
    builder.note(f"several attributes of regions, of which {chosen!r} is read as the class", where)
    return chosen


def _type_of(declared: Values, name: str) -> str:
    entry = declared.get(name)
    return str(entry.get("type") or "") if isinstance(entry, dict) else ""


def _options(declared: Values, attribute: str | None) -> Values:
    """The choices of an attribute: what each means, by its id."""
    entry = declared.get(attribute or "")
    options = entry.get("options") if isinstance(entry, dict) else None
    return options if isinstance(options, dict) else {}


def _declared_classes(found: ViaFile, attribute: str | None) -> list[str]:
    options = _options(found.declared, attribute)
    return [name for key in options if (name := _meant(key, options))]


def _meant(value: Any, options: Values) -> str:
    """The class of a choice; of an id that is a mere number, what it means."""
    text = str(value).strip()
    meaning = options.get(text)
    return meaning.strip() or text if text.isdecimal() and isinstance(meaning, str) else text


def _label(
    region: ViaRegion, attribute: str | None, options: Values, builder: Builder, where: str
) -> str:
    """The class of a region.

    Raises:
        ValueError: It has none, in the plural.
    """
    if attribute is None:
        builder.note(f"regions without attributes: read as the class {_ONE_CLASS!r}", where)
        return _ONE_CLASS
    value = region.attributes.get(attribute)
    if isinstance(value, dict):  # checkboxes
        chosen = [key for key, is_on in value.items() if is_on and is_on != "false"]
        if len(chosen) > 1:
            builder.note("regions of several classes, of which the first is read", where)
        value = chosen[0] if chosen else None
    name = "" if value is None else _meant(value, options)
    if name in NO_CLASSES:
        raise ValueError(f"regions without a value of {attribute!r}, the class")
    return name


def _drawn(
    photo: ViaPhoto, image: Record, attribute: str | None, declared: Values, builder: Builder
) -> Iterator[Drawn]:
    """The regions of a photo; what is no object, and what is broken, is noted."""
    options = _options(declared, attribute)
    for number, region in enumerate(photo.regions):
        try:
            geometry = _geometry(region.shape, size_of(image))
            label = _label(region, attribute, options, builder, photo.name)
        except (ValueError, KeyError, TypeError, OverflowError) as problem:
            words = str(problem) if type(problem) is ValueError else "regions that are broken"
            builder.note(f"{words}: left out", photo.name)
            continue
        more = _more(region, attribute)
        for each in geometry:
            yield Drawn(label=label, group=number, more=more, **each)


def _geometry(shape: Values, size_hw: tuple[int, int]) -> list[dict[str, Any]]:
    """The box, rings or RLE of a region."""
    kind = shape.get("name")
    if kind in _NO_OBJECTS:
        raise ValueError("points and lines, which are no objects")
    if kind == "polygon":
        x, y = _numbers(shape["all_points_x"]), _numbers(shape["all_points_y"])
        if len(x) != len(y):
            raise ValueError("polygons with more numbers for x than for y, or fewer")
        points = np.stack([x, y], axis=1)
        if len(points) < 3:
            raise ValueError("polygons of fewer than 3 points")
        return _rings(points, size_hw)
    if kind == "rect":
        keys = ("x", "y", "width", "height")
        left, top, width, height = _numbers([shape[key] for key in keys]).tolist()
        return [{"box": (left, top, left + width, top + height)}]
    if kind in ("circle", "ellipse"):
        keys = ("cx", "cy", "r", "r") if kind == "circle" else ("cx", "cy", "rx", "ry")
        cx, cy, rx, ry = _numbers([shape[key] for key in keys]).tolist()
        theta = float(_numbers([shape.get("theta") or 0])[0])
        return [{"ring": ellipse((cx, cy), (rx, ry), math.degrees(theta))}]
    raise ValueError(f"regions of a shape that is not known, {str(kind)[:40]!r}")


def _rings(points: Loop, size_hw: tuple[int, int]) -> list[dict[str, Any]]:
    """A polygon; of one with bridges, its parts, or its RLE if it has holes."""
    rings = unbridged(points)
    if len(rings) == 1:
        return [{"ring": rings[0]}]
    outline = of_rings(rings, size_hw)
    if isinstance(outline, list):
        return [{"ring": np.array(ring).reshape(-1, 2)} for ring in outline]
    return [{"rle": outline}]


def _numbers(values: Iterable[Any]) -> Loop:
    try:
        numbers = np.array(list(values), dtype=np.float64)
    except ValueError:
        raise ValueError("regions with coordinates that are no numbers") from None
    if not np.isfinite(numbers).all():
        raise ValueError("regions with NaN or infinity")
    return numbers


def _more(region: ViaRegion, attribute: str | None) -> dict[str, Any]:
    """Score, track and attributes of a region."""
    own = {
        name: value
        for name, value in region.attributes.items()
        if name != attribute and value not in ("", None)
    }
    more: dict[str, Any] = {}
    if (score := score_of(own.get("score"))) is not None:
        more["score"] = score
        del own["score"]
    if str(own.get("track_id")).isdecimal():
        more["track_id"] = int(own.pop("track_id"))
    return {**more, "attributes": own or None}
