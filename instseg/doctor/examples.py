"""Photos of a dataset with their annotations as they are stated, sound or not, to be looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.instances import Instances, Masks
from instseg.doctor.findings import Finding
from instseg.doctor.polygons import Polygons, clipped
from instseg.doctor.table import Table
from instseg.files.coco_json import leads_out
from instseg.files.image import read_image

_LONGEST_CAPTION = 200  # characters; more than there is room for


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """An example photo.

    Attributes:
        image: uint8 RGB (H, W, 3).
        instances: Masks and, as stated, boxes; None where the photo has another size.
        caption: File name and objects.
        troubles: Codes of errors and warnings found in it.
    """

    image: NDArray[np.uint8]
    instances: Instances | None
    caption: str
    troubles: tuple[str, ...]


def examples(
    table: Table,
    findings: Sequence[Finding],
    folder: Path,
    count: int,
    meant: Mapping[str, str] | None = None,
) -> Iterator[Example]:
    """Up to `count` photos: half of them with troubles, the others spread over the dataset.

    Photos that cannot be read are left out.

    Args:
        table: The dataset.
        findings: What was found in it.
        folder: Where its photos are.
        count: Of photos.
        meant: The file of each name that no file has, as far as it is known.
    """
    troubles = _troubles(table, findings)
    ill = [number for number in table.images if number in troubles]
    chosen = dict.fromkeys(_spread(ill, count // 2))
    well = [number for number in table.images if number not in chosen]
    chosen.update(dict.fromkeys(_spread(well, count - len(chosen))))
    groups = {int(table.image_ids[group[0]]): group for group in table.by_image()}
    for number in chosen:
        record = table.image(number)
        name = (meant or {}).get(record["file_name"], record["file_name"])
        if leads_out(name):
            continue
        try:
            image = read_image(folder / name)
        except (InputError, ValueError):
            continue
        found = None
        if image.shape[:2] == (record["height"], record["width"]):
            found = stated_instances(
                table, groups.get(number, np.array([], dtype=np.int64)), record
            )
        names = Counter(found.names) if found else {}
        words = ", ".join(f"{name} {times}" for name, times in names.items())
        nothing = "no objects" if found is not None else "not of its stated size"
        caption = " ".join(f"{record['file_name']}: {words or nothing}".split())[:_LONGEST_CAPTION]
        yield Example(
            image=image, instances=found, caption=caption, troubles=tuple(troubles.get(number, ()))
        )


def _troubles(table: Table, findings: Sequence[Finding]) -> dict[int, list[str]]:
    """The codes of errors and warnings of each image."""
    image_of = dict(zip(table.rows.tolist(), table.image_ids.tolist(), strict=True))
    image_at = {row: number for number, row in table.images.items()}
    troubles: dict[int, list[str]] = {}
    for each in findings:
        places = {"annotations": image_of, "images": image_at}.get(each.section, {})
        if each.severity != "note":
            for number in {places[row] for row in each.rows if row in places}:
                troubles.setdefault(number, []).append(each.code)
    return troubles


def _spread(numbers: Sequence[int], count: int) -> list[int]:
    places = np.linspace(0, len(numbers) - 1, min(count, len(numbers))).round().astype(int)
    return [numbers[place] for place in places]


def stated_instances(table: Table, group: NDArray[np.int64], record: Any) -> Instances:
    """Annotations of an image, as indices of the table, with their stated boxes."""
    size_hw = (record["height"], record["width"])
    masks = Masks.concatenate([Masks.empty(size_hw), *(_mask(table, i, size_hw) for i in group)])
    boxes = np.hstack([table.boxes[group, :2], table.boxes[group, :2] + table.boxes[group, 2:]])
    numbers = sorted(table.categories)
    return Instances(
        boxes=np.where(np.isnan(boxes), masks.boxes_xyxy(), boxes),
        class_ids=np.searchsorted(numbers, table.category_ids[group]) + 1,
        scores=np.ones(len(group), dtype=np.float32),
        masks=masks,
        class_names=("BG", *map(table.class_name, numbers)),
    )


def _mask(table: Table, index: int, size_hw: tuple[int, int]) -> Masks:
    """A mask as far as it can be drawn; an empty one if it cannot."""
    given = table.segmentations[index]
    try:
        if isinstance(given, dict):
            return Masks.from_rle([given], size_hw)
        polygons = Polygons.collect([given])
        parts = [clipped(part, size_hw[::-1]) for part in polygons.parts_of(0)]
        return Masks.from_polygons([[p.ravel().tolist() for p in parts if len(p) > 2]], size_hw)
    except (ValueError, KeyError, TypeError, OverflowError):
        return Masks.from_polygons([[]], size_hw)
