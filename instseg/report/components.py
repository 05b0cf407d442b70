"""The components that reports are made of; `page.write_page` turns them into HTML.

They hold values, not HTML: every text is escaped where it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from instseg.core.instances import Instances


@dataclass(frozen=True, kw_only=True)
class Number:
    """A headline number.

    Attributes:
        label: What it is, as "mask AP".
        value: The number as shown.
        detail: A smaller line below it, as a 95% interval.
    """

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Headline numbers in a row."""

    numbers: Sequence[Number]
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Prose:
    """Paragraphs."""

    paragraphs: Sequence[str]
    title: str = ""


@dataclass(frozen=True)
class Written:
    """A number of a table with its own text, such as one with a sign.

    Attributes:
        value: What the table is sorted by.
        text: What is shown.
    """

    value: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that can be sorted by each column.

    Attributes:
        columns: Headings.
        rows: Texts and numbers; None is shown as "-". Numbers are right-aligned.
        title: Heading above it.
        digits: Decimals of floats.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float | Written | None]]
    title: str = ""
    digits: int = 3


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A bar, with the limits of its 95% interval if it has one; None where undefined."""

    label: str
    value: float | None
    interval: tuple[float, float] | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Horizontal bars from 0.

    Attributes:
        bars: From top to bottom.
        title: Heading above them.
        most: End of the axis; by default the largest value.
        other: A second bar for each, by label, as of other results; and what both are called.
    """

    bars: Sequence[Bar]
    title: str = ""
    most: float | None = None
    other: Mapping[str, float | None] = field(default_factory=dict)
    names: tuple[str, str] = ("", "")


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a chart; NaN interrupts it."""

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Lines:
    """A chart of lines.

    Attributes:
        lines: At most about ten that can be told apart; a legend names them.
        x_label: Of the axis.
        y_label: Of the axis.
        title: Heading above it.
        x_limits: Ends of the axis; by default those of the lines.
        y_limits: Likewise.
        diagonal: Also draw y = x, as for calibration.
    """

    lines: Sequence[Line]
    x_label: str
    y_label: str
    title: str = ""
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    diagonal: bool = False


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Counts by row and column, as of a confusion matrix.

    A click on a cell shows the photos of the page's gallery that have the tag of this cell,
    `cell:ROW:COLUMN` with the labels, where any has it.

    Attributes:
        counts: int64 (R, C).
        rows: R labels.
        columns: C labels.
        row_title: What rows are, as "truth".
        column_title: What columns are, as "prediction".
        title: Heading above it.
    """

    counts: NDArray[np.int64]
    rows: Sequence[str]
    columns: Sequence[str]
    row_title: str
    column_title: str
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture.

    Attributes:
        png: Its PNG file.
        alt: What it shows, for screen readers.
        title: Heading above it.
    """

    png: bytes
    alt: str
    title: str = ""


Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A finding about a dataset or a run.

    Attributes:
        severity: How bad it is.
        text: What it is, in a line.
        mend: What to do.
        examples: Names of files or objects, some of them.
        more: How many more there are.
        tag: The photos of the gallery with this tag belong to it; "" for none.
    """

    severity: Severity
    text: str
    mend: str = ""
    examples: Sequence[str] = ()
    more: int = 0
    tag: str = ""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """A list of findings, the worst first."""

    findings: Sequence[Finding]
    title: str = ""


TRUTH, PREDICTION = "truth", "prediction"
"""Usual names of layers: a gallery counts predictions, and scripts know truth by its name."""

Mark = Literal["", "hit", "false positive", "miss", "wrong class", "badly placed", "duplicate"]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Instances of a photo that are shown and hidden together.

    Attributes:
        name: As `PREDICTION` or `TRUTH`.
        instances: N instances.
        marks: What is said of each, N of them; () for nothing.
        notes: A text about each for its row of the table, N of them; () for nothing.
        keys: For each what identifies it in a JSON file, as an annotation's id; () for nothing.
    """

    name: str
    instances: Instances
    marks: Sequence[Mark] = ()
    notes: Sequence[str] = ()
    keys: Sequence[str | int] = ()


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A photo of a gallery.

    Attributes:
        name: Its name, unique in the gallery.
        image: Its file, or uint8 RGB (H, W, 3).
        layers: What lies over it.
        values: Numbers to sort by, as {"AP": 0.5}.
        tags: To filter by, as "worst" or "cell:cat:dog".
        lines: Texts below it.
        image_id: Its id in the COCO JSON that can be downloaded; by default photos are numbered
            from 1.
    """

    name: str
    image: Path | NDArray[np.uint8]
    layers: Sequence[Layer] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    tags: Sequence[str] = ()
    lines: Sequence[str] = ()
    image_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A change to an annotation that a person accepts or refuses with a key.

    Attributes:
        kind: As "missing", "spurious", "wrong class" or "badly placed".
        photo: Name of the photo.
        score: How sure it is, 0 to 1.
        text: In a line, as "dog, not cat".
        layer: Name of the layer that shows it.
        key: Of the object in this layer.
        remove: Ids of annotations that go when it is accepted.
        change: Fields of annotations that change, by their id.
        add: Annotations that are added, without an id.
    """

    kind: str
    photo: str
    score: float
    text: str
    layer: str
    key: str | int
    remove: Sequence[int] = ()
    change: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    add: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Photos with search, filters and sorting, and a view of each.

    Instances of one layer of each photo are counted, sorted by and drawn on thumbnails: of that
    called `PREDICTION`, or else of its first one.

    Attributes:
        photos: They may be made one after the other, as for thousands of photos.
        class_names: Names by class id; [0] is "BG".
        category_ids: Dataset ids by class id, for the COCO JSON that can be downloaded.
        title: Heading above it.
        sort: The value by which it is first sorted, "-AP" for descending; by default by name.
        unit_per_px: Side of a pixel in `unit`, for areas in real units.
        unit: As "mm"; "" for pixels only.
        suggestions: Changes to annotations to accept or refuse; () for none.
        dataset: The COCO dataset to which accepted changes are applied; None lets people choose
            its file, as that of a large one.
    """

    photos: Iterable[Photo]
    class_names: Sequence[str]
    category_ids: Sequence[int]
    title: str = ""
    sort: str = ""
    unit_per_px: float | None = None
    unit: str = ""
    suggestions: Sequence[Suggestion] = ()
    dataset: Mapping[str, Any] | None = None


Component = Numbers | Prose | Table | Bars | Lines | Matrix | Picture | Findings | Gallery


@dataclass(frozen=True, kw_only=True)
class Section:
    """Components under one heading."""

    title: str
    components: Sequence[Component]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A report.

    Attributes:
        title: Heading and title of the page.
        subtitle: What it is about, as names of files.
        sections: From top to bottom; at most one gallery in all.
        details: Name and value of what it was made with, at its end: version, weights, date.
    """

    title: str
    sections: Sequence[Section]
    subtitle: str = ""
    details: Mapping[str, str] = field(default_factory=dict)
