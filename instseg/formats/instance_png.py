"""Masks of instances: a PNG of the number of the object at each pixel for each photo."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from instseg.core.errors import InputError
from instseg.core.events import told
from instseg.files.image_writing import write_image
from instseg.formats.class_tables import find_table, given_table
from instseg.formats.format import Format, Reading, Writing
from instseg.formats.instance_tables import (
    TABLE,
    Instance,
    Instances,
    read_beside,
    read_table,
    write_table,
)
from instseg.formats.labels import Builder, Labels, Record
from instseg.formats.mask_layout import first_masks, is_converted, numbers_of, stored_masks
from instseg.formats.one_mask_each import groups_of, read_groups
from instseg.formats.painting import Region, painted, regions
from instseg.formats.photo_names import copy_photos, photo_names
from instseg.formats.shapes import size_of

_MOST = 2**16 - 1
_SCHEME = 1000  # an object's number may be so many times its class, and its own
_DEEP = ("I", "F")  # how Pillow's names of pictures of 16 and 32 bits begin
_SEVERAL = ("_masks", "_instances")


def recognises(path: Path) -> bool:
    """Whether a folder has instances.csv, a folder for each photo, or masks of 16 bits."""
    try:
        if not path.is_dir():
            return False
        if (path / TABLE).is_file():
            return bool(read_table(path))
        if is_converted(path):
            return False
        if groups_of(path):
            return True
        masks = first_masks(path)
    except (InputError, OSError):
        return False
    return bool(masks) and all(
        stored.mode.startswith(_DEEP) or stem.lower().endswith(_SEVERAL) for stem, stored in masks
    )


def read(path: Path, reading: Reading) -> Labels:
    """Read a folder.

    Raises:
        InputError: There are no masks, or the table of classes cannot be read.
    """
    if not path.is_dir():
        raise InputError(f"{path}: masks are read as a folder; give theirs")
    builder = Builder(photos=reading.images or path)
    given = given_table(reading.values).names
    names = {n: name for n, name in (given or find_table(path).names).items() if n > 0}
    groups = groups_of(path)
    if groups:
        only = next(iter(names.values())) if len(names) == 1 else "object"
        read_groups(path, groups, builder, only, reading)
    else:
        for number, name in names.items():
            builder.category(name, number)
        table = read_table(path)
        for image, file, stored in stored_masks(path, builder, reading):
            place = file.relative_to(path).as_posix()
            listed = table.get(place) or read_beside(file)
            _add(builder, image, dict(regions(numbers_of(stored))), listed, names)
    found = builder.labels()
    if not found.images:
        raise InputError(
            f"{path}: no masks can be read{f': {found.notes[0]}' if found.notes else ''}"
        )
    if len({each["id"] for each in found.annotations}) < len(found.annotations):
        for number, each in enumerate(found.annotations, start=1):
            each["id"] = number
    return found


def _add(
    builder: Builder,
    image: Record,
    found: dict[int, Region],
    listed: Instances,
    names: dict[int, str],
) -> None:
    """Add the objects of a mask: those of a table, else by number and class, else of one class."""
    size_hw = (image["height"], image["width"])
    for number, each in listed.items():
        if number not in found:
            where = f"{image['file_name']}, number {number}"
            builder.note("objects without pixels: left out", where)
            continue
        record = found.pop(number).record(size_hw) | each.fields()
        builder.annotation(image, builder.category(each.name), **record)
    in_scheme = (len(names) > 1 or not names) and bool(found) and min(found) >= _SCHEME
    in_scheme |= len(names) > 1 and not listed and {*found} <= _possible(found, names)
    for number, region in found.items():
        record = region.record(size_hw)
        if listed:
            builder.note("numbers that are not in the table: left out", image["file_name"])
            continue
        if not in_scheme:
            name = next(iter(names.values())) if len(names) == 1 else "object"
        else:
            of_class = number // _SCHEME if number >= _SCHEME else number
            name = names.get(of_class, f"class {of_class}")
            record["iscrowd"] = int(number < _SCHEME)
        builder.annotation(image, builder.category(name), **record)


def _possible(found: dict[int, Region], names: dict[int, str]) -> set[int]:
    """The numbers that are of a class: 1000 times that and the object's own, or that alone."""
    return {n for n in found if (n // _SCHEME if n >= _SCHEME else n) in names}


def write(labels: Labels, folder: Path, writing: Writing) -> None:
    """Write masks/, instances.csv and, if photos are copied, images/; the smaller is in front."""
    names, objects = photo_names(labels), labels.by_image()
    class_names, notes = labels.class_names(), writing.notes
    if writing.copy_photos:
        copy_photos(labels, folder, writing)
    stuff = {each["id"] for each in labels.categories if each.get("isthing", 1) == 0}
    table: dict[str, Instances] = {}
    for image in told(labels.images, writing.on_event, "writing masks"):
        own = objects[image["id"]]
        seen = painted(own, size_of(image), notes, stuff=stuff)
        rows: Instances = {}
        numbers = []
        for each, region in zip(own, seen.regions, strict=True):
            fits = region is not None and len(rows) < _MOST
            words = f"objects beyond {_MOST:,} of a photo: left out"
            notes.add(words, f"id {each['id']}", int(region is not None and not fits))
            numbers.append(len(rows) + 1 if fits else 0)
            if fits:
                rows[len(rows) + 1] = Instance.of(each, class_names[each["category_id"]])
        name = PurePosixPath(names[image["id"]]).with_suffix(".png").as_posix()
        place = "/".join(part for part in ("masks", image.get("split"), name) if part)
        write_image(folder / place, seen.numbered(numbers).astype(np.uint16), photo=True)
        table[place] = rows
    write_table(folder, table)


FORMAT = Format(
    name="instance-png",
    title="masks of instances",
    recognises=recognises,
    read=read,
    write=write,
    loses={"boxes": "left out", "attributes": "not written"},
)
