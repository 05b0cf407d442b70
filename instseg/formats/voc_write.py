"""Writes Pascal VOC in the layout of VOC2012, with CVAT's labelmap.txt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from instseg.core.events import told
from instseg.files.image_writing import write_indexed_png
from instseg.formats.class_tables import VOID, voc_colours
from instseg.formats.format import Writing
from instseg.formats.labels import Labels, Record
from instseg.formats.notes import Notes
from instseg.formats.painting import painted
from instseg.formats.photo_names import photo_names, place_photo
from instseg.formats.shapes import has_mask, size_of
from instseg.formats.voc_xml import xml_text

_COLOURS = voc_colours()


def write(labels: Labels, folder: Path, writing: Writing) -> dict[int, int]:
    """Write Annotations, JPEGImages, ImageSets and, if there are masks, the folders of these.

    Returns:
        The class number, from 1, of each category id.
    """
    ordered = sorted(labels.categories, key=lambda each: int(each["id"]))
    numbers = {each["id"]: number for number, each in enumerate(ordered, start=1)}
    names, objects = photo_names(labels, flat=True), labels.by_image()
    segmented = any(has_mask(each) for each in labels.annotations)
    notes = writing.notes
    for image in told(labels.images, writing.on_event, "writing labels"):
        name, own = names[image["id"]], objects[image["id"]]
        listed = [each for each in own if not each.get("iscrowd") and each.get("bbox")]
        without = sum(not each.get("iscrowd") for each in own) - len(listed)
        notes.add("objects without a box: left out", f"photo {name}", without)
        if segmented:
            _write_masks(folder, image, name, own, listed, numbers, notes)
        pairs = [(each, labels.class_names()[each["category_id"]]) for each in listed]
        text = xml_text(PurePosixPath(name).name, size_of(image), pairs, segmented)
        file = _beside(folder / "Annotations", name, ".xml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", errors="replace")
        if not place_photo(labels, image, folder / "JPEGImages" / name, copy=writing.copy_photos):
            notes.add("photos that are not there, so that only labels were written", name)
    _write_lists(folder / "ImageSets", labels, names, segmented=segmented)
    _write_labelmap(folder / "labelmap.txt", ordered)
    return numbers


def _write_masks(
    folder: Path,
    image: Record,
    name: str,
    own: Sequence[Record],
    listed: Sequence[Record],
    class_numbers: Mapping[int, int],
    notes: Notes,
) -> None:
    """Write the PNG files: the number of an object is its place in the XML."""
    seen = painted(own, size_of(image), notes, otherwise="only their boxes are written")
    place_of = {id(each): place for place, each in enumerate(listed, start=1)}
    objects, classes = [], []
    for each in own:
        place = place_of.get(id(each), VOID)  # crowds are void
        number = class_numbers[each["category_id"]]
        is_void = place == VOID and id(each) not in place_of
        words = f"objects beyond {VOID - 1} of a photo: only their boxes are written"
        notes.add(words, f"id {each['id']}", int(place >= VOID and not is_void))
        objects.append(VOID if is_void else place if place < VOID else 0)
        words = f"classes beyond {VOID - 1}: only in the XML files"
        notes.add(words, f"id {each['id']}", int(number >= VOID))
        classes.append(VOID if is_void else number if number < VOID else 0)
    for title, values in (("SegmentationObject", objects), ("SegmentationClass", classes)):
        pixels = seen.numbered(values).astype(np.uint8)
        write_indexed_png(_beside(folder / title, name, ".png"), pixels, _COLOURS)


def _write_lists(
    folder: Path, labels: Labels, names: Mapping[int, str], *, segmented: bool
) -> None:
    """Write a list for each split, and trainval.txt of all but the tests."""
    lists: dict[str, list[str]] = {}
    for image in labels.images:
        split, key = image.get("split") or "", _key(names[image["id"]])
        if split:
            lists.setdefault(split, []).append(key)
        if split in ("train", "val", ""):
            lists.setdefault("trainval", []).append(key)
    for kind in ("Main", "Segmentation") if segmented else ("Main",):
        (folder / kind).mkdir(parents=True)
        for split, keys in lists.items():
            text = "".join(f"{key}\n" for key in keys)
            path = folder / kind / f"{split}.txt"
            path.write_text(text, encoding="utf-8", errors="replace")


def _write_labelmap(path: Path, categories: Sequence[Record]) -> None:
    names = ["background", *(" ".join(str(each["name"]).split()) for each in categories)]
    colours = _COLOURS[np.arange(len(names)) % VOID].tolist()
    lines = [
        f"{name}:{','.join(map(str, colour))}::\n"
        for name, colour in zip(names, colours, strict=True)
    ]
    text = "".join(["# label:color_rgb:parts:actions\n", *lines])
    path.write_text(text, encoding="utf-8", errors="replace")


def _beside(folder: Path, name: str, suffix: str) -> Path:
    return folder / f"{_key(name)}{suffix}"


def _key(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()
