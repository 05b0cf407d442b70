"""The photos in the report of an examination: some of each finding, with the objects concerned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.wording import printable
from instseg.doctor.examination import Examination
from instseg.doctor.examples import stated_instances
from instseg.doctor.findings import SHOWN_IDS, Finding
from instseg.doctor.table import Table
from instseg.files.coco_json import leads_out
from instseg.files.image import read_image
from instseg.report.components import Layer, Photo
from instseg.report.photo_names import unique_name

WELL = "no finding"
"""The tag of photos that no finding concerns."""
CONCERNED, OTHERS = "in findings", "others"
_NONE = np.array([], dtype=np.int64)

Places = Mapping[int, list[int]]
"""By image id, the rows of its annotations that a finding concerns; none if it is the image."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ChosenPhotos:
    """The photos of a report.

    Attributes:
        examination: What was examined.
        places: What each finding concerns, by its place in the list of findings.
        numbers: Image ids of the photos, those of the worst findings first.
    """

    examination: Examination
    places: tuple[Places, ...]
    numbers: tuple[int, ...]

    def shown(self, finding: int) -> int:
        """How many of the photos a finding concerns."""
        return sum(number in self.places[finding] for number in self.numbers)

    def __iter__(self) -> Iterator[Photo]:
        """One photo after the other; only photos whose pixels are not those of a file are read."""
        table = self.examination.table
        groups = {int(table.image_ids[group[0]]): group for group in table.by_image()}
        taken: set[str] = set()
        for number in self.numbers:
            file_name = printable(table.image(number)["file_name"])
            name = unique_name(file_name, f"image {number}", taken)
            yield self._photo(name, number, groups.get(number, _NONE))

    def _photo(self, name: str, number: int, group: NDArray[np.int64]) -> Photo:
        examination = self.examination
        found = [
            (finding, places[number])
            for finding, places in zip(examination.findings, self.places, strict=True)
            if number in places
        ]
        record = examination.table.image(number)
        image = pixels_of(_path(examination, number), (record["height"], record["width"]))
        lines = [_line(examination.table, finding, rows) for finding, rows in found]
        if image is None:
            lines.append(f"not of its stated size, {record['width']} x {record['height']}")
        return Photo(
            name=name,
            image=_path(examination, number) if image is None else image,
            layers=() if image is None else layers_of(examination.table, group, found),
            values={"findings": len(found), "objects": len(group)},
            tags=[finding.code for finding, _ in found] or [WELL],
            lines=lines,
        )


def choose_photos(examination: Examination, count: int, seed: int) -> ChosenPhotos:
    """Choose photos of each finding, and as many that no finding concerns, at random.

    Args:
        examination: What was examined.
        count: Photos of each finding, at most; a photo may be of several.
        seed: Random seed of the choice.
    """
    places = tuple(places_of(each, examination.table) for each in examination.findings)
    numbers: dict[int, None] = {}
    readable: dict[int, bool] = {}
    rng = np.random.default_rng(seed)
    ill = {number for each in places for number in each}
    well = [number for number in examination.table.images if number not in ill]
    for candidates in (*places, well):
        wanted = count - sum(number in candidates for number in numbers)
        order = sorted(number for number in candidates if number not in numbers)
        for number in rng.permutation(np.array(order, dtype=np.int64)).tolist():
            if wanted <= 0:
                break
            if number not in readable:
                readable[number] = _is_readable(examination, number)
            if readable[number]:
                numbers[number] = None
                wanted -= 1
    return ChosenPhotos(examination=examination, places=places, numbers=tuple(numbers))


def places_of(finding: Finding, table: Table) -> Places:
    """The images that a finding concerns; those of a class are the images with its objects."""
    places: dict[int, list[int]] = {}
    if finding.section == "images":
        image_at = {row: number for number, row in table.images.items()}
        places = {image_at[row]: [] for row in finding.rows if row in image_at}
    elif finding.section == "annotations":
        records = table.document["annotations"]
        for row in finding.rows:
            number = records[row].get("image_id") if isinstance(records[row], dict) else None
            if type(number) is int and number in table.images:
                places.setdefault(number, []).append(row)
    elif finding.section == "categories":
        category_at = {row: number for number, row in table.categories.items()}
        chosen = [category_at[row] for row in finding.rows if row in category_at]
        for index in np.flatnonzero(np.isin(table.category_ids, chosen)).tolist():
            rows = places.setdefault(int(table.image_ids[index]), [])
            rows.append(int(table.rows[index]))
    return places


def layers_of(
    table: Table, group: NDArray[np.int64], found: list[tuple[Finding, list[int]]]
) -> list[Layer]:
    """The annotations of an image as they are stated: those that findings concern, and others.

    Where findings concern single annotations, the objects of classes with a finding are others.

    Args:
        table: The dataset.
        group: The image's annotations, as indices of the table.
        found: Its findings, each with the rows of the annotations concerned.
    """
    single = [(finding, rows) for finding, rows in found if finding.section == "annotations"]
    codes: dict[int, list[str]] = {}
    for finding, rows in single or found:
        for row in rows:
            codes.setdefault(row, []).append(finding.code)
    concerned = np.array([int(table.rows[index]) in codes for index in group], dtype=bool)
    record = table.image(int(table.image_ids[group[0]])) if len(group) else {}
    layers = []
    for name, chosen in ((CONCERNED, group[concerned]), (OTHERS, group[~concerned])):
        if len(chosen):
            layers.append(
                Layer(
                    name=name,
                    instances=stated_instances(table, chosen, record),
                    notes=[_note(table, index, codes) for index in chosen.tolist()],
                    keys=[_annotation_id(table, index) for index in chosen.tolist()],
                )
            )
    return layers


def pixels_of(path: Path, size_hw: tuple[int, int]) -> Path | NDArray[np.uint8] | None:
    """A photo of the stated size: its file, or its pixels as they are stored if these have it.

    None if neither has; annotations cannot be drawn over it then.
    """
    if read_image(path).shape[:2] == size_hw:
        return path
    stored = read_image(path, upright=False)
    return stored if stored.shape[:2] == size_hw else None


def _path(examination: Examination, number: int) -> Path:
    around = examination.surroundings
    name = examination.table.image(number)["file_name"]
    return Path(around.folder or "", around.near.found.get(name, name))


def _is_readable(examination: Examination, number: int) -> bool:
    around = examination.surroundings
    name = examination.table.image(number)["file_name"]
    name = around.near.found.get(name, name)
    if around.folder is None or leads_out(name):
        return False
    try:
        read_image(around.folder / name)
    except (InputError, ValueError):
        return False
    return True


def _annotation_id(table: Table, index: int) -> int:
    number: int = table.document["annotations"][int(table.rows[index])]["id"]
    return number


def _note(table: Table, index: int, codes: Mapping[int, list[str]]) -> str:
    """What is said of an object: its findings, with the stated values that they are about."""
    found = codes.get(int(table.rows[index]), [])
    words = [", ".join(found)] if found else []
    words += ["crowd"] if table.crowd[index] else []
    if any(code.startswith("box-") for code in found):
        words.append(f"stated box {', '.join(f'{side:g}' for side in table.boxes[index])}")
    if any(code.startswith("area-") for code in found):
        words.append(f"stated area {table.areas[index]:g}")
    return "; ".join(words)


def _line(table: Table, finding: Finding, rows: list[int]) -> str:
    """A finding below a photo: its code, and the ids of the annotations concerned."""
    line = f"{finding.severity} {finding.code}"
    if not rows:
        return line
    records = (table.document["annotations"][row] for row in rows[:SHOWN_IDS])
    ids = ", ".join(str(record.get("id", "without id")) for record in records)
    return printable(f"{line}: annotations {ids}" + (", ..." if len(rows) > SHOWN_IDS else ""))
