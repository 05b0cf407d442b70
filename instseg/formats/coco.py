"""COCO instances: JSON of polygons and RLE, one file or one for each split."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from instseg.core.errors import InputError
from instseg.doctor.table import tabulate
from instseg.files.coco_json import read_document, read_form
from instseg.files.coco_records import score_of
from instseg.files.photo_header import photo_size
from instseg.formats.coco_files import coco_files, photos_of, split_of
from instseg.formats.format import Format, Reading, Writing
from instseg.formats.joined import joined
from instseg.formats.labels import Labels, Record
from instseg.formats.notes import Notes
from instseg.formats.photo_names import copy_photos
from instseg.formats.shapes import has_mask, simplified, size_of

FILE = "annotations.json"
_HEAD_BYTES = 4096


class _Sections(msgspec.Struct):
    images: msgspec.Raw
    categories: msgspec.Raw
    annotations: msgspec.Raw = msgspec.Raw(b"[]")


def recognises(path: Path) -> bool:
    """Whether a file, or a file in a folder, has images, annotations and categories."""
    return bool(coco_files(path, _is_coco))


def _is_coco(file: Path) -> bool:
    return is_coco(file, panoptic=False)


def is_coco(file: Path, *, panoptic: bool) -> bool:
    """Whether a file is a COCO dataset, of instances or of panoptic segments."""
    try:
        found = read_form(file, _Sections)
    except (InputError, OSError):
        return False
    return (b'"segments_info"' in bytes(found.annotations)[:_HEAD_BYTES]) == panoptic


def read(path: Path, reading: Reading) -> Labels:
    """Read a file, or all files of a folder, whose names then tell the splits."""
    files = [path] if path.is_file() else list(filter(_is_coco, coco_files(path, _is_coco)))
    if not files:
        raise InputError(f"{path}: has no COCO file; give the .json file")
    parts = [_read_file(file, reading) for file in files]
    return joined(parts, [split_of(path, file) for file in files])


def _read_file(file: Path, reading: Reading) -> Labels:
    document = read_document(file)
    records = document.get("images") if isinstance(document, dict) else None
    photos = photos_of(file, image_names(records), reading.images)

    def size(name: str) -> tuple[int, int] | None:
        return photo_size(photos, name) if photos else None

    table, findings = tabulate(document, size)
    for each in findings:
        if each.code in ("not-coco", "section-missing"):
            raise InputError(f"{file}: no COCO dataset: {each.message}")
    found = table.document
    notes = Notes()
    for each in findings:
        if each.severity == "error":
            notes.add(f"{each.code}: {each.message}", file.name, each.count)
    annotations = [_plain(found["annotations"][row]) for row in table.rows.tolist()]
    if len({each["id"] for each in annotations} - {0}) < len(annotations):
        annotations = [{**each, "id": n} for n, each in enumerate(annotations, start=1)]
    return Labels(
        document={
            **{key: value for key, value in found.items() if key in ("info", "licenses")},
            "images": [found["images"][row] for row in table.images.values()],
            "categories": [found["categories"][row] for row in table.categories.values()],
            "annotations": annotations,
        },
        photos=photos,
        notes=notes.lines(),
    )


def image_names(records: Any) -> list[str]:
    """The file names of image records that have one."""
    records = records if isinstance(records, list) else []
    names = [each.get("file_name") for each in records if isinstance(each, dict)]
    return [name for name in names if isinstance(name, str)]


def _plain(annotation: Record) -> Record:
    """An annotation whose fields have the types of `Labels`, without those of other types."""
    plain = dict(annotation)
    plain["iscrowd"] = 1 if plain.get("iscrowd") == 1 else 0
    box = plain.get("bbox")
    if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
        plain.pop("bbox", None)
    if plain.get("score") is not None and score_of(plain["score"]) is None:
        del plain["score"]
    if not isinstance(plain.get("attributes", {}), dict):
        del plain["attributes"]
    if not has_mask(plain):
        plain["segmentation"] = []
    return plain


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) < 1e9  # type: ignore[arg-type]


def write(labels: Labels, folder: Path, writing: Writing) -> None:
    """Write `annotations.json`, or a file for each split; with copied photos in `images/`."""
    images = copy_photos(labels, folder, writing) if writing.copy_photos else labels.images
    files: dict[str, list[Record]] = {}
    for image in images:
        split = "" if writing.one_file else str(image.get("split", ""))
        files.setdefault(f"{split}.json" if split else FILE, []).append(image)
    objects = labels.by_image()
    head = {key: value for key, value in labels.document.items() if key != "annotations"}
    for file, own in (files or {FILE: []}).items():
        with (folder / file).open("w", encoding="utf-8") as stream:
            stream.write(json.dumps({**head, "images": own})[:-1] + ', "annotations": [')
            for number, record in enumerate(_written(own, objects, writing.tolerance)):
                stream.write((", " if number else "") + json.dumps(record))
            stream.write("]}")


def _written(
    images: Iterable[Record], objects: Mapping[int, Sequence[Record]], tolerance: float
) -> Iterator[Record]:
    for image in images:
        for annotation in objects[image["id"]]:
            yield simplified(annotation, size_of(image), tolerance)


FORMAT = Format(name="coco", title="COCO", recognises=recognises, read=read, write=write, file=FILE)
