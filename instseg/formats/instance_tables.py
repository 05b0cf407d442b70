"""Tables of the objects in masks: instances.csv, or a CSV or JSON file beside each mask."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from instseg.core.errors import InputError
from instseg.files.coco_json import read_document
from instseg.formats.labels import Record
from instseg.system.regular import require_regular_file

TABLE = "instances.csv"
_COLUMNS = ("file", "number", "class", "score", "id", "crowd", "track_id")
_FILE = ("file", "file_name", "filename", "mask", "image")
_NUMBER = ("number", "instance", "instance_id", "label", "value", "id")
_CLASS = ("class", "class_name", "category", "name", "label")


@dataclass(frozen=True, kw_only=True)
class Instance:
    """An object: its class, and what else is known of it."""

    name: str
    score: float | None = None
    id: int | None = None
    crowd: bool = False
    track_id: int | None = None

    @classmethod
    def of(cls, record: Record, name: str) -> Instance:
        """Of an annotation, and the name of its class."""
        return cls(
            name=name,
            score=record.get("score"),
            id=record.get("id"),
            crowd=bool(record.get("iscrowd")),
            track_id=record.get("track_id"),
        )

    def fields(self) -> dict[str, Any]:
        """Fields of an annotation."""
        known = {"score": self.score, "id": self.id, "track_id": self.track_id}
        found = {key: value for key, value in known.items() if value is not None}
        return {**found, "iscrowd": int(self.crowd)}


Instances = dict[int, Instance]
"""By number."""


def read_table(root: Path) -> dict[str, Instances]:
    """The objects of each mask in instances.csv; {} without it.

    Raises:
        InputError: It is no such table.
    """
    path = root / TABLE
    return _by_file(path) if path.is_file() else {}


def read_beside(mask: Path) -> Instances:
    """The objects in the CSV or JSON file of a mask's name beside it; {} without one.

    Raises:
        InputError: It is no such table.
    """
    table, document = mask.with_suffix(".csv"), mask.with_suffix(".json")
    if table.is_file():
        return _by_file(table).get("", {})
    if not document.is_file():
        return {}
    content = read_document(document)
    if isinstance(content, dict):
        pairs = [
            {"number": key, **(value if isinstance(value, dict) else {"class": value})}
            for key, value in content.items()
        ]
        content = pairs
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise InputError(f"{document}: expected the class of each number, such as {{'1': 'cat'}}")
    return _instances(content, document)


def write_table(folder: Path, found: Mapping[str, Instances]) -> None:
    """Write instances.csv."""
    with (folder / TABLE).open("w", encoding="utf-8", newline="", errors="replace") as file:
        table = csv.writer(file)
        table.writerow(_COLUMNS)
        for name, rows in found.items():
            for number, each in rows.items():
                known = (each.score, each.id, int(each.crowd), each.track_id)
                table.writerow([name, number, each.name, *known])


def _by_file(path: Path) -> dict[str, Instances]:
    require_regular_file(path)
    try:
        text = path.read_bytes().decode("utf-8-sig", "replace")
        rows = list(csv.DictReader(StringIO(text, newline="")))
    except (OSError, csv.Error) as error:
        raise InputError(f"{path}: not readable as CSV ({error}); export it again") from error
    by_file: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_file.setdefault(str(_first(row, _FILE) or "").replace("\\", "/"), []).append(row)
    return {name: _instances(own, path) for name, own in by_file.items()}


def _instances(rows: Iterable[Mapping[str, Any]], path: Path) -> Instances:
    found: Instances = {}
    for row in rows:
        number, name = _whole(_first(row, _NUMBER)), _first(row, _CLASS)
        if number is None or name in (None, ""):
            raise InputError(
                f"{path}: expected a number and a class for each object, in columns called so; "
                f"got {dict(row)!r:.100}"
            )
        found[number] = Instance(
            name=str(name),
            score=_score(row.get("score")),
            id=_whole(row.get("id")),
            crowd=_whole(row.get("crowd")) == 1,
            track_id=_whole(row.get("track_id")),
        )
    return found


def _first(row: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _whole(value: Any) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None


def _score(value: Any) -> float | None:
    try:
        score = float(str(value))
    except ValueError:
        return None
    return score if math.isfinite(score) else None
