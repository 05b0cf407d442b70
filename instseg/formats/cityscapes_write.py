"""Writes Cityscapes: polygons, the numbers of objects, and those of classes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.events import told
from instseg.files.image_writing import write_image
from instseg.formats.cityscapes_classes import MOST_CLASSES, NAMES, NOTHING, PER_CLASS
from instseg.formats.format import Writing
from instseg.formats.labels import Labels, Record
from instseg.formats.notes import Notes
from instseg.formats.painting import Painted, painted
from instseg.formats.photo_names import photo_names, place_photo
from instseg.formats.shapes import ring_of, size_of

_PHOTO = "_leftImg8bit"


def write(labels: Labels, folder: Path, writing: Writing) -> dict[int, int]:
    """Write gtFine/SPLIT/CITY and leftImg8bit/SPLIT/CITY; the city is the photo's own folder.

    Returns:
        The number of each category id: Cityscapes' own where a class has its name.
    """
    numbers = _class_numbers(labels)
    in_png = max(numbers.values(), default=0) < MOST_CLASSES
    stuff = {each["id"] for each in labels.categories if each.get("isthing", 1) == 0}
    names, objects = photo_names(labels), labels.by_image()
    class_names, notes = labels.class_names(), writing.notes
    if not in_png:
        words = f"classes, for which 16 bits are too few beyond {MOST_CLASSES - 1}"
        notes.add(f"{words}: written as polygons only", "", len(numbers))
        lost = sum(class_names[each["category_id"]] in NOTHING for each in labels.annotations)
        notes.add("objects of classes that do not count there: left out on reading", "", lost)
    for image in told(labels.images, writing.on_event, "writing labels"):
        name = PurePosixPath(names[image["id"]])
        city = "_".join(name.parent.parts) or "photos"
        place = f"{image.get('split') or 'train'}/{city}/{name.stem.removesuffix(_PHOTO)}"
        own = objects[image["id"]]
        seen = painted(own, size_of(image), notes, stuff=stuff)
        content = {
            "imgHeight": image["height"],
            "imgWidth": image["width"],
            "objects": _polygons(own, seen, size_of(image), class_names, writing.tolerance),
        }
        target = folder / "gtFine" / f"{place}_gtFine_polygons.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(content), encoding="utf-8")
        if in_png:
            values = _object_numbers(own, seen, numbers, stuff, notes)
            pixels = seen.numbered(values).astype(np.uint16)
            write_image(_png(target, "instanceIds"), pixels, photo=True)
            write_image(_png(target, "labelIds"), _classes_of(pixels), photo=True)
        photo = folder / "leftImg8bit" / f"{place}{_PHOTO}{name.suffix}"
        if not place_photo(labels, image, photo, copy=writing.copy_photos):
            notes.add("photos that are not there, so that only labels were written", name)
    return numbers


def _class_numbers(labels: Labels) -> dict[int, int]:
    """Cityscapes' own number of each category id, or a free one."""
    own = {name: number for number, name in enumerate(NAMES) if name not in NOTHING}
    names = labels.class_names()
    free = count(len(NAMES))
    return {i: own[name] if name in own else next(free) for i, name in sorted(names.items())}


def _object_numbers(
    annotations: Sequence[Record],
    seen: Painted,
    class_numbers: Mapping[int, int],
    stuff: set[int],
    notes: Notes,
) -> list[int]:
    """The number of each object: stuff and crowds have that of their class alone."""
    taken: dict[int, int] = {}
    numbers = []
    for each, region in zip(annotations, seen.regions, strict=True):
        number = class_numbers[each["category_id"]]
        if each.get("iscrowd") or each["category_id"] in stuff:
            if region is not None and -number in taken:
                words = "crowds or stuff of the class of others in their photo: joined with these"
                notes.add(words, f"id {each['id']}")
            taken[-number] = 1
            numbers.append(number)
            continue
        place = taken.get(number, 0)
        if region is not None:
            taken[number] = place + 1
        words = f"objects beyond {PER_CLASS} of a class in a photo: in the polygons only"
        notes.add(words, f"id {each['id']}", int(place >= PER_CLASS))
        numbers.append(number * PER_CLASS + place if place < PER_CLASS else 0)
    return numbers


def _classes_of(numbers: NDArray[Any]) -> NDArray[np.uint8]:
    return np.where(numbers >= PER_CLASS, numbers // PER_CLASS, numbers).astype(np.uint8)


def _polygons(
    annotations: Sequence[Record],
    seen: Painted,
    size_hw: tuple[int, int],
    class_names: Mapping[int, str],
    tolerance: float,
) -> list[dict[str, Any]]:
    """One polygon for each object, from the back to the front; bridges join parts and holes."""
    found = []
    for place in seen.order:
        each = annotations[place]
        ring = ring_of(each, size_hw, tolerance)
        if ring is not None:
            label = class_names[each["category_id"]] + ("group" if each.get("iscrowd") else "")
            polygon = [[round(x, 4), round(y, 4)] for x, y in ring.tolist()]
            found.append({"label": label, "polygon": polygon})
    return found


def _png(polygons: Path, kind: str) -> Path:
    return polygons.with_name(polygons.name.replace("polygons.json", f"{kind}.png"))
