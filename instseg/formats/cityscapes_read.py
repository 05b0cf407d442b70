"""Reads Cityscapes: the numbers of objects where there are any, else the polygons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from instseg.core.errors import InputError
from instseg.core.events import told
from instseg.files.coco_json import read_document
from instseg.files.image import MAX_PIXELS
from instseg.files.near_names import files_under
from instseg.files.stored_values import read_stored
from instseg.formats.bridges import unbridged
from instseg.formats.cityscapes_classes import (
    NAMES,
    NOTHING,
    PER_CLASS,
    THINGS,
    class_and_crowd,
)
from instseg.formats.class_tables import find_table, is_nothing
from instseg.formats.format import Reading
from instseg.formats.labels import Builder, Labels, Record
from instseg.formats.painting import painted, regions
from instseg.formats.photo_index import PhotoIndex, is_photo
from instseg.formats.photo_names import is_size_of
from instseg.formats.shapes import of_rings
from instseg.formats.splits import split_in

INSTANCES = "_instanceIds.png"
POLYGONS = "_polygons.json"
PHOTO = "_leftImg8bit"
_KINDS = ("_gtFine", "_gtCoarse")
_TOPS = ("gtFine", "gtCoarse")
_OTHERS = ("_labelIds.png", "_labelTrainIds.png", "_instanceTrainIds.png", "_color.png")

Place = tuple[str, str]
"""The folders of a photo below gtFine, and its name without suffix."""


@dataclass(kw_only=True)
class _Collected:
    """What is read: `unsure` are objects without a number of their own: crowds, or stuff."""

    builder: Builder
    names: Mapping[int, str]
    known: frozenset[str]
    things: set[str] = field(default_factory=set)
    unsure: list[Record] = field(default_factory=list)

    def add(self, image: Record, name: str, record: Record, *, is_thing: bool) -> None:
        number = next((n for n, own in self.names.items() if own == name), None)
        category = self.builder.category(name, number)
        added = self.builder.annotation(image, category, **record)
        if is_thing:
            self.things.add(name)
        else:
            self.unsure.append(added)

    def labels(self) -> Labels:
        """The labels, with what is stuff and what a crowd."""
        found = self.builder.labels()
        things = self.things | THINGS
        for category in found.categories:
            category["isthing"] = int(category["name"] in things)
        is_thing = {each["id"]: each["isthing"] for each in found.categories}
        for each in self.unsure:
            each["iscrowd"] = is_thing[each["category_id"]]
        return found


def read(path: Path, reading: Reading) -> Labels:
    """Read a folder, or one file of labels.

    Raises:
        InputError: Nothing of it can be read.
    """
    root = path if path.is_dir() else path.parent
    files = files_under(root)
    chosen = files if path.is_dir() else [path.name]
    labels = [f for f in chosen if f.endswith((INSTANCES, POLYGONS))]
    photos, index = _photos(root, files, reading)
    listed = find_table(root).names.items()  # beyond Cityscapes' numbers, any name is a class
    table = {n: name for n, name in listed if n >= len(NAMES) or not is_nothing(name)}
    names = table or {n: name for n, name in enumerate(NAMES) if name not in NOTHING}
    found = _Collected(
        builder=Builder(photos=photos),
        names=names,
        known=frozenset({*names.values(), *NOTHING, *(() if table else NAMES)}),
    )
    for place, own in told(list(_by_photo(labels).items()), reading.on_event, "reading labels"):
        try:
            _add_photo(found, root, place, own, index)
        except InputError as error:
            found.builder.note("files that cannot be read: left out with their photos", error)
    if not found.builder.labels().images:
        raise InputError(f"{path}: no labels of Cityscapes can be read; check the path")
    return found.labels()


def _photos(root: Path, files: list[str], reading: Reading) -> tuple[Path, PhotoIndex]:
    """The folder of the photos, which may lie beside gtFine, and what is in it."""
    if reading.images is not None:
        return reading.images, PhotoIndex(files_under(reading.images))
    for folder in [root, *list(root.parents)[:3]]:
        if folder != root and not (folder / "leftImg8bit").is_dir():
            continue
        own = files if folder == root else files_under(folder / "leftImg8bit")
        prefix = "" if folder == root else "leftImg8bit/"
        no_photos = (INSTANCES, *_OTHERS)
        found = [prefix + f for f in own if is_photo(f) and not f.endswith(no_photos)]
        if found:
            return folder, PhotoIndex(found)
    return root, PhotoIndex([])


def _by_photo(labels: list[str]) -> dict[Place, list[str]]:
    """The files of each photo; coarse ones only where there are no fine ones."""
    found: dict[Place, list[str]] = {}
    fine = [file for file in labels if "gtCoarse" not in file]
    for file in fine or labels:
        folders = [part for part in PurePosixPath(file).parent.parts if part not in _TOPS]
        stem = PurePosixPath(file).name.removesuffix(INSTANCES).removesuffix(POLYGONS)
        for kind in _KINDS:
            stem = stem.removesuffix(kind)
        found.setdefault(("/".join(folders), stem), []).append(file)
    return found


def _add_photo(
    found: _Collected, root: Path, place: Place, files: list[str], index: PhotoIndex
) -> None:
    folders, stem = place
    tops = ("leftImg8bit", "imgsFine/leftImg8bit", "")
    paths = [f"{top}/{folders}/{stem}{end}" for top in tops for end in (PHOTO, "")]
    photo = index.find(paths, [f"{stem}{PHOTO}", stem])
    by_numbers = [file for file in files if file.endswith(INSTANCES)]
    source = root / (by_numbers or files)[0]
    if by_numbers:
        numbers = read_stored(source).values
        if numbers.ndim != 2:
            raise InputError(f"{source}: has colours, not numbers; export it again")
        size = (numbers.shape[1], numbers.shape[0])
    else:
        document = read_document(source)
        size = _size_of(document, source)
    if photo and not is_size_of(found.builder.photos or root, photo, size):
        words = "labels of another size than their photo: left out with it"
        found.builder.note(words, source.name)
        return
    split = split_in(folders) or split_in(PurePosixPath(files[0]).parent.as_posix())
    image = found.builder.image(photo or f"{stem}{PHOTO}.png", size, split=split)
    if by_numbers:
        _add_numbers(found, image, numbers)
    else:
        _add_polygons(found, image, document, source)


def _add_numbers(found: _Collected, image: Record, numbers: Any) -> None:
    """Add objects, whose numbers are from 1000, and stuff and crowds, whose are of their class."""
    size_hw = (image["height"], image["width"])
    for value, region in regions(numbers).items():
        number = value // PER_CLASS if value >= PER_CLASS else value
        name = found.names.get(number)
        if name is None:
            if number < len(NAMES) and NAMES[number] in NOTHING:
                continue
            name = f"class {number}"
            found.builder.note("objects of a class without a name, which gets its number", name)
        found.add(image, name, region.record(size_hw), is_thing=value >= PER_CLASS)


def _size_of(document: Any, source: Path) -> tuple[int, int]:
    try:
        size = int(document["imgWidth"]), int(document["imgHeight"])
        if not isinstance(document["objects"], list):
            raise ValueError("no objects")
        if min(size) < 1 or size[0] * size[1] > MAX_PIXELS:
            raise ValueError("no possible size")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{source}: not of Cityscapes' form ({error!r})") from error
    return size


def _add_polygons(found: _Collected, image: Record, document: Any, source: Path) -> None:
    """Add polygons, the later in front; those of no class hide what is behind them."""
    size_hw = (image["height"], image["width"])
    shapes: list[Record] = []
    for n, each in enumerate(document["objects"]):
        label = each.get("label") if isinstance(each, dict) else None
        if not isinstance(label, str) or each.get("deleted") or label == "license plate":
            continue
        try:
            ring = np.asarray(each.get("polygon"), dtype=np.float64)
            if ring.ndim != 2 or ring.shape[1] != 2 or not np.isfinite(ring).all():
                raise ValueError("no polygon")
            outline = of_rings(unbridged(ring), size_hw)
        except (TypeError, ValueError):
            words = "objects without a polygon: left out"
            found.builder.note(words, f"{source.name}, object {n + 1}")
            continue
        name, is_crowd = class_and_crowd(label, found.known)
        shapes.append({"id": n + 1, "name": name, "segmentation": outline, "iscrowd": is_crowd})
    seen = painted(shapes, size_hw, found.builder.notes, front="later")
    for each, region in zip(shapes, seen.regions, strict=True):
        if region is not None and each["name"] not in NOTHING:
            is_stuff = each["name"] in NAMES and each["name"] not in THINGS
            more = region.record(size_hw)
            found.add(image, each["name"], more, is_thing=not each["iscrowd"] and not is_stuff)
            if each["iscrowd"]:
                found.things.add(each["name"])
