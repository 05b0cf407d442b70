"""Repairs a COCO document: records that cannot be repaired are dropped."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import Any

from instseg.core.events import OnEvent, ignore
from instseg.doctor.annotation_fixes import fix_annotation
from instseg.doctor.dataset_checks import strange_labels
from instseg.doctor.examination import Examination, Surroundings
from instseg.doctor.examine import examine_document
from instseg.doctor.exif_fixes import fix_exif_sizes, turn_masks
from instseg.doctor.findings import Finding
from instseg.doctor.patient import Change, Patient
from instseg.doctor.table import KEYS, Table, is_whole, whole_text
from instseg.files.coco_forms import as_read
from instseg.files.coco_records import names_of

_FREE_NAMES = ("background", *(f"background {number}" for number in range(2, 1000)))
_OF_BOX_OR_MASK = ("box-", "area-off", "polygon-outside")
_REPAIR_ROUNDS = 6  # a repair may bring another trouble to light; later rounds only drop


def mend(
    examination: Examination, *, clear_crowds: bool = False, on_event: OnEvent = ignore
) -> tuple[Examination, list[Change]]:
    """Repair findings and examine the result, until no error is left.

    Args:
        examination: Of a document that is an object; it is not modified.
        clear_crowds: Make every crowd an object.
        on_event: Called with the progress of the masks that are drawn.

    Returns:
        The examination of the repaired document, which is its `document`, and all changes.
    """
    around = examination.surroundings
    patient = _admitted(examination.document, around)
    if clear_crowds:
        _clear_crowds(patient)
    if patient.changes:
        examination = examine_document(patient.document, around, on_event=on_event)
    number = 0
    while True:
        due = _due(examination.findings, number)
        if not due:
            return examination, patient.changes
        for each in due:
            if number < _REPAIR_ROUNDS and each.fix == "repair":
                _apply(patient, each, examination.table, around)
            else:
                for row in each.rows:
                    patient.drop(each.code, each.section, row)
        patient.end_round()
        examination = examine_document(patient.document, around, on_event=on_event)
        number += 1


def _clear_crowds(patient: Patient) -> None:
    for row, record in enumerate(patient.document["annotations"]):
        if isinstance(record, dict) and record.get("iscrowd") == 1:
            patient.change("crowd-many", "annotations", row, iscrowd=0)


def _due(findings: Sequence[Finding], number: int) -> list[Finding]:
    """What is repaired in a round, in this order.

    Annotations are judged by their images and categories, which so have to be sound first; what
    follows from where a mask lies needs its x and y, and boxes and areas are made from masks.
    """
    rows = {row for f in findings if f.code == "box-mask-differ" for row in f.rows}
    due = [
        found
        for found in (_without(each, rows) for each in findings)
        if found.fix and found.rows and (number < _REPAIR_ROUNDS or found.severity == "error")
    ]
    if early := [f for f in due if f.section != "annotations"]:
        return early
    if early := [f for f in due if f.code == "mask-exchanged"]:
        return early
    return sorted(due, key=lambda f: not f.code.startswith(("polygon", "crowd")))


def _without(found: Finding, rows: Container[int]) -> Finding:
    """What neither takes a mask for right nor a box, of annotations where the two disagree."""
    if found.section != "annotations" or not found.code.startswith(_OF_BOX_OR_MASK):
        return found
    left = tuple(row for row in found.rows if row not in rows)
    return replace(found, rows=left)


def _admitted(document: Mapping[str, Any], around: Surroundings) -> Patient:
    """A document as it is read, of which the original knows nothing; its sections are lists."""
    forms = as_read(document, around.size_of)[1]
    missing = [name for name in KEYS if not isinstance(document.get(name), list)]
    lists = {name: [] if name in missing else [*document[name]] for name in KEYS}
    changes = [
        Change(
            section=name, id=None, code="section-missing", action="repair", before=None, after=[]
        )
        for name in missing
    ]
    searched = document.get("searched")
    kept = {**document, **lists}
    if searched is not None and names_of(searched) is None:
        del kept["searched"]
        strange = {"id": None, "code": "searched-form", "before": searched, "after": None}
        changes.append(Change(section="", action="repair", **strange))
    patient = Patient(document=kept, changes=changes)
    for form in forms:
        patient.change(form.code, form.section, form.row, **form.values)
    return patient


def _apply(patient: Patient, found: Finding, table: Table, around: Surroundings) -> None:
    """Repair the records of a finding; drop those that cannot be repaired."""
    code, section = found.code, found.section
    if code == "size-exif":
        fix_exif_sizes(patient, found.rows, table, around.photos or {})
    elif code == "exif-stored":
        images = {patient.document["images"][row]["id"] for row in found.rows}
        turn_masks(patient, code, images, table, around.photos or {})
    elif code in ("category-name-twice", "file-name-twice"):
        _merge(patient, found, table)
    else:
        for row in found.rows:
            measured = row in patient.measured and code.startswith(("box", "area"))
            if measured or not patient.is_left(section, row):
                continue
            values = _values(patient, code, section, row, table, around)
            if values:
                patient.change(code, section, row, **values)
            else:
                patient.drop(code, section, row)


def _values(
    patient: Patient, code: str, section: str, row: int, table: Table, around: Surroundings
) -> dict[str, Any]:
    """What to set in a record; {} if it cannot be repaired."""
    record = patient.document[section][row]
    if code == "photo-renamed":
        return {"file_name": around.near.found[record["file_name"]]}
    if code == "category-bg":
        names = {table.class_name(number) for number in table.categories}
        return {"name": next(n for n in _FREE_NAMES if n not in names)}
    if code == "size-swapped":
        return {"width": record["height"], "height": record["width"]}
    if code in ("annotation-id-twice", "annotation-id-zero"):
        return {"id": patient.new_id()}
    if code == "labelled-form":
        return dict.fromkeys(strange_labels(record))
    if code in ("key-missing", "key-type"):
        return _converted(patient, section, record)
    image = table.image(record["image_id"])
    values = fix_annotation(code, record, (image["width"], image["height"]))
    if "bbox" in values and "area" in values:
        patient.measured.add(row)
    return values


def _merge(patient: Patient, found: Finding, table: Table) -> None:
    """Give what belongs to the later record of a name to the first, and drop the later one."""
    of_images = found.section == "images"
    name, key = ("file_name", "image_id") if of_images else ("name", "category_id")
    records = patient.document[found.section]
    rows = (table.images if of_images else table.categories).values()
    again = set(found.rows)
    first = {records[row][name]: records[row] for row in rows if row not in again}
    moves = {}
    for row in found.rows:
        one = first[records[row][name]]
        if all(one.get(side) == records[row].get(side) for side in ("width", "height")):
            moves[records[row]["id"]] = one["id"]
        patient.drop(found.code, found.section, row)
    for row, annotation in enumerate(patient.document["annotations"]):
        owner = annotation.get(key) if isinstance(annotation, dict) else None
        if is_whole(owner) and owner in moves:
            patient.change(found.code, "annotations", row, **{key: moves[owner]})


def _converted(patient: Patient, section: str, record: dict[str, Any]) -> dict[str, Any]:
    """What a record must have, made from scratch; {} if it cannot be."""
    values = {}
    for key, fits in KEYS[section].items():
        value = record.get(key)
        if fits(value):
            continue
        if section == "annotations" and key == "id":
            value = patient.new_id()
        elif key == "name" and is_whole(record.get("id")):
            value = f"category {record['id']}" if value is None else whole_text(str(value))
        if not fits(value):
            return {}
        values[key] = value
    return values
