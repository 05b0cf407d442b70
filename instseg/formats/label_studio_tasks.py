"""The tasks in files of Label Studio, and which of a task's annotations counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from instseg.core.errors import InputError
from instseg.files.coco_json import read_content, read_document, read_form
from instseg.files.listing import IMAGE_SUFFIXES
from instseg.formats.labels import Record
from instseg.formats.notes import Notes

_LOOKED_AT = 20  # files, and tasks of a file, to recognise the format
_UPLOAD = re.compile(r"(?:.*/)?data/upload/\d+/([^?]+)")
_RESULTS = ("annotations", "completions", "predictions")


@dataclass(kw_only=True)
class Task:
    """A task.

    Attributes:
        where: File and number, for notes.
        data: What its photo is, and more that people gave.
        annotations: Of people, each with `result`.
        predictions: Of models.
        results: The chosen ones; set by `chosen_tasks`.
    """

    where: str
    data: Record
    annotations: list[Record] = field(default_factory=list)
    predictions: list[Record] = field(default_factory=list)
    results: list[Record] = field(default_factory=list)

    @property
    def photo(self) -> str:
        """The name of its photo: that of the file that the data name, or "" if they name none."""
        names = {key: photo_name(value) for key, value in self.data.items()}
        named = [name for name in names.values() if name.lower().endswith(IMAGE_SUFFIXES)]
        return next(iter(named), "") or names.get("image", "")


def photo_name(value: object) -> str:
    """The path of a photo in a value of a task's data; "" if it is none.

    Local files are `/data/local-files/?d=PATH`, uploaded ones `/data/upload/PROJECT/NAME`; others
    have any URL, such as `s3://bucket/PATH`.
    """
    if not isinstance(value, str) or value.startswith("data:"):
        return ""
    if "://" in value or "?d=" in value:
        try:
            parts = urlsplit(value)
        except ValueError:
            return ""
        local = parse_qs(parts.query).get("d")
        value = local[0] if local else unquote(parts.path)
    uploaded = _UPLOAD.fullmatch(value)
    return unquote(uploaded[1]) if uploaded else value.strip()


def task_files(path: Path) -> list[Path]:
    """A file, or those in a folder: JSON, and synced annotations, whose names are numbers."""
    if path.is_file():
        return [path]
    found = [f for f in path.iterdir() if f.suffix.lower() == ".json" or f.name.isdecimal()]
    return sorted(file for file in found if file.is_file() and not file.name.startswith("."))


def recognises(path: Path) -> bool:
    """Whether a file, or one of the first in a folder, has tasks."""
    if path.is_file() and path.suffix.lower() not in (".json", ""):
        return False
    try:
        return any(map(_has_tasks, task_files(path)[:_LOOKED_AT]))
    except (InputError, OSError):
        return False


def _has_tasks(file: Path) -> bool:
    try:
        if read_content(file).lstrip()[:1] != b"[":
            return _is_task(read_document(file))
        entries = read_form(file, list[msgspec.Raw])
        return any(_is_task(msgspec.json.decode(entry)) for entry in entries[:_LOOKED_AT])
    except (InputError, OSError, msgspec.MsgspecError, RecursionError):
        return False


def _is_task(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    if isinstance(entry.get("data"), dict):
        return any(isinstance(entry.get(key), list) for key in _RESULTS)
    return _is_synced(entry) or _is_row(entry)


def _is_synced(entry: Mapping[str, Any]) -> bool:
    """Whether it is an annotation with its task, as Label Studio syncs them to a storage."""
    task = entry.get("task")
    of_task = isinstance(task, dict) and isinstance(task.get("data"), dict)
    return of_task and isinstance(entry.get("result"), list)


def _is_row(entry: Mapping[str, Any]) -> bool:
    """Whether it is a row of the export JSON_MIN."""
    return "id" in entry and bool({"annotation_id", "annotator", "lead_time"} & entry.keys())


def read_tasks(path: Path, notes: Notes) -> list[Task]:
    """All tasks of a file or folder.

    Raises:
        InputError: A file cannot be read, or none has tasks.
    """
    tasks: dict[object, Task] = {}
    for file in task_files(path):
        document = read_document(file)
        entries = document if isinstance(document, list) else [document]
        for number, entry in enumerate(entries, start=1):
            where = f"{file.name}, task {number}" if len(entries) > 1 else file.name
            if not isinstance(entry, dict) or not (found := _task(entry, where)):
                notes.add("entries that are no tasks: left out", where)
                continue
            key, task = found
            known = tasks.setdefault(key or where, task)
            if known is not task:
                known.annotations += task.annotations
    if not tasks:
        raise InputError(f"{path}: has no tasks of Label Studio; export them as JSON")
    return list(tasks.values())


def _task(entry: Record, where: str) -> tuple[object, Task] | None:
    """An entry as a task, and a key that it shares with other entries of the same task, if any."""
    if isinstance(entry.get("data"), dict):
        by_people = entry.get("annotations", entry.get("completions"))
        return None, Task(
            where=where,
            data=entry["data"],
            annotations=_records(by_people),
            predictions=_records(entry.get("predictions")),
        )
    if _is_synced(entry):
        task = entry["task"]
        key = str(task["id"]) if "id" in task else None
        return key, Task(where=where, data=task["data"], annotations=[entry])
    if _is_row(entry):
        regions = [
            {"from_name": name, "value": value, **value}
            for name, values in entry.items()
            for value in _records(values)
        ]
        return str(entry["id"]), Task(where=where, data=entry, annotations=[{"result": regions}])
    return None


def _records(values: object) -> list[Record]:
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def chosen_tasks(tasks: Iterable[Task], notes: Notes, path: Path) -> Iterator[Task]:
    """The tasks that have labels, with those that count.

    These are the annotations of people, without the scores that a model gave; if no task has one,
    the predictions of a model.

    Raises:
        InputError: There are neither.
    """
    tasks = list(tasks)
    done = {id(task): [each for each in task.annotations if _is_done(each)] for task in tasks}
    by_people = any(done.values())
    if not by_people and not any(task.predictions for task in tasks):
        raise InputError(f"{path}: no task has labels; label some, and export them as JSON")
    if not by_people:
        notes.add("tasks that nobody has labelled: their predictions are read", "", len(tasks))
    for task in tasks:
        candidates = done[id(task)] if by_people else task.predictions
        if not candidates:
            what = "that were skipped" if task.annotations else "without labels"
            notes.add(f"tasks {what}: left out", task.where)
            continue
        truth = [each for each in candidates if each.get("ground_truth") is True]
        if len(candidates) > 1:
            rule = "the ground truth, else the first, is read"
            notes.add(f"tasks with several annotations: {rule}", task.where)
        task.results = _records((truth or candidates)[0].get("result"))
        if by_people:  # who have seen what a model found
            task.results = [
                {k: v for k, v in each.items() if k != "score"} for each in task.results
            ]
        yield task


def _is_done(annotation: Mapping[str, Any]) -> bool:
    return isinstance(annotation.get("result"), list) and not annotation.get("was_cancelled")
