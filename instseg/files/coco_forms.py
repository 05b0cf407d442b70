"""COCO documents with the variations that other tools write, if their meaning is unambiguous.

Ids as 1.0, as text or as uuid, missing sizes, names in URLs, masks and boxes in other forms:
training and the doctor, which lists all of these, read them in the same way.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from instseg.files.coco_masks import box_of, is_plain, number_of, outline_of

SizeOf = Callable[[str], tuple[int, int] | None]
"""Width and height of a photo by its name; None if it is missing."""

ORIGINAL_ID = "original_id"

_WHOLE = re.compile(r"\s*([+-]?\d{1,18})(?:\.0*)?\s*")
_FLAGS = {"0": 0, "1": 1, "false": 0, "true": 1, "0.0": 0, "1.0": 1}
_URLS = ("coco_url", "flickr_url", "url")


@dataclass(frozen=True, kw_only=True)
class Form:
    """Values of a record that are read differently from how they are written.

    Attributes:
        code: Kind of difference: number-form, id-form, name-form, size-form, mask-form,
            polygon-flat or box-form.
        section: "images", "annotations" or "categories".
        row: Index of the record.
        values: Keys and values as they are read.
    """

    code: str
    section: str
    row: int
    values: Mapping[str, Any]


def as_read(document: Any, size_of: SizeOf | None = None) -> tuple[Any, list[Form]]:
    """A document as it is read, and its differences from what is written.

    Args:
        document: Any JSON value; it is not modified.
        size_of: Gives the sizes of photos that the document lacks.
    """
    if not isinstance(document, dict):
        return document, []
    sections = ("images", "categories", "annotations")
    reading = _Reading(
        records={
            name: [*found] for name in sections if isinstance(found := document.get(name), list)
        }
    )
    _read_names(reading)
    images = _renumber(reading, "images", "file_name", "image_id")
    categories = _renumber(reading, "categories", "name", "category_id")
    _renumber(reading, "annotations", None, None)
    _read_sizes(reading, size_of)
    _read_annotations(reading, images, categories)
    return {**document, **reading.records}, reading.forms


@dataclass(kw_only=True)
class _Reading:
    """The lists of a document, whose records are replaced if they are read differently."""

    records: dict[str, list[Any]]
    forms: list[Form] = field(default_factory=list)

    def of(self, section: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """The records of a section that are objects, with their rows."""
        for row, record in enumerate(self.records.get(section, ())):
            if type(record) is dict:
                yield row, record

    def set(self, code: str, section: str, row: int, **values: Any) -> None:
        """Replace values of a record by others, and note the difference."""
        self.records[section][row] = {**self.records[section][row], **values}
        self.forms.append(Form(code=code, section=section, row=row, values=values))


def whole(value: Any) -> Any:
    """The whole number for 1.0 or a text; any other value unchanged."""
    if type(value) is float and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if type(value) is str and (found := _WHOLE.fullmatch(value)):
        return int(found[1])
    return value


def _is_id(value: object) -> bool:
    return type(value) is int and abs(value) < 2**53


def _read_names(reading: _Reading) -> None:
    """File names that are only given by a URL, and class names that are numbers."""
    for row, record in reading.of("images"):
        name = record.get("file_name")
        if name is None or name == "":
            urls = [record.get(key) for key in _URLS]
            parts = [last_part(url) for url in urls if isinstance(url, str)]
            if found := next(filter(None, parts), None):
                reading.set("name-form", "images", row, file_name=found)
    for row, record in reading.of("categories"):
        if type(name := record.get("name")) in (int, float):
            reading.set("name-form", "categories", row, name=str(name))


def last_part(url: str) -> str:
    """The file name at the end of a URL or path."""
    try:
        path = urlsplit(url).path
    except ValueError:
        path = url
    return unquote(path).replace("\\", "/").rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class _Ids:
    """The ids of a section and the numbers by which they are read.

    Attributes:
        numbers: All numbers in use.
        by_original: The number of each id that is not a whole number.
        by_name: The number of each file or class name that only one record has.
    """

    numbers: set[int]
    by_original: dict[Any, int]
    by_name: dict[str, int]

    def read(self, reference: Any) -> Any:
        """The number of the record that a reference means; the reference itself if unknown."""
        if type(reference) not in (int, float, str):
            return reference
        if reference in self.by_original:
            return self.by_original[reference]
        number = whole(reference)
        if number not in self.numbers and reference in self.by_name:
            return self.by_name[reference]
        return number


def _renumber(
    reading: _Reading, section: str, name_key: str | None, reference_key: str | None
) -> _Ids:
    """Read the ids of a section as whole numbers; other ids get new numbers.

    Text, uuids and huge numbers are numbered after the largest whole number; the old ids are kept
    too. A record without an id gets a number if references name it by its file or class.
    """
    ids: dict[int, Any] = {row: record.get("id") for row, record in reading.of(section)}
    if all(map(_is_id, ids.values())):
        read = ids.copy()
    else:
        read = {row: whole(value) for row, value in ids.items()}
        shared = {n for n, times in Counter(filter(_is_id, read.values())).items() if times > 1}
        for row, number in read.items():  # "7" and "007" are different
            if type(ids[row]) is str and _is_id(number) and number in shared:
                read[row] = ids[row]
    numbers = {number for number in read.values() if _is_id(number)}
    counts = Counter(value for value in read.values() if _can_be_numbered(value))
    following = max([0, *numbers])
    names = _names_of_one(reading, section, name_key)
    wanted = _references(reading, reference_key) if len(read) > len(numbers) else set()
    by_original: dict[Any, int] = {}
    for row, value in read.items():
        nameless = value is None and names.get(row) in wanted
        if nameless or (_can_be_numbered(value) and counts[value] == 1):
            following += 1
            old = (
                {}
                if nameless or ORIGINAL_ID in reading.records[section][row]
                else {ORIGINAL_ID: value}
            )
            reading.set("id-form", section, row, id=following, **old)
            read[row] = following
            if not nameless:
                by_original[value] = following
        elif value is not ids[row]:
            reading.set("number-form", section, row, id=value)
    by_name = {name: read[row] for row, name in names.items() if _is_id(read[row])}
    return _Ids(numbers=numbers, by_original=by_original, by_name=by_name)


def _can_be_numbered(value: object) -> bool:
    """Whether an id that is not a whole number can identify a record."""
    if type(value) is str:
        return bool(value.strip())
    return type(value) in (int, float) and not _is_id(value) and value == value


def _names_of_one(reading: _Reading, section: str, key: str | None) -> dict[int, str]:
    """The names that only one record has, by row."""
    if key is None:
        return {}
    names = {row: record.get(key) for row, record in reading.of(section)}
    texts = {row: name for row, name in names.items() if type(name) is str}
    times = Counter(texts.values())
    return {row: name for row, name in texts.items() if times[name] == 1}


def _references(reading: _Reading, key: str | None) -> set[str]:
    """The texts by which annotations name their image or category."""
    values = (record.get(key) for _, record in reading.of("annotations")) if key else ()
    return {value for value in values if type(value) is str}


def _read_sizes(reading: _Reading, size_of: SizeOf | None) -> None:
    for row, record in reading.of("images"):
        sides = {key: record.get(key) for key in ("width", "height")}
        if all(type(side) is int and side > 0 for side in sides.values()):
            continue
        read = {key: whole(side) for key, side in sides.items()}
        if all(type(side) is int and side > 0 for side in read.values()):
            reading.set("number-form", "images", row, **read)
        elif any(side is None or side == 0 for side in read.values()) and size_of:
            name = record.get("file_name")
            size = size_of(name) if isinstance(name, str) else None
            if size:
                reading.set("size-form", "images", row, width=size[0], height=size[1])


def _read_annotations(reading: _Reading, images: _Ids, categories: _Ids) -> None:
    for row, record in reading.of("annotations"):
        numbers = {}
        for key, ids in (("image_id", images), ("category_id", categories)):
            value = record.get(key)
            if not (type(value) is int and value in ids.numbers):
                number = ids.read(value)
                if number is not value:
                    numbers[key] = number
        for key in ("area", "score"):
            given = record.get(key)
            if type(given) is str and (number := number_of(given)) is not None:
                numbers[key] = number
        flag = record.get("iscrowd")
        if type(flag) in (str, float) and (text := str(flag).strip().lower()) in _FLAGS:
            numbers["iscrowd"] = _FLAGS[text]
        if numbers:
            reading.set("number-form", "annotations", row, **numbers)
        given = record.get("bbox")
        box = box_of(given)
        if box is not given:
            reading.set("box-form", "annotations", row, bbox=box)
        mask = record.get("segmentation")
        if not is_plain(mask) and (read := outline_of(mask, box)) is not mask and read != mask:
            flat = type(mask) is list and type(mask[0]) in (int, float)
            code = "polygon-flat" if flat else "mask-form"
            reading.set(code, "annotations", row, segmentation=read)
