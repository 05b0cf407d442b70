"""Reads Pascal VOC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from instseg.core.boxes import box_ious, corners_of
from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import told
from instseg.files.near_names import files_under
from instseg.files.photo_header import photo_size
from instseg.files.stored_values import read_stored
from instseg.formats.class_tables import (
    VOID,
    ClassTable,
    by_palette,
    find_table,
    is_nothing,
    packed,
    voc_colours,
)
from instseg.formats.format import Reading
from instseg.formats.labels import Builder, Labels, Record
from instseg.formats.painting import Region, regions
from instseg.formats.photo_index import PhotoIndex
from instseg.formats.shapes import of_rings
from instseg.formats.voc_layout import Item, Layout, layout_of
from instseg.formats.voc_xml import VocFile, read_voc, to_box

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa"),
    *("train", "tvmonitor"),
)
_NUMBER_OF = {int(colour): n for n, colour in enumerate(packed(voc_colours()).tolist())}
_SAME_PLACE = 0.5  # what counts, beside the IoU, that an object's number is its place in the XML


@dataclass(frozen=True, kw_only=True)
class _Masks:
    """The objects in the PNG files of a photo, and the class of each, "" if it is unknown."""

    size_hw: tuple[int, int]
    found: Mapping[int, tuple[Region, str]]


def read(path: Path, reading: Reading) -> Labels:
    """Read a folder, or one XML file.

    Raises:
        InputError: Nothing of it can be read.
    """
    layout = layout_of(path)
    photos = reading.images or layout.root
    index = PhotoIndex(layout.photos if reading.images is None else files_under(photos))
    builder = Builder(photos=photos)
    files = _files(layout, builder, reading)
    if not files:
        notes = builder.notes.lines()
        reason = f": {notes[0]}" if notes else "; check the path"
        raise InputError(f"{path}: no XML or PNG file of Pascal VOC can be read{reason}")
    tables = {root: find_table(layout.root / root) for root in {i.root for i, _ in files}}
    files = [(item, file and _named(file, tables[item.root])) for item, file in files]
    shifted = _are_shifted([file for _, file in files if file is not None], builder)
    _add_classes(builder, (file for _, file in files if file), tables.values())
    for item, file in told(files, reading.on_event, "reading labels"):
        _add_photo(builder, layout, item, file, index, tables[item.root], shifted=shifted)
    words = "PNG files of classes, without one of objects: left out; read them as label-map"
    if layout.only_classes:
        builder.note(words, layout.only_classes[0], len(layout.only_classes))
    if not builder.labels().images:
        raise ArgumentError(
            f"{path}: the size of none of its photos is known; give their folder as {{images}}"
        )
    return builder.labels()


def _files(layout: Layout, builder: Builder, reading: Reading) -> list[tuple[Item, VocFile | None]]:
    """The items with their XML files; those that cannot be read are left out."""
    found: list[tuple[Item, VocFile | None]] = []
    for item in told(list(layout.items.values()), reading.on_event, "reading XML"):
        try:
            file = read_voc(layout.root / item.xml, builder.notes) if item.xml else None
        except InputError as error:
            builder.note("XML files that cannot be read: left out", error)
            continue
        found.append((item, file))
    return found


def _named(file: VocFile, table: ClassTable) -> VocFile:
    """The file with names as in the table, else without the blanks around them."""
    known = {*table.names.values()}
    objects = (
        each if each.name in known else replace(each, name=each.name.strip())
        for each in file.objects
    )
    return replace(file, objects=tuple(objects))


def _are_shifted(files: Sequence[VocFile], builder: Builder) -> bool:
    """Whether boxes that are not said to be VOC's are coordinates from 0, as some tools write."""
    others = [each for each in files if each.objects and not each.is_standard]
    shifted = 2 * sum(each.is_shifted for each in others) > len(others) or any(
        0 in (each.corners or ())[:2] for file in others for each in file.objects
    )
    if shifted:
        words = "files with boxes in coordinates from 0, not in VOC's pixels from 1: read so"
        builder.note(words, "", len(others))
    return shifted


def _add_classes(builder: Builder, files: Iterable[VocFile], tables: Iterable[ClassTable]) -> None:
    """Add the classes in the order of a table, or of their names, as VOC's are."""
    for table in tables:
        for name in table.things():
            builder.category(name)
    for name in sorted({each.name for file in files for each in file.objects}):
        builder.category(name)


def _add_photo(
    builder: Builder,
    layout: Layout,
    item: Item,
    file: VocFile | None,
    index: PhotoIndex,
    table: ClassTable,
    *,
    shifted: bool,
) -> None:
    photo = item.photo(index, file.filename if file else "")
    masks = _masks(layout, item, builder, table) if item.objects else None
    if masks is None and file is None:  # which was told
        return
    size = file.size_wh if file else None
    if size is None and photo is not None and builder.photos is not None:
        size = photo_size(builder.photos, photo)
    if size is None and masks is not None:
        size = masks.size_hw[::-1]
    if size is None:
        words = "photos that cannot be read, and whose XML has no size: left out with their labels"
        builder.note(words, item.xml or item.objects)
        return
    if masks is not None and masks.size_hw != (size[1], size[0]):
        words = "PNG files of another size than their photo: only boxes are read"
        builder.note(words, item.objects)
        if file is None:
            return
        masks = None
    name = photo or (file.filename if file else "") or f"{PurePosixPath(item.key).name}.jpg"
    image = builder.image(name, size, split=item.split)
    _add_objects(builder, image, file, masks, shifted and not (file and file.is_standard))


def _add_objects(
    builder: Builder, image: Record, file: VocFile | None, masks: _Masks | None, shifted: bool
) -> None:
    """Add the objects of an XML file, with their masks, and the masks that are left."""
    size_hw = (image["height"], image["width"])
    objects = file.objects if file else ()
    boxes = [to_box(o.corners, shifted=shifted) if o.corners else None for o in objects]
    left = dict(masks.found) if masks else {}
    matched = _matched([o.name for o in objects], boxes, left)
    for place, (each, box) in enumerate(zip(objects, boxes, strict=True)):
        more: Record = {"attributes": dict(each.attributes) or None}
        if place in matched:
            region, _ = left.pop(matched[place])
            more |= region.record(size_hw)
        else:
            more |= {"bbox": box}
            if each.rings:
                more["segmentation"] = of_rings(each.rings, size_hw)
        builder.annotation(image, builder.category(each.name), **more)
    for region, name in left.values():
        if not name:
            words = "masks without a class, as neither XML nor SegmentationClass has one: left out"
            builder.note(words, image["file_name"])
            continue
        builder.annotation(image, builder.category(name), **region.record(size_hw))


def _matched(
    names: Sequence[str],
    boxes: Sequence[list[float] | None],
    masks: Mapping[int, tuple[Region, str]],
) -> dict[int, int]:
    """The number of the mask of each object in an XML file: by class, box, and place."""
    if not masks or not names:
        return {}
    numbers = list(masks)
    own = corners_of(np.array([box or [0, 0, 0, 0] for box in boxes], dtype=np.float64))
    theirs = corners_of(np.array([masks[n][0].box for n in numbers], dtype=np.float64))
    ious = box_ious(own[:, None], theirs[None])
    same_class = np.array([[masks[n][1] in ("", name) for n in numbers] for name in names])
    same_place = np.array([[place + 1 == n for n in numbers] for place in range(len(names))])
    fits = same_class & ((ious > 0.5) | (same_place & (ious > 0)))
    score = np.where(fits, ious + _SAME_PLACE * same_place, 0)
    rows, columns = linear_sum_assignment(score, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {row: numbers[column] for row, column in pairs if fits[row, column]}


def _masks(layout: Layout, item: Item, builder: Builder, table: ClassTable) -> _Masks | None:
    try:
        numbers = _object_numbers(layout.root / item.objects)
        classes = _class_names(layout.root / item.classes, table) if item.classes else None
    except InputError as error:
        builder.note("PNG files that cannot be read: only boxes are read", error)
        return None
    size_hw = (numbers.shape[0], numbers.shape[1])
    if classes is not None and classes[0].shape != size_hw:
        builder.note("PNG files of classes of another size than those of objects", item.classes)
        classes = None
    return _Masks(
        size_hw=size_hw,
        found={n: (region, _class_at(region, classes)) for n, region in regions(numbers).items()},
    )


def _object_numbers(path: Path) -> NDArray[Any]:
    """The object of each pixel, 0 for none and for void, of an indexed, grey or RGB PNG."""
    stored = read_stored(path)
    if stored.values.ndim == 2:
        return np.where(stored.values == VOID, 0, stored.values)
    colours, inverse = np.unique(packed(stored.values), return_inverse=True)
    free = VOID + 1  # colours that are not VOC's are numbered from here
    numbers = np.array([_NUMBER_OF.get(c, free + n) for n, c in enumerate(colours.tolist())])
    return np.where(numbers == VOID, 0, numbers)[inverse].reshape(stored.values.shape[:2])


def _class_names(path: Path, table: ClassTable) -> tuple[NDArray[Any], Mapping[int, str]]:
    """The class of each pixel as a number, and the names of the numbers."""
    stored = read_stored(path)
    by_number = table.names or dict(enumerate(VOC_CLASSES, 1))
    if stored.values.ndim == 2:
        names = by_palette(stored, table)
        return stored.values, by_number if names is None else names
    numbers = enumerate(packed(voc_colours()).tolist())
    usual = {colour: by_number[n] for n, colour in numbers if n in by_number}
    return packed(stored.values), table.colours or usual


def _class_at(region: Region, classes: tuple[NDArray[Any], Mapping[int, str]] | None) -> str:
    """The class that most pixels of an object have; "" if it is unknown."""
    if classes is None:
        return ""
    (y, x), (height, width) = region.offset_yx, region.crop.shape
    here = classes[0][y : y + height, x : x + width][region.crop]
    values, counts = np.unique(here, return_counts=True)
    name = classes[1].get(int(values[counts.argmax()]), "")
    return "" if is_nothing(name) else name
