"""Examines a COCO dataset: what is wrong with it, before it wastes a day."""

from __future__ import annotations

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
from instseg.doctor.findings import RULES, Finding
from instseg.doctor.mask_checks import check_drawn, draw
from instseg.doctor.photo_checks import (
    Photos,
    check_copies,
    check_file_names,
    check_leaks,
    check_photos,
    check_stated_sizes,
)
from instseg.doctor.photos import inspect_photos
from instseg.doctor.table import file_names, tabulate
from instseg.files.coco_json import read_document


@dataclass(frozen=True)
class ExamineOptions:
    """Finds what is wrong with a dataset in COCO format.

    Args:
        coco_json: The dataset.
        images: Folder of its photos; without it, photos are not checked.
        val_coco_json: A validation set to compare with: the same photos, missing classes.
        val_images: Folder of its photos; that of images if not given.
        photos: How far to look into photos: no (are they there?), headers (their sizes), or all
            (read each, which finds damaged ones and copies).
        on_event: Called with `Progress`.
    """

    coco_json: str | Path
    images: str | Path | None = None
    _: KW_ONLY
    val_coco_json: str | Path | None = None
    val_images: str | Path | None = None
    photos: PhotoDepth = "all"
    on_event: OnEvent = python_only(ignore)


@takes(ExamineOptions)
def examine(options: ExamineOptions) -> Examination:
    """Examine a COCO dataset; see `ExamineOptions`.

    Raises:
        InputError: A file is not JSON or a folder does not exist.
    """
    val = None
    if options.val_coco_json is not None:
        val_images = options.val_images or options.images
        val = (Path(options.val_coco_json), Path(val_images) if val_images else None)
    elif options.val_images is not None:
        raise ArgumentError("{val_images} needs {val_coco_json}")
    coco_json = Path(options.coco_json)
    document = read_document(coco_json)
    around = survey(
        document,
        Path(options.images) if options.images else None,
        val=val,
        photos=options.photos,
        on_event=options.on_event,
    )
    seen = examine_document(document, around, on_event=options.on_event)
    return replace(seen, coco_json=coco_json)


def quick_check(coco_json: Path, folder: Path | None = None) -> list[Finding]:
    """All that needs neither a photo's content nor a mask's pixels: seconds for 100,000 objects.

    Args:
        coco_json: The dataset's JSON.
        folder: Where its photos are; None if their presence is not to be checked.

    Raises:
        InputError: The file is not JSON or the folder does not exist.
    """
    _check_folder(folder)
    table, found = tabulate(read_document(coco_json))
    shapes, of_masks = check_masks(table)
    found += check_file_names(table, folder, None) + check_stated_sizes(table) + of_masks
    found += check_boxes(table, np.where(shapes.fit[:, None], shapes.extents, np.nan))
    return _ordered(found + check_flags(table) + check_classes(table))


def survey(
    document: Any,
    folder: Path | None,
    *,
    val: tuple[Path, Path | None] | None = None,
    photos: PhotoDepth = "all",
    on_event: OnEvent = ignore,
) -> Surroundings:
    """Look at all that lies around a document.

    Args:
        document: Any JSON value.
        folder: Where its photos are; None for no checks of photos.
        val: JSON and folder of the validation set that it is compared with.
        photos: See `ExamineOptions`.
        on_event: Told of the photos that are read.

    Raises:
        InputError: A file is not JSON or a folder does not exist.
    """

    def look(names: list[str], where: Path | None) -> Photos | None:
        _check_folder(where)
        if where is None or photos == "no":
            return None
        return inspect_photos(where, names, decode=photos == "all", on_event=on_event)

    seen = look(file_names(document), folder)
    if val is None:
        return Surroundings(folder=folder, photos=seen)
    other = read_document(val[0])
    return Surroundings(
        folder=folder,
        photos=seen,
        val=tabulate(other)[0],
        val_photos=look(file_names(other), val[1]),
    )


def _check_folder(folder: Path | None) -> None:
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give the folder of the photos")


def examine_document(
    document: Any, around: Surroundings, *, on_event: OnEvent = ignore
) -> Examination:
    """Examine any JSON value as a COCO dataset."""
    table, found = tabulate(document)
    found += check_file_names(table, around.folder, around.photos) + check_stated_sizes(table)
    if around.photos is not None:
        found += check_photos(table, around.photos) + check_copies(table, around.photos)
    shapes, of_masks = check_masks(table)
    drawn = draw(table, shapes, on_event)
    extents = np.where(shapes.fit[:, None], shapes.extents, drawn.boxes)
    found += of_masks + check_boxes(table, extents)
    found += check_flags(table) + check_drawn(table, shapes, drawn) + check_classes(table)
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
