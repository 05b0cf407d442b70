"""Reads exports of Label Studio: JSON, JSON_MIN and synced annotations."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import told
from instseg.files.coco_records import score_of
from instseg.files.photo_header import photo_size
from instseg.files.xml_file import read_xml
from instseg.formats.brush_rle import decode_brush
from instseg.formats.drawn import Drawn, add_objects
from instseg.formats.format import Reading
from instseg.formats.found_photos import find_photos, plain_name
from instseg.formats.label_studio_tasks import Task, chosen_tasks, read_tasks
from instseg.formats.labels import Builder, Labels, Record
from instseg.formats.notes import Notes
from instseg.formats.rings import ellipse, turned

CONFIG = "label_config.xml"
NO_LABEL = "object"

_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")  # of uploaded photos
_DIGITS = 6  # of pixels: percent in binary are not exact
_SHAPE_KEYS = {"x", "y", "width", "height", "rotation", "radiusX", "radiusY", "points", "rle"}
_NOT_READ = {"vertices": "vectors", "imageDataURL": "bitmasks", "sequence": "tracks of videos"}
_CHOSEN = ("choices", "taxonomy", "rating", "number", "text", "datetime")


def read(path: Path, reading: Reading) -> Labels:
    """Read a file, or all of a folder. Classes come from label_config.xml, if it is there.

    Raises:
        InputError: There are no labels, or the size of no photo is known.
    """
    notes = Notes()
    root = path if path.is_dir() else path.parent
    tasks = list(chosen_tasks(read_tasks(path, notes), notes, path))
    photos = reading.images or root
    found = _photos(photos, [task.photo for task in tasks])
    builder = Builder(photos=photos if found else reading.images, notes=notes)
    regions = {id(task): list(_regions(task, notes)) for task in tasks}
    names = {each.label for own in regions.values() for each in own}
    for name in dict.fromkeys([*_classes(root / CONFIG, notes), *sorted(names)]):
        builder.category(name)
    numbered = _are_numbers([each.number for own in regions.values() for each in own])
    taken: set[str] = set()
    for task in told(tasks, reading.on_event, "reading labels"):
        file = found.get(task.photo)
        name = file or _without_prefix(plain_name(task.photo))
        size = _size(task, photo_size(photos, file) if file else None, notes)
        if not name or not size:
            notes.add("tasks without the name or the size of their photo: left out", task.where)
            continue
        if name in taken:
            notes.add("tasks of a photo that another task has: left out", task.where)
            continue
        taken.add(name)
        split = task.data.get("split")
        image = builder.image(name, size, split=split if isinstance(split, str) else "")
        shapes = [
            shape
            for each in regions[id(task)]
            for shape in each.shapes(size, numbered, notes, task.where)
        ]
        add_objects(builder, image, shapes, task.where)
    if not builder.labels().images:
        raise ArgumentError(
            f"{path}: the sizes of its photos are not known; give their folder as {{images}}"
        )
    return builder.labels()


class Region:
    """An object of a task: what Label Studio saves of it, by its id.

    Attributes:
        number: Its id.
        label: Its class.
    """

    def __init__(self, number: str, items: list[Record], notes: Notes, where: str) -> None:
        self.number, self._items = number, items
        values = [item["value"] for item in items]
        labels = [name for value in values for name in _labels(value)]
        chosen = [name for value in values for name in _names(value.get("choices"))]
        named = list(dict.fromkeys(labels or chosen))
        if not named:
            notes.add(f"objects without a label: their class is {NO_LABEL!r}", where)
        if len(named) > 1:
            notes.add("objects of several labels: the first is their class", where)
        self.label = named[0] if named else NO_LABEL
        self._more = {"attributes": self._attributes(named, by_choice=not labels)}

    def _attributes(self, named: list[str], *, by_choice: bool) -> Record | None:
        found: Record = {"labels": ", ".join(named)} if len(named) > 1 else {}
        for item in self._items:
            for key in _CHOSEN:
                value = item["value"].get(key)
                if value is not None and not (key == "choices" and by_choice):
                    single = isinstance(value, list) and len(value) == 1
                    found[str(item.get("from_name", key))] = value[0] if single else value
            meta = item.get("meta")
            if isinstance(meta, dict) and meta.get("text"):
                found["meta"] = " ".join(_names(meta["text"]))
        return found or None

    def shapes(
        self, size_wh: tuple[int, int], numbered: bool, notes: Notes, where: str
    ) -> Iterator[Drawn]:
        """Its shapes; several of one region are parts of an object."""
        seen: list[Record] = []
        for item in self._items:
            own = {key: value for key, value in item["value"].items() if key in _SHAPE_KEYS}
            if own in seen or not _is_shape(own):
                continue
            seen.append(own)
            more = {**self._more, "score": score_of(item.get("score"))}
            if numbered:
                more["id"] = int(self.number)
            try:
                shape = _shape(own, size_wh)
            except ValueError as problem:
                notes.add(f"objects with {problem}: left out", where)
                continue
            yield Drawn(label=self.label, group=self.number, more=more, **shape)


def _regions(task: Task, notes: Notes) -> Iterator[Region]:
    """The objects of a task that have a shape."""
    by_id: dict[str, list[Record]] = {}
    for place, item in enumerate(task.results):
        if isinstance(item.get("value"), dict) and item.get("type") != "relation":
            number = item.get("id")
            by_id.setdefault(f"?{place}" if number is None else str(number), []).append(item)
    for number, items in by_id.items():
        if any(_is_shape(item["value"]) for item in items):
            yield Region(number, items, notes, task.where)
            continue
        for item in items:
            if item.get("item_index"):
                continue
            value = item["value"]
            kind = next((words for key, words in _NOT_READ.items() if key in value), None)
            if kind is None and {"x", "y"} <= value.keys():
                kind = "key points"
            if kind:
                notes.add(f"{kind}: left out", task.where)


def _is_shape(value: Mapping[str, Any]) -> bool:
    keys = value.keys()
    return bool({"points", "rle", "radiusX"} & keys) or {"x", "y", "width", "height"} <= keys


def _shape(value: Mapping[str, Any], size_wh: tuple[int, int]) -> dict[str, Any]:
    """The ring, box or mask of a shape, as in `Drawn`; percent become pixels."""
    scale = np.array(size_wh) / 100
    if "rle" in value:
        return {"mask": decode_brush(value["rle"], size_wh[::-1])}
    if "points" in value:
        points = _numbers(value["points"])
        if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
            raise ValueError("fewer than 3 points")
        return {"ring": (points * scale).round(_DIGITS)}
    degrees = float(_numbers(value.get("rotation") or 0))
    corner = _numbers([value.get("x"), value.get("y")]) * scale
    if "radiusX" in value:
        radii = _numbers([value["radiusX"], value.get("radiusY")]) * scale
        ring = ellipse((corner[0], corner[1]), (radii[0], radii[1]), degrees)
        return {"ring": ring.round(_DIGITS)}
    far = (corner + _numbers([value["width"], value["height"]]) * scale).round(_DIGITS)
    left, top = corner.round(_DIGITS).tolist()
    right, bottom = far.tolist()
    if not degrees % 360:
        return {"box": (left, top, right, bottom)}
    ring = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    return {"ring": turned(ring, (left, top), degrees).round(_DIGITS)}


def _numbers(values: object) -> Any:
    try:
        found = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("coordinates that are no numbers") from error
    if not np.isfinite(found).all():
        raise ValueError("coordinates that are no numbers")
    return found


def _labels(value: Mapping[str, Any]) -> list[str]:
    """The labels in `polygonlabels`, `labels` and the like."""
    return [
        name for key, names in value.items() if key.endswith("labels") for name in _names(names)
    ]


def _names(values: object) -> list[str]:
    values = values if isinstance(values, list) else [values]
    return [str(each) for each in values if isinstance(each, str | int | float) and str(each)]


def _are_numbers(ids: list[str]) -> bool:
    """Whether ids are whole numbers, no two of them equal."""
    return all(each.isdecimal() and len(each) < 16 for each in ids) and len(set(ids)) == len(ids)


def _photos(root: Path, names: Iterable[str]) -> dict[str, str]:
    """The file of each photo, by the name that its task has; uploaded ones may lack a prefix."""
    wanted = [name for name in names if plain_name(name)]
    found = find_photos(root, wanted)
    bare = {name: _without_prefix(name) for name in wanted if name not in found}
    again = find_photos(root, [each for name, each in bare.items() if each != name])
    return found | {name: again[each] for name, each in bare.items() if each in again}


def _without_prefix(name: str) -> str:
    folder, slash, base = name.rpartition("/")
    return folder + slash + _PREFIX.sub("", base, count=1)


def _size(task: Task, of_photo: tuple[int, int] | None, notes: Notes) -> tuple[int, int] | None:
    """Width and height of a task's photo: its own, else those that its labels tell."""
    stated = next(filter(None, map(_stated, task.results)), None)
    if of_photo and stated and of_photo != stated:
        notes.add("photos of another size than in their task: outlines are scaled", task.where)
    size = task.data.get("width"), task.data.get("height")
    return of_photo or stated or _stated({"original_width": size[0], "original_height": size[1]})


def _stated(item: Mapping[str, Any]) -> tuple[int, int] | None:
    size = item.get("original_width"), item.get("original_height")
    if all(isinstance(side, int | float) and 1 <= side < 1e6 for side in size):
        return math.floor(size[0]), math.floor(size[1])  # type: ignore[arg-type]
    return None


def _classes(file: Path, notes: Notes) -> list[str]:
    """The labels of a labeling configuration; [] without one."""
    if not file.is_file():
        return []
    try:
        root = read_xml(file)
    except InputError:
        notes.add(f"{CONFIG} is not readable: the order of classes is that of their names")
        return []
    return [value for each in root.iter("Label") if (value := each.get("value"))]
