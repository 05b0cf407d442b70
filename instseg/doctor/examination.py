"""The result of an examination: findings, statistics and the valid records."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from instseg.core.html_table import html_table
from instseg.core.wording import count as counted
from instseg.doctor.dataset_checks import objects_per_class
from instseg.doctor.findings import Finding
from instseg.doctor.mask_checks import Drawn
from instseg.doctor.photos import PhotoFacts
from instseg.doctor.rules import Severity
from instseg.doctor.table import Table
from instseg.files.near_names import NearNames

PhotoDepth = Literal["no", "headers", "all"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, kw_only=True, eq=False)
class Surroundings:
    """The photos and validation set that a document is compared with; read once.

    Attributes:
        folder: Where the photos are; None for no checks of photos.
        there: The photos that are in the folder, of those that the document names or means.
        photos: What they are; None when only their presence is checked.
        sizes_wh: Width and height of those whose size is known.
        near: Which photos are meant by names that none has.
        val: The validation set.
        val_photos: Its photos.
    """

    folder: Path | None = None
    there: Set[str] = frozenset()
    photos: Mapping[str, PhotoFacts] | None = None
    sizes_wh: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    near: NearNames = field(default_factory=NearNames)
    val: Table | None = None
    val_photos: Mapping[str, PhotoFacts] | None = None

    def size_of(self, file_name: str) -> tuple[int, int] | None:
        """Width and height of a photo, upright; None if unknown."""
        return self.sizes_wh.get(self.near.found.get(file_name, file_name))


@dataclass(frozen=True, kw_only=True, eq=False)
class Examination:
    """Findings and statistics of a dataset.

    Attributes:
        findings: The most severe first.
        statistics: Counts and sizes of the sound records, ready for JSON.
        document: What was examined, as it was read.
        table: The sound records.
        surroundings: What the document was compared with.
        coco_json: The file, or the data of another format that was read; None for a document from
            memory.
        report: The report, if one was written.
    """

    findings: tuple[Finding, ...]
    statistics: dict[str, Any]
    document: Any = field(repr=False)
    table: Table = field(repr=False)
    surroundings: Surroundings = field(repr=False)
    coco_json: Path | None = None
    report: Path | None = None

    @property
    def ok(self) -> bool:
        """Whether there is no error; there may be warnings."""
        return not self.count("error")

    def count(self, severity: str) -> int:
        """Number of findings of a severity."""
        return sum(each.severity == severity for each in self.findings)

    def summary(self) -> str:
        """`2 errors, 1 warning, 0 notes`."""
        return ", ".join(counted(self.count(severity), severity) for severity in SEVERITIES)

    def __repr__(self) -> str:
        """One line: `Examination(2 errors, 1 warning, 0 notes; 3 images with 8 objects)`."""
        return f"{type(self).__name__}({self.summary()}; {contents(self.statistics)})"

    def _repr_html_(self) -> str:
        """A table of the findings, for notebooks."""
        heads = ("severity", "code", "count", "message", "first ids")
        rows = [
            (f.severity, f.code, f"{f.count:,}", f.message, ", ".join(map(str, f.ids)))
            for f in self.findings
        ]
        return html_table(heads, rows, caption=f"{self.summary()}; {contents(self.statistics)}")


def contents(statistics: Mapping[str, Any]) -> str:
    """`3 images with 8 objects`."""
    images, objects = (counted(statistics[f"{each}s"], each) for each in ("image", "object"))
    return f"{images} with {objects}"


def statistics_of(table: Table, drawn: Drawn) -> dict[str, Any]:
    """Counts and sizes of the sound records, ready for JSON.

    Sizes of objects are COCO's: small below 32 x 32 pixels, large from 96 x 96, by the mask's area
    where there is one, otherwise by the stated one.
    """
    areas = np.where(np.isnan(drawn.areas), table.areas, drawn.areas)[~table.crowd]
    per_image = dict.fromkeys(table.images, 0)
    for number in table.image_ids[~table.crowd].tolist():
        per_image[number] += 1
    sizes = [
        (table.image(number)["width"], table.image(number)["height"]) for number in table.images
    ]
    return {
        "images": len(table.images),
        "objects": int((~table.crowd).sum()),
        "crowds": int(table.crowd.sum()),
        "classes": dict(objects_per_class(table).most_common()),
        "objects_per_image": _spread(list(per_image.values())),
        "object_sizes": {
            "small": int((areas < 32**2).sum()),
            "medium": int(((areas >= 32**2) & (areas < 96**2)).sum()),
            "large": int((areas >= 96**2).sum()),
        },
        "image_width": _spread([width for width, _ in sizes]),
        "image_height": _spread([height for _, height in sizes]),
    }


def _spread(values: list[int]) -> dict[str, float]:
    if not values:
        return {}
    numbers = np.array(values)
    return {
        "least": int(numbers.min()),
        "median": float(np.median(numbers)),
        "mean": round(float(numbers.mean()), 2),
        "most": int(numbers.max()),
    }
