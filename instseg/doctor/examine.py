"""Examines a COCO dataset for problems."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import OnEvent, ignore
from instseg.core.options import python_only, takes
from instseg.doctor.annotation_checks import check_boxes, check_flags, check_masks
from instseg.doctor.dataset_checks import check_classes, compare_classes
from instseg.doctor.examination import (
    SEVERITIES,
    Examination,
    PhotoDepth,
    Surroundings,
    statistics_of,
)
from instseg.doctor.findings import Finding
from instseg.doctor.mask_checks import check_drawn, draw
from instseg.doctor.photo_checks import (
    check_copies,
    check_file_names,
    check_leaks,
    check_photos,
    check_stated_sizes,
    is_photo,
)
from instseg.doctor.photos import inspect_photos
from instseg.doctor.point_checks import check_points
from instseg.doctor.report import check_report, write_report
from instseg.doctor.rules import RULES
from instseg.doctor.table import image_records, tabulate
from instseg.files.coco_json import read_document
from instseg.files.near_names import NearNames, files_under, near_names
from instseg.files.photo_header import photo_size


@dataclass(frozen=True)
class ExamineOptions:
    """Checks a dataset in COCO format.

    Args:
        coco_json: The dataset.
        images: Folder of its photos; if not given, photos are not checked, but those of a
            `CocoData` are.
        val_coco_json: Validation set; checked for photos that are also in the training set, and
            for missing classes.
        val_images: Folder of its photos; by default that of `images`.
        photos: How thoroughly photos are checked: no (only that they exist), headers (also their
            sizes), or all (each is decoded, which finds damaged photos and duplicates).
        report: Write an HTML page to this file: the findings with some photos of each, and
            statistics.
        on_event: Called with `Progress`.
    """

    coco_json: str | Path | os.PathLike[str]
    images: str | Path | None = None
    _: KW_ONLY
    val_coco_json: str | Path | os.PathLike[str] | None = None
    val_images: str | Path | None = None
    photos: PhotoDepth = "all"
    report: str | Path | None = None
    on_event: OnEvent = python_only(ignore)


@takes(ExamineOptions)
def examine(options: ExamineOptions) -> Examination:
    """Examine a COCO dataset.

    Raises:
        InputError: A file is not JSON, a folder does not exist, or the report is no .html file.
    """
    if options.val_images is not None and options.val_coco_json is None:
        raise ArgumentError("{val_images} needs {val_coco_json}")
    if options.report is not None:
        check_report(options.report, (options.coco_json, options.val_coco_json))
    coco_json = Path(options.coco_json)
    document = read_document(coco_json)
    val, images = None, photos_of(options.coco_json, options.images)
    if options.val_coco_json is not None:
        val_images = photos_of(options.val_coco_json, options.val_images) or images
        val = read_document(Path(options.val_coco_json)), val_images
    return examine_read(
        document,
        images,
        source=coco_json,
        val=val,
        photos=options.photos,
        report=options.report,
        on_event=options.on_event,
    )


def examine_read(
    document: Any,
    folder: Path | None,
    *,
    source: Path,
    val: tuple[Any, Path | None] | None,
    photos: PhotoDepth,
    report: str | Path | None,
    on_event: OnEvent,
) -> Examination:
    """Examine a document that was read, with its photos, and write the report on request.

    Args:
        document: Any JSON value.
        folder: Where its photos are; None for no checks of photos.
        source: Where it was read from.
        val: The document of the validation set, and the folder of its photos.
        photos: See `ExamineOptions`.
        report: See `ExamineOptions`.
        on_event: See `ExamineOptions`.
    """
    around = survey(document, folder, val=val, photos=photos, on_event=on_event)
    seen = replace(examine_document(document, around, on_event=on_event), coco_json=source)
    if report is not None:
        write_report(Path(report), seen)
        seen = replace(seen, report=Path(report))
    return seen


def photos_of(coco_json: str | os.PathLike[str], images: str | Path | None) -> Path | None:
    """The folder of a dataset's photos: the one that is given, else that of a `CocoData`."""
    folder = images or getattr(coco_json, "folder", None)
    return Path(folder) if folder else None


def quick_check(document: Any, folder: Path | None = None) -> list[Finding]:
    """All that needs neither a photo's content nor a mask's pixels: seconds for 100,000 objects.

    Args:
        document: Any JSON value.
        folder: Where its photos are; None if their presence is not to be checked.

    Raises:
        InputError: The folder does not exist.
    """
    around = survey(document, folder, photos="no")
    table, found = tabulate(document, around.size_of)
    shapes, of_masks = check_masks(table)
    found += check_file_names(table, around) + check_stated_sizes(table) + of_masks
    found += check_boxes(table, np.where(shapes.fit[:, None], shapes.extents, np.nan))
    return _ordered(found + check_points(table) + check_flags(table) + check_classes(table))


def survey(
    document: Any,
    folder: Path | None,
    *,
    val: tuple[Any, Path | None] | None = None,
    photos: PhotoDepth = "all",
    on_event: OnEvent = ignore,
) -> Surroundings:
    """Read everything that a document is compared with: photos and validation set.

    Args:
        document: Any JSON value.
        folder: Where its photos are; None for no checks of photos.
        val: Document and folder of the validation set that it is compared with.
        photos: See `ExamineOptions`.
        on_event: Called with the progress of the photos that are read.

    Raises:
        InputError: A folder does not exist.
    """
    own = _look(document, folder, photos, on_event)
    if val is None:
        return own
    theirs = _look(*val, photos, on_event)
    return replace(own, val=tabulate(val[0], theirs.size_of)[0], val_photos=theirs.photos)


def _look(document: Any, folder: Path | None, depth: PhotoDepth, on_event: OnEvent) -> Surroundings:
    """Look at the photos of a document."""
    if folder is None:
        return Surroundings()
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of the photos")
    records = image_records(document)
    names = list(dict.fromkeys(record["file_name"] for record in records))
    there = {name for name in names if is_photo(folder, name)}
    near = NearNames()
    if len(there) < len(names):
        near = near_names([*there, *(n for n in names if n not in there)], files_under(folder))
    there.update(near.found.values())
    if depth == "no":
        lacking = [
            near.found.get(r["file_name"], r["file_name"]) for r in records if _lacks_size(r)
        ]
        sizes = {name: photo_size(folder, name) for name in dict.fromkeys(lacking)}
        known = {name: size for name, size in sizes.items() if size}
        return Surroundings(folder=folder, there=there, sizes_wh=known, near=near)
    photos = inspect_photos(folder, sorted(there), decode=depth == "all", on_event=on_event)
    photos |= {name: photos[file] for name, file in near.found.items() if file in photos}
    known = {name: photo.upright_wh for name, photo in photos.items() if photo.upright_wh}
    return Surroundings(folder=folder, there=there, photos=photos, sizes_wh=known, near=near)


def _lacks_size(record: Mapping[str, Any]) -> bool:
    return not (record.get("width") and record.get("height"))


def examine_document(
    document: Any, around: Surroundings, *, on_event: OnEvent = ignore
) -> Examination:
    """Examine any JSON value as a COCO dataset."""
    table, found = tabulate(document, around.size_of)
    found += check_file_names(table, around) + check_stated_sizes(table)
    if around.photos is not None:
        found += check_photos(table, around.photos) + check_copies(table, around.photos)
    shapes, of_masks = check_masks(table)
    drawn = draw(table, shapes, on_event)
    extents = np.where(shapes.fit[:, None], shapes.extents, drawn.boxes)
    found += of_masks + check_boxes(table, extents)
    found += (
        check_points(table)
        + check_flags(table)
        + check_drawn(table, shapes, drawn)
        + check_classes(table)
    )
    if around.val is not None:
        found += compare_classes(table, around.val)
        if around.photos is not None and around.val_photos is not None:
            found += check_leaks(table, around.photos, around.val, around.val_photos)
    return Examination(
        findings=tuple(_ordered(found)),
        statistics=statistics_of(table, drawn),
        document=document,
        table=table,
        surroundings=around,
    )


def _ordered(found: list[Finding]) -> list[Finding]:
    codes = list(RULES)
    return sorted(found, key=lambda f: (SEVERITIES.index(f.severity), codes.index(f.code)))
