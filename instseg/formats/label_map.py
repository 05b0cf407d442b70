"""Label maps: a PNG of the class of each pixel for each photo, grey, indexed or in colours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.events import told
from instseg.files.image_writing import write_image, write_indexed_png
from instseg.files.stored_values import Stored
from instseg.formats.class_tables import (
    VOID,
    ClassTable,
    by_palette,
    find_table,
    given_table,
    is_nothing,
    voc_colours,
)
from instseg.formats.format import Format, Reading, Writing
from instseg.formats.labels import Builder, Labels
from instseg.formats.mask_layout import first_masks, numbers_of, stored_masks
from instseg.formats.painting import painted, regions
from instseg.formats.photo_names import copy_photos, photo_names
from instseg.formats.shapes import size_of

_MOST = 2**16


def recognises(path: Path) -> bool:
    """Whether a folder has masks of numbers, or of the colours of a table."""
    try:
        if not path.is_dir() or not (masks := first_masks(path)):
            return False
        return all(stored.values.ndim == 2 for _, stored in masks) or bool(find_table(path))
    except (InputError, OSError):
        return False


def read(path: Path, reading: Reading) -> Labels:
    """Read a folder; each connected part of a class becomes an object.

    Raises:
        InputError: It is not said what the values mean, or there are no masks.
    """
    if not path.is_dir():
        raise InputError(f"{path}: label maps are read as a folder; give theirs")
    table = given_table(reading.values) or find_table(path)
    if not table:
        raise InputError(
            f"{path}: is it masks of classes? Say what each value means, with instseg convert "
            "--values 1=cat,2=dog or a file classes.csv of id,name beside them; masks of single "
            "objects are read with --from-format instance-png"
        )
    builder = Builder(photos=reading.images or path)
    source_ids: dict[int, int] = {}
    for value, name in sorted((table.names or table.colours).items()):
        if not is_nothing(name):
            is_number = table.names is not table.colours or value < _MOST
            number = builder.category(name, value if value > 0 and is_number else None)
            source_ids.setdefault(number, value)
    for image, file, stored in stored_masks(path, builder, reading):
        numbers, names = _meaning(stored, table)
        for value, region in regions(numbers.astype(np.int32) + 1).items():  # 0 may be a class
            meaning = names.get(value - 1)
            if meaning is None and value - 1 not in (0, VOID):
                builder.note("values of no class: left out", f"{file.name}, value {value - 1}")
            if meaning is None or is_nothing(meaning):
                continue
            for part in region.parts():
                record = part.record((image["height"], image["width"]))
                builder.annotation(image, builder.category(meaning), **record)
    found = builder.labels()
    if not found.images:
        raise InputError(
            f"{path}: no masks can be read{f': {found.notes[0]}' if found.notes else ''}"
        )
    return Labels(
        document=found.document, photos=found.photos, notes=found.notes, source_ids=source_ids
    )


def _meaning(
    stored: Stored, table: ClassTable
) -> tuple[NDArray[np.integer[Any]], Mapping[int, str]]:
    """The number of each pixel, and the names of the numbers."""
    numbers = numbers_of(stored)
    if stored.values.ndim == 3 and stored.values.shape[2] > 2:
        return numbers, table.colours
    names = by_palette(stored, table)
    return numbers, table.names if names is None else names


def write(labels: Labels, folder: Path, writing: Writing) -> dict[int, int]:
    """Write masks/, and images/ if photos are copied; the smaller object is in front.

    Returns:
        The value of each category id: the id itself, if all of them fit 8 bits.
    """
    values = _values(sorted(labels.class_names()))
    names, objects = photo_names(labels), labels.by_image()
    if writing.copy_photos:
        copy_photos(labels, folder, writing)
    stuff = {each["id"] for each in labels.categories if each.get("isthing", 1) == 0}
    notes = writing.notes
    for image in told(labels.images, writing.on_event, "writing masks"):
        own = objects[image["id"]]
        seen = painted(own, size_of(image), notes, stuff=stuff)
        pixels = seen.numbered(
            [VOID if each.get("iscrowd") else values[each["category_id"]] for each in own]
        )
        name = PurePosixPath(names[image["id"]]).with_suffix(".png")
        file = folder / "masks" / (image.get("split") or "") / name
        if max(values.values(), default=0) < VOID:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_indexed_png(file, pixels.astype(np.uint8), voc_colours())
        else:
            write_image(file, pixels.astype(np.uint16), photo=True)
    return values


def _values(ids: list[int]) -> dict[int, int]:
    if all(0 < each < VOID for each in ids):
        return {each: each for each in ids}
    free = (value for value in range(1, _MOST) if value != VOID)
    return dict(zip(ids, free, strict=False))


FORMAT = Format(
    name="label-map",
    title="label maps",
    recognises=recognises,
    read=read,
    write=write,
    loses={
        "masks": "those of a class that touch are one when they are read",
        "boxes": "left out",
        "parts": "each is an object when it is read",
        "crowds": "written as 255, which is ignored",
        "scores": "not written",
        "ids": "numbered anew by their place",
        "attributes": "not written",
        "tracks": "not written",
    },
    no_class=is_nothing,
)
