"""Mends a COCO document: what can be repaired is, the rest of what is wrong is dropped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from instseg.core.events import OnEvent, ignore
from instseg.doctor.annotation_fixes import fix_annotation
from instseg.doctor.examination import Examination, Surroundings
from instseg.doctor.examine import examine_document
from instseg.doctor.exif_fixes import fix_exif_sizes
from instseg.doctor.findings import Finding
from instseg.doctor.patient import Change, Patient
from instseg.doctor.table import KEYS, Table, is_whole, whole_text

_REPAIR_ROUNDS = 6  # a repair may bring another trouble to light; later rounds only drop


def mend(
    examination: Examination, *, on_event: OnEvent = ignore
) -> tuple[Examination, list[Change]]:
    """Mend what was found, examine the result, and so on until no error is left.

    Args:
        examination: Of a document that is an object; it is not modified.
        on_event: Told of the masks that are drawn.

    Returns:
        The examination of the repaired document, which is its `document`, and all changes.
    """
    around = examination.surroundings
    patient = _admitted(examination.document)
    if patient.changes:  # empty lists for missing ones
        examination = examine_document(patient.document, around, on_event=on_event)
    number = 0
    while True:
        due = [f for f in examination.findings if f.fix and _is_due(f, number)]
        if not due:
            return examination, patient.changes
        # Annotations are judged by their images and categories, which so have to be sound first.
        now = [f for f in due if f.section != "annotations"] or sorted(due, key=_masks_first)
        for each in now:
            if number < _REPAIR_ROUNDS and each.fix == "repair":
                _apply(patient, each, examination.table, around)
            else:
                for row in each.rows:
                    patient.drop(each.code, each.section, row)
        patient.end_round()
        examination = examine_document(patient.document, around, on_event=on_event)
        number += 1


def _admitted(document: Mapping[str, Any]) -> Patient:
    """A document whose sections are lists, of which the original knows nothing."""
    lists = {name: document.get(name) for name in KEYS}
    missing = [name for name, records in lists.items() if not isinstance(records, list)]
    copies = {name: [] if name in missing else list(lists[name] or ()) for name in KEYS}
    changes = [
        Change(
            section=name, id=None, code="section-missing", action="repair", before=None, after=[]
        )
        for name in missing
    ]
    return Patient(document={**document, **copies}, changes=changes)


def _is_due(found: Finding, number: int) -> bool:
    return bool(found.rows) and (number < _REPAIR_ROUNDS or found.severity == "error")


def _masks_first(found: Finding) -> bool:
    """Boxes and areas come from masks, so masks are mended before."""
    return not found.code.startswith(("polygon", "crowd"))


def _apply(patient: Patient, found: Finding, table: Table, around: Surroundings) -> None:
    """Repair the records of a finding; drop those that cannot be repaired."""
    code, section = found.code, found.section
    if code == "size-exif":
        fix_exif_sizes(patient, found.rows, table, around.photos or {})
    elif code in ("category-name-twice", "file-name-twice"):
        _merge(patient, found, table)
    else:
        for row in found.rows:
            measured = row in patient.measured and code.startswith(("box", "area"))
            if measured or not patient.is_left(section, row):
                continue
            values = _values(patient, code, section, row, table)
            if values:
                patient.change(code, section, row, **values)
            else:
                patient.drop(code, section, row)


def _values(patient: Patient, code: str, section: str, row: int, table: Table) -> dict[str, Any]:
    """What to set in a record; {} if it cannot be repaired."""
    record = patient.document[section][row]
    if code == "size-swapped":
        return {"width": record["height"], "height": record["width"]}
    if code in ("annotation-id-twice", "annotation-id-zero"):
        return {"id": patient.new_id()}
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
    """What a record must have, made from text or fractions such as 3.0; {} if it cannot be."""
    values = {}
    for key, fits in KEYS[section].items():
        value = record.get(key)
        if fits(value):
            continue
        if section == "annotations" and key == "id":
            value = patient.new_id()
        elif key == "name" and is_whole(record.get("id")):
            value = f"category {record['id']}" if value is None else whole_text(str(value))
        elif isinstance(value, str | float) and re.fullmatch(r"\s*-?\d{1,18}(\.0)?\s*", str(value)):
            value = int(float(value))
        if not fits(value):
            return {}
        values[key] = value
    return values
