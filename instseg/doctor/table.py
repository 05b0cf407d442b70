"""The valid records of a COCO document as columns, and findings for the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.doctor.findings import Finding, finding
from instseg.files.coco_forms import ORIGINAL_ID, Form, SizeOf, as_read
from instseg.files.coco_masks import is_blank
from instseg.system.memory import no_garbage_collection

_OTHER_FORMATS = {
    "shapes": "a LabelMe file of one photo",
    "_via_img_metadata": "a project of the VGG Image Annotator",
    "features": "a GeoJSON file",
    "results": "a document of results",
}
_LARGEST = 1e12  # no pixel lies further away; keeps arithmetic away from overflow


def image_records(document: Any) -> list[dict[str, Any]]:
    """All images of a document that have a file name, as they are read, sound or not."""
    records = document.get("images") if isinstance(document, dict) else None
    images, _ = as_read({"images": records})
    found = images["images"] if isinstance(records, list) else []
    return [r for r in found if isinstance(r, dict) and isinstance(r.get("file_name"), str)]


def is_whole(value: object) -> bool:
    """Whether a JSON value is a whole number that every program can hold."""
    return type(value) is int and abs(value) < 2**53


def is_number(value: object) -> bool:
    """Whether a JSON value is a finite number of sensible size."""
    return type(value) in (int, float) and abs(value) < _LARGEST  # type: ignore[arg-type]


def _is_size(value: object) -> bool:
    return type(value) is int and 0 < value < 2**31


def _is_name(value: object) -> bool:
    if not isinstance(value, str) or not value.strip():
        return False
    return value.isascii() or value == whole_text(value)


def whole_text(text: str) -> str:
    """Text with "?" for halves of characters, which JSON may hold, but no UTF-8 file or name."""
    return text.encode("utf-8", "replace").decode()


KEYS: dict[str, dict[str, Callable[[object], bool]]] = {
    "images": {"id": is_whole, "file_name": _is_name, "width": _is_size, "height": _is_size},
    "categories": {"id": is_whole, "name": _is_name},
    "annotations": {"id": is_whole, "image_id": is_whole, "category_id": is_whole},
}
"""What every record must have, by section; boxes, masks and areas are checks of their own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """The sound records of a COCO document; N annotations, all of known images and categories.

    Attributes:
        document: Where the records lie, as it is read.
        images: The row of each image id.
        categories: The row of each category id.
        rows: int64 (N,), the annotations' places in the document.
        image_ids: int64 (N,).
        category_ids: int64 (N,).
        sizes_wh: float64 (N, 2), stated width and height of the annotation's image in pixels.
        boxes: float64 (N, 4), x, y, width, height as stated; NaN where there is no such box.
        areas: float64 (N,) as stated, NaN where there is none.
        crowd: bool (N,).
        segmentations: N values as they are in the document, None where missing or empty.
    """

    document: Any
    images: Mapping[int, int]
    categories: Mapping[int, int]
    rows: NDArray[np.int64]
    image_ids: NDArray[np.int64]
    category_ids: NDArray[np.int64]
    sizes_wh: NDArray[np.float64]
    boxes: NDArray[np.float64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    segmentations: list[Any]

    def __len__(self) -> int:
        return len(self.rows)

    def image(self, image_id: int) -> Mapping[str, Any]:
        """The record of an image."""
        record: Mapping[str, Any] = self.document["images"][self.images[image_id]]
        return record

    def class_name(self, category_id: int) -> str:
        """The name of a category."""
        return str(self.document["categories"][self.categories[category_id]]["name"])

    def found(self, code: str, chosen: NDArray[Any], detail: object = "") -> list[Finding]:
        """A finding on annotations, if there are any.

        Args:
            code: A key of `RULES`.
            chosen: bool (N,), or indices 0..N-1.
            detail: See `finding`.
        """
        rows = self.rows[chosen].tolist()
        return [finding(code, self.document, "annotations", rows, detail)] if rows else []

    def by_image(self) -> list[NDArray[np.int64]]:
        """The annotations of each image that has any, as indices 0..N-1."""
        order = np.argsort(self.image_ids, kind="stable")
        borders = np.flatnonzero(np.diff(self.image_ids[order])) + 1
        return np.split(order, borders) if len(order) else []


@no_garbage_collection()
def tabulate(document: Any, size_of: SizeOf | None = None) -> tuple[Table, list[Finding]]:
    """Sort the records of any JSON value into sound ones and findings.

    Args:
        document: The value, not modified; the table has the document as it is read.
        size_of: Tells the size of photos where the document does not.
    """
    other = format_of(document)
    if other:
        found = [finding("not-coco", document, detail=other)]
        document = document if isinstance(document, dict) else {}
    else:
        document, forms = as_read(document, size_of)
        found = _of_forms(document, forms)
        missing = [name for name in KEYS if not isinstance(document.get(name), list)]
        if missing:
            found.append(finding("section-missing", document, detail=", ".join(missing)))
    sound = {section: _sound(document, section, found) for section in KEYS}
    images = _first_of_each_id(document, "images", "image-id-twice", sound, found)
    categories = _first_of_each_id(document, "categories", "category-id-twice", sound, found)
    _names_twice(document, "images", "file_name", "file-name-twice", images.values(), found)
    _names_twice(document, "categories", "name", "category-name-twice", categories.values(), found)
    _annotation_ids(document, sound["annotations"], found)
    rows = _of_known(document, sound["annotations"], images, categories, found)
    records = [document["annotations"][row] for row in rows]
    table = Table(
        document=document,
        images=images,
        categories=categories,
        rows=np.array(rows, dtype=np.int64),
        image_ids=np.array([r["image_id"] for r in records], dtype=np.int64),
        category_ids=np.array([r["category_id"] for r in records], dtype=np.int64),
        sizes_wh=_sizes_wh(document, images, records),
        boxes=np.array([_box(r.get("bbox")) for r in records], dtype=np.float64).reshape(-1, 4),
        areas=np.array([_area(r.get("area")) for r in records], dtype=np.float64),
        crowd=np.array([r.get("iscrowd") == 1 for r in records], dtype=bool),
        segmentations=[None if is_blank(s := r.get("segmentation")) else s for r in records],
    )
    return table, found


def format_of(document: Any) -> str:
    """What a document is that is no COCO dataset; "" for one that may be."""
    if isinstance(document, list):
        first = document[0] if document else None
        results = isinstance(first, dict) and {"image_id", "category_id"} <= first.keys()
        return "a list of results" if results else "a list"
    if not isinstance(document, dict):
        return f"a {type(document).__name__}"
    if any(name in document for name in KEYS):
        return ""
    return next((words for key, words in _OTHER_FORMATS.items() if key in document), "")


def _of_forms(document: Any, forms: Sequence[Form]) -> list[Finding]:
    """A finding for each way in which records are read otherwise than they are written."""
    groups: dict[tuple[str, str], list[Form]] = {}
    for form in forms:
        groups.setdefault((form.code, form.section), []).append(form)
    found = []
    for (code, section), group in groups.items():
        counts = Counter(key for form in group for key in form.values if key != ORIGINAL_ID)
        keys = ", ".join(f"{key} ({times})" for key, times in counts.most_common())
        rows = list(dict.fromkeys(form.row for form in group))
        found.append(finding(code, document, section, rows, keys))
    return found


def _sound(document: Mapping[str, Any], section: str, found: list[Finding]) -> list[int]:
    """The rows that are objects with all they must have."""
    sound, strange = [], []
    missing: dict[int, list[str]] = {}
    wrong: dict[int, list[str]] = {}
    records = document.get(section)
    for row, record in enumerate(records if isinstance(records, list) else ()):
        if type(record) is not dict:
            strange.append(row)
            continue
        unfit = [key for key, fits in KEYS[section].items() if not fits(record.get(key))]
        if not unfit:
            sound.append(row)
            continue
        absent = [key for key in unfit if key not in record]
        (missing if absent else wrong)[row] = absent or unfit
    if strange:
        example = short(document[section][strange[0]])
        found.append(finding("record-not-object", document, section, strange, example))
    if missing:
        found.append(finding("key-missing", document, section, list(missing), _keys(missing)))
    if wrong:
        row, keys = next(iter(wrong.items()))
        example = f"{_keys(wrong)}, for example {short(document[section][row][keys[0]])}"
        found.append(finding("key-type", document, section, list(wrong), example))
    return sound


def _keys(of_rows: Mapping[int, list[str]]) -> str:
    counts = Counter(key for keys in of_rows.values() for key in keys)
    return ", ".join(f"{key} ({count})" for key, count in counts.most_common())


def short(value: object) -> str:
    """Any JSON value on one short line."""
    text = value[:40] if isinstance(value, str) else value
    text = ascii(text) if not isinstance(text, list | dict) else type(text).__name__
    return text[:48]


def _first_of_each_id(
    document: Any, section: str, code: str, sound: dict[str, list[int]], found: list[Finding]
) -> dict[int, int]:
    first: dict[int, int] = {}
    again = [
        row for row in sound[section] if first.setdefault(document[section][row]["id"], row) != row
    ]
    if again:
        found.append(finding(code, document, section, again))
    return first


def _names_twice(
    document: Any, section: str, key: str, code: str, rows: Iterable[int], found: list[Finding]
) -> None:
    first: dict[str, int] = {}
    again = [row for row in rows if first.setdefault(document[section][row][key], row) != row]
    if again:
        example = short(document[section][again[0]][key])
        found.append(finding(code, document, section, again, example))


def _annotation_ids(document: Any, rows: list[int], found: list[Finding]) -> None:
    seen: set[int] = set()
    again, zero = [], []
    for row in rows:
        number = document["annotations"][row]["id"]
        if number in seen:
            again.append(row)
        elif number == 0:
            zero.append(row)
        seen.add(number)
    if again:
        found.append(finding("annotation-id-twice", document, "annotations", again))
    if zero:
        found.append(finding("annotation-id-zero", document, "annotations", zero))


def _of_known(
    document: Any,
    rows: list[int],
    images: Mapping[int, int],
    categories: Mapping[int, int],
    found: list[Finding],
) -> list[int]:
    """The annotations whose image and category exist; the others become findings."""
    records = document.get("annotations")
    lost = [row for row in rows if records[row]["image_id"] not in images]
    if lost:
        found.append(finding("unknown-image", document, "annotations", lost))
    nameless = [row for row in rows if records[row]["category_id"] not in categories]
    if nameless:
        strangers = sorted({records[row]["category_id"] for row in nameless})
        words = ", ".join(map(str, strangers[:5]))
        found.append(finding("unknown-category", document, "annotations", nameless, words))
    unknown = {*lost, *nameless}
    return [row for row in rows if row not in unknown] if unknown else rows


def _sizes_wh(document: Any, images: Mapping[int, int], records: list[Any]) -> NDArray[np.float64]:
    sizes = {
        number: (document["images"][row]["width"], document["images"][row]["height"])
        for number, row in images.items()
    }
    return np.array([sizes[r["image_id"]] for r in records], dtype=np.float64).reshape(-1, 2)


def _box(value: object) -> object:
    sound = isinstance(value, list) and len(value) == 4 and all(map(is_number, value))
    return value if sound else (np.nan,) * 4


def _area(value: object) -> object:
    return value if is_number(value) and value >= 0 else np.nan  # type: ignore[operator]
