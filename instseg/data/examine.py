"""`examine`: the doctor, for COCO files and for labels of any format."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from instseg.core.errors import ArgumentError
from instseg.core.options import takes
from instseg.data.any_format import FOR_TRAINING, read_dataset
from instseg.doctor import examine as doctor
from instseg.doctor.examination import Examination
from instseg.doctor.report import check_report
from instseg.files.coco_json import read_document


@dataclass(frozen=True)
class ExamineAnyOptions(doctor.ExamineOptions):
    """Checks a dataset.

    Args:
        coco_json: The dataset, in COCO format.
        data: Instead of `coco_json`: labels of any format that convert reads, with their photos.
            Of several splits, train is checked, and val is the validation set, if there is no
            other.
        images: Folder of the photos; if not given, photos are not checked, but those of a
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

    coco_json: str | Path | os.PathLike[str] | None = None  # type: ignore[assignment]  # or data
    _: KW_ONLY
    data: str | Path | None = None


@takes(ExamineAnyOptions)
def examine(options: ExamineAnyOptions) -> Examination:
    """Examine a dataset.

    Raises:
        InputError: A file is not JSON or of no known format, a folder does not exist, or the report
            is no .html file.
    """
    if (options.coco_json is None) == (options.data is None):
        raise ArgumentError("say what to check: {coco_json} or {data}")
    if options.val_images is not None and options.val_coco_json is None:
        raise ArgumentError("{val_images} needs {val_coco_json}")
    if options.data is None:
        return doctor.examine(**{k: v for k, v in vars(options).items() if k != "data"})
    if options.report is not None:
        check_report(options.report, (options.data, options.val_coco_json))
    found = read_dataset(options.data, options.images, on_event=options.on_event)
    split = found.first_of(FOR_TRAINING, options.on_event, "checks")
    val = None
    if options.val_coco_json is not None:
        folder = doctor.photos_of(options.val_coco_json, options.val_images) or found.photos
        val = read_document(Path(options.val_coco_json)), folder
    elif split != "val" and "val" in found.splits:
        val = found.splits["val"].document, found.photos
    return doctor.examine_read(
        found.splits[split].document,
        found.photos,
        source=Path(options.data),
        val=val,
        photos=options.photos,
        report=options.report,
        on_event=options.on_event,
    )
