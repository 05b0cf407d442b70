"""Reads datasets for training: checked, repaired on request, and read from disk once."""

from __future__ import annotations

from pathlib import Path

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import Notice, OnEvent, Warned, ignore
from instseg.core.wording import count
from instseg.data.coco import CocoData
from instseg.doctor.examine import quick_check
from instseg.doctor.repair import repair
from instseg.files.coco_json import parse_document, read_content
from instseg.system.processes import from_first, process_rank


def read_sound(
    coco_json: Path,
    images: Path,
    *,
    repaired: Path,
    auto_repair: bool = False,
    boxes: bool = False,
    on_event: OnEvent = ignore,
) -> CocoData:
    """Read a dataset, and check it for errors with the doctor's quick checks.

    Args:
        coco_json: The dataset.
        images: Folder of its photos.
        repaired: Path of the repaired copy, if one is written.
        auto_repair: Whether to repair the dataset if it has errors.
        boxes: Whether annotations with boxes and no masks can be used; otherwise they are errors,
            and left out of a repaired copy.
        on_event: Called with a warning for each kind of error.

    Raises:
        InputError: It cannot be read, has no images, or has errors and `auto_repair` is not set.
    """
    content = read_content(coco_json)
    found = quick_check(parse_document(content, coco_json), images)
    wrong = [each for each in found if each.severity == "error" or each.code == "box-only"]
    if boxes:
        wrong = [each for each in wrong if each.code != "box-only"]
    for each in wrong:
        on_event(
            Warned(text=f"{coco_json}: {each.code}, {count(each.count, 'time')}: {each.message}")
        )
    if not auto_repair and {each.code for each in wrong} == {"box-only"}:
        raise ArgumentError(
            f"{coco_json}: {count(wrong[0].count, 'annotation')} without a mask, which only the "
            "training data of finetune may have; draw masks, or {auto_repair} leaves them out"
        )
    if wrong and not auto_repair:
        raise ArgumentError(
            f"{coco_json}: {count(len(wrong), 'kind')} of errors ({wrong[0].message}); "
            f"`instseg doctor --coco-json {coco_json} --images {images} --fix fixed.json` repairs "
            "what it can and leaves out the rest, {auto_repair} trains on such a copy"
        )
    if wrong:
        if process_rank() == 0:
            changes = len(repair(coco_json, images, out=repaired, photos="no").changes)
            on_event(Notice(text=f"{repaired}: repaired dataset ({changes} changes), used instead"))
        from_first(None)  # the others wait for the file
        coco_json, content = repaired, read_content(repaired)
    data = CocoData.read(coco_json, images, content=content)
    if any(each.code == "box-only" for each in wrong):
        data = data.without_boxes()
    if not len(data):
        raise InputError(f"{coco_json}: has no images; give a dataset with photos")
    return data
