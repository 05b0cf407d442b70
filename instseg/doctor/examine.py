"""The doctor: what is wrong with a COCO dataset, before it wastes a day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from instseg.core.errors import InputError
from instseg.doctor.annotation_checks import check_boxes, check_flags, check_masks
from instseg.doctor.dataset_checks import check_classes, compare_classes, objects_per_class
from instseg.doctor.findings import RULES, Finding
from instseg.doctor.mask_checks import Drawn, check_drawn, draw
from instseg.doctor.photo_checks import (
    Photos,
    check_copies,
    check_file_names,
    check_leaks,
    check_photos,
    check_stated_sizes,
)
from instseg.doctor.photos import inspect_photos
from instseg.doctor.table import Table, file_names, read_document, tabulate

Progress = Callable[[int, int], None]
"""Called with how many photos, and then masks, are done, and of how many."""

PhotoDepth = Literal["no", "headers", "all"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Examination:
    """What the doctor saw.

    Attributes:
        findings: The gravest first.
        statistics: Counts and sizes, ready for JSON.
        table: The sound records.
    """

    findings: tuple[Finding, ...]
    statistics: dict[str, Any]
    table: Table

    @property
    def document(self) -> Any:
        """What was examined."""
        return self.table.document

    def count(self, severity: str) -> int:
        """Number of findings of a severity."""
        return sum(each.severity == severity for each in self.findings)


@dataclass(frozen=True, kw_only=True, eq=False)
class Surroundings:
    """What a document is compared with; read once, whatever happens to the document.

    Attributes:
        folder: Where the photos are; None for no checks of photos.
        photos: What they are; None when only their presence is checked.
        val: The validation set.
        val_photos: Its photos.
    """

    folder: Path | None = None
    photos: Photos | None = None
    val: Table | None = None
    val_photos: Photos | None = None


def examine(
    coco_json: Path,
    folder: Path | None = None,
    *,
    val: tuple[Path, Path | None] | None = None,
    photos: PhotoDepth = "all",
    progress: Progress | None = None,
) -> Examination:
    """Examine a COCO dataset.

    Args:
        coco_json: The dataset's JSON.
        folder: Where its photos are; None for no checks of photos.
        val: JSON and folder of the validation set that it is compared with.
        photos: "all" reads each photo, which finds damaged ones and copies; "headers" only their
            sizes; "no" only whether they are there.
        progress: See `Progress`.

    Raises:
        InputError: when a file is not JSON or a folder does not exist.
    """
    document = read_document(coco_json)
    around = survey(document, folder, val=val, photos=photos, progress=progress)
    return examine_document(document, around, progress=progress)


def quick_check(document: Any, folder: Path | None = None) -> list[Finding]:
    """All that needs neither a photo's content nor a mask's pixels: seconds for 100,000 objects.

    Args:
        document: Any JSON value.
        folder: Where its photos are; None if their presence is not to be checked.

    Raises:
        InputError: when the folder does not exist.
    """
    _check_folder(folder)
    table, found = tabulate(document)
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
    progress: Progress | None = None,
) -> Surroundings:
    """Look at all that lies around a document; see `examine`."""

    def look(names: list[str], where: Path | None) -> Photos | None:
        _check_folder(where)
        if where is None or photos == "no":
            return None
        return inspect_photos(where, names, decode=photos == "all", progress=progress)

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
    document: Any, around: Surroundings, *, progress: Progress | None = None
) -> Examination:
    """Examine any JSON value as a COCO dataset."""
    table, found = tabulate(document)
    found += check_file_names(table, around.folder, around.photos) + check_stated_sizes(table)
    if around.photos is not None:
        found += check_photos(table, around.photos) + check_copies(table, around.photos)
    shapes, of_masks = check_masks(table)
    drawn = draw(table, shapes, progress)
    extents = np.where(shapes.fit[:, None], shapes.extents, drawn.boxes)
    found += of_masks + check_boxes(table, extents)
    found += check_flags(table) + check_drawn(table, shapes, drawn) + check_classes(table)
    if around.val is not None:
        found += compare_classes(table, around.val)
        if around.photos is not None and around.val_photos is not None:
            found += check_leaks(table, around.photos, around.val, around.val_photos)
    return Examination(
        findings=tuple(_ordered(found)), statistics=statistics(table, drawn), table=table
    )


def _ordered(found: list[Finding]) -> list[Finding]:
    codes, severities = list(RULES), ("error", "warning", "note")
    return sorted(found, key=lambda f: (severities.index(f.severity), codes.index(f.code)))


def statistics(table: Table, drawn: Drawn) -> dict[str, Any]:
    """Counts and sizes of the sound records, ready for JSON.

    Sizes of objects are COCO's: small below 32 x 32 pixels, large from 96 x 96, by the mask's area
    where there is one, otherwise by the stated one.
    """
    areas = np.where(np.isnan(drawn.areas), table.areas, drawn.areas)[~table.crowd]
    per_image = dict.fromkeys(table.images, 0)
    for number in table.image_ids[~table.crowd].tolist():
        per_image[number] += 1
    sizes = [
        (table.image(number)["width"], table.image(number)["height"]) for number in table.images
    ]
    return {
        "images": len(table.images),
        "objects": int((~table.crowd).sum()),
        "crowds": int(table.crowd.sum()),
        "classes": dict(objects_per_class(table).most_common()),
        "objects_per_image": _spread(list(per_image.values())),
        "object_sizes": {
            "small": int((areas < 32**2).sum()),
            "medium": int(((areas >= 32**2) & (areas < 96**2)).sum()),
            "large": int((areas >= 96**2).sum()),
        },
        "image_width": _spread([width for width, _ in sizes]),
        "image_height": _spread([height for _, height in sizes]),
    }


def _spread(values: list[int]) -> dict[str, float]:
    if not values:
        return {}
    numbers = np.array(values)
    return {
        "least": int(numbers.min()),
        "median": float(np.median(numbers)),
        "mean": round(float(numbers.mean()), 2),
        "most": int(numbers.max()),
    }
