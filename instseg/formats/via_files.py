"""The files of VGG Image Annotator in one form: photos with their regions."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instseg.core.errors import InputError
from instseg.files.coco_json import read_document

PROJECT = "_via_img_metadata"
ATTRIBUTES = "_via_attributes"
CSV_COLUMN = "region_shape_attributes"

Values = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ViaRegion:
    """A region: its shape, and what was entered about it."""

    shape: Values
    attributes: Values


@dataclass(kw_only=True)
class ViaPhoto:
    """A photo: its name, what was entered about it, and its regions."""

    name: str
    attributes: Values = field(default_factory=dict)
    regions: list[ViaRegion] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class ViaFile:
    """What a file holds.

    Attributes:
        photos: In order.
        declared: The attributes of regions that a project declares, by name.
        broken: The numbers, from 1, of lines of a CSV file that cannot be read.
    """

    photos: list[ViaPhoto]
    broken: list[int] = field(default_factory=list)
    declared: Values = field(default_factory=dict)


def read_via(path: Path) -> ViaFile:
    """Read a project, or annotations as JSON or CSV.

    Raises:
        InputError: It is none of these.
    """
    if path.suffix.lower() == ".csv":
        listed, broken = _of_csv(path)
        return ViaFile(photos=listed, broken=broken)
    document = read_document(path)
    if not isinstance(document, Mapping):
        raise InputError(f"{path}: not of VGG Image Annotator; give the .json file that it saved")
    photos = document.get(PROJECT, document)
    declared = _values(_values(document.get(ATTRIBUTES)).get("region"))
    entries = photos.values() if isinstance(photos, Mapping) else photos
    if not isinstance(photos, Mapping | list) or not all(map(_is_photo, entries)):
        raise InputError(
            f"{path}: not of VGG Image Annotator: entries have no filename and regions"
        )
    return ViaFile(photos=[_photo(each) for each in entries], declared=declared)


def _is_photo(entry: Any) -> bool:
    return isinstance(entry, Mapping) and isinstance(entry.get("filename"), str)


def _photo(entry: Mapping[str, Any]) -> ViaPhoto:
    regions = entry.get("regions") or []
    listed = regions.values() if isinstance(regions, Mapping) else regions
    return ViaPhoto(
        name=entry["filename"],
        attributes=_values(entry.get("file_attributes")),
        regions=[
            ViaRegion(
                shape=_values(each.get("shape_attributes")),
                attributes=_values(each.get("region_attributes")),
            )
            for each in listed
            if isinstance(each, Mapping)
        ],
    )


def _of_csv(path: Path) -> tuple[list[ViaPhoto], list[int]]:
    """The photos of a CSV file, which has a line for each region, and the broken lines."""
    photos: dict[str, ViaPhoto] = {}
    broken = []
    try:
        rows = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
        for row in rows:
            try:
                about, shape, attributes = (
                    _values(json.loads(row.get(column) or "{}"))
                    for column in ("file_attributes", CSV_COLUMN, "region_attributes")
                )
            except (ValueError, RecursionError):
                broken.append(rows.line_num)
                continue
            name = row.get("filename") or row.get("#filename") or ""
            photo = photos.setdefault(name, ViaPhoto(name=name))
            photo.attributes |= about
            if shape:
                photo.regions.append(ViaRegion(shape=shape, attributes=attributes))
        if broken and not photos:
            raise ValueError(f"line {broken[0]} has a cell that is not JSON")
    except (OSError, ValueError, csv.Error) as error:
        words = " ".join(str(error).split())
        raise InputError(
            f"{path}: not readable as CSV of VIA ({words}); export it again"
        ) from error
    return [photo for photo in photos.values() if photo.name], broken


def _values(found: Any) -> Values:
    return dict(found) if isinstance(found, Mapping) else {}
