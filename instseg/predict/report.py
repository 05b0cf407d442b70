"""The report of a run of predictions: numbers, classes, failures and a gallery of the photos."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from instseg import __version__
from instseg.core.errors import ArgumentError
from instseg.core.events import OnEvent, Progress, ignore
from instseg.core.json_types import Json
from instseg.core.wording import count
from instseg.predict.photos import NamedPhoto
from instseg.predict.record_instances import instances_of
from instseg.report.components import (
    PREDICTION,
    Bar,
    Bars,
    Component,
    Finding,
    Findings,
    Gallery,
    Layer,
    Number,
    Numbers,
    Page,
    Photo,
    Section,
    Table,
)
from instseg.report.page import Written, write_page
from instseg.report.rendered import Embed

Records = Callable[[], Iterable[Json]]
Reading = Callable[[], AbstractContextManager[None]]

MOST_BARS = 12
LEAST_SIDE, MOST_SIDE = 1e-12, 1e12  # of a pixel, in any unit; areas of others are not finite


@dataclass(frozen=True, kw_only=True)
class PixelSize:
    """The side of a pixel in real units: `value` in `unit`, as 0.5 and "mm"."""

    value: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> PixelSize:
        """A size as "0.5mm" or "2.4 µm".

        Raises:
            ArgumentError: It is not a number from 1e-12 to 1e12 with a unit.
        """
        found = re.fullmatch(r"\s*(\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)\s*([^\W\d_]{1,12})\s*", text)
        if found is None or not LEAST_SIDE <= float(found[1]) <= MOST_SIDE:
            raise ArgumentError(
                "{pixel_size} must be the side of a pixel with its unit, as 0.5mm", pixel_size=text
            )
        return cls(value=float(found[1]), unit=found[2])


def write_report(
    path: Path,
    records: Records,
    reading: Reading,
    photos: Sequence[NamedPhoto],
    failures: Mapping[str, str],
    *,
    class_names: Sequence[str],
    category_ids: Sequence[int],
    made_by: Json,
    embed: Embed = "auto",
    pixel_size: PixelSize | None = None,
    on_event: OnEvent = ignore,
) -> Written:
    """Write the report of a run.

    Args:
        path: The HTML file.
        records: Gives the images and annotations of the run and of runs that it resumed, one after
            the other; see `PredictionWriter.records`. It is called twice.
        reading: A block in which records are used; see `PredictionWriter.reading`.
        photos: The photos of the run.
        failures: For each photo that failed, why.
        class_names: Names by class id.
        category_ids: Dataset ids by class id.
        made_by: As in predictions.json: `weights`, `architecture`, `score_threshold`.
        embed: See `write_page`.
        pixel_size: For areas in real units.
        on_event: Called with the progress.

    Raises:
        InputError: A file cannot be written, or a record is damaged.
    """
    names = dict(zip(category_ids, class_names, strict=True))
    with reading():
        totals = _Totals(records())
        summary = _summary(totals, names, failures, made_by, pixel_size)
    by_category = dict(zip(category_ids, range(len(category_ids)), strict=True))

    def shown() -> Iterator[Photo]:
        paths = {photo.name: photo.path for photo in photos}
        for done, record in enumerate(records()):
            on_event(Progress(task="writing the report", done=done, total=totals.photos))
            with reading():
                photo = _photo(record, paths, class_names, by_category)
            yield photo
        on_event(Progress(task="writing the report", done=totals.photos, total=totals.photos))

    gallery = Gallery(
        photos=shown(),
        class_names=class_names,
        category_ids=category_ids,
        unit_per_px=pixel_size.value if pixel_size else None,
        unit=pixel_size.unit if pixel_size else "",
    )
    sections = [
        Section(title="Summary", components=summary),
        Section(title="Photos", components=[gallery]),
    ]
    if failures:
        findings = [Finding(severity="error", text=text) for text in failures.values()]
        sections.insert(1, Section(title="Failed photos", components=[Findings(findings=findings)]))
    page = Page(
        title=f"{count(totals.instances, 'instance')} in {count(totals.photos, 'photo')}",
        subtitle=f"Found by instseg with the weights {made_by['weights']}",
        sections=sections,
        details={
            "instseg": __version__,
            **{name.replace("_", " "): str(value) for name, value in made_by.items()},
            **({"pixel size": f"{pixel_size.value:g} {pixel_size.unit}"} if pixel_size else {}),
            "written": f"{datetime.now():%Y-%m-%d %H:%M}",
        },
    )
    return write_page(path, page, embed=embed)


class _Totals:
    """Counts over all photos, by dataset id of the class."""

    def __init__(self, records: Iterable[Json]) -> None:
        self.photos = self.instances = self.without = 0
        self.counts: Counter[int] = Counter()
        self.in_photos: Counter[int] = Counter()
        self.scores: defaultdict[int, float] = defaultdict(float)
        self.areas: Counter[int] = Counter()
        for record in records:
            annotations = record["annotations"]
            self.photos += 1
            self.instances += len(annotations)
            self.without += not annotations
            self.in_photos.update({each["category_id"] for each in annotations})
            for each in annotations:
                category = each["category_id"]
                self.counts[category] += 1
                self.scores[category] += each["score"]
                self.areas[category] += each["area"]


def _summary(
    totals: _Totals,
    names: Mapping[int, str],
    failures: Mapping[str, str],
    made_by: Json,
    pixel_size: PixelSize | None,
) -> list[Component]:
    threshold = made_by["score_threshold"]
    least = "by class" if threshold == "stored" else str(threshold)
    numbers = [
        Number(label="photos", value=f"{totals.photos:,}"),
        Number(label="instances", value=f"{totals.instances:,}"),
        Number(label="classes", value=f"{len(totals.counts):,}"),
        Number(label="photos without instances", value=f"{totals.without:,}"),
        Number(label="minimum score", value=least),
    ]
    if failures:
        numbers.insert(1, Number(label="photos failed", value=f"{len(failures):,}"))
    ordered = totals.counts.most_common()
    parts: list[Component] = [Numbers(numbers=numbers)]
    if ordered:
        bars = [Bar(label=names[each], value=number) for each, number in ordered[:MOST_BARS]]
        title = "Instances by class"
        if len(ordered) > MOST_BARS:
            title += f": the {MOST_BARS} most frequent"
        parts.append(Bars(bars=bars, title=title))
        parts.append(_classes(totals, names, pixel_size))
    return parts


def _classes(totals: _Totals, names: Mapping[int, str], pixel_size: PixelSize | None) -> Table:
    columns = ["class", "instances", "photos", "mean score", "mean area (px)"]
    if pixel_size:
        columns.append(f"total area ({pixel_size.unit}²)")
    rows: list[list[str | int | float | None]] = []
    for category, number in totals.counts.most_common():
        area = totals.areas[category]
        mean = totals.scores[category] / number
        rows.append(
            [names[category], number, totals.in_photos[category], mean, round(area / number)]
        )
        if pixel_size:
            rows[-1].append(area * pixel_size.value**2)
    return Table(columns=columns, rows=rows, title="Classes")


def _photo(
    record: Json,
    paths: Mapping[str, Path],
    class_names: Sequence[str],
    by_category: Mapping[int, int],
) -> Photo:
    image = record["image"]
    name = image["file_name"]
    instances = instances_of(record["annotations"], image, class_names, by_category)
    return Photo(
        name=name,
        image=paths.get(name, Path(name)),
        layers=[Layer(name=PREDICTION, instances=instances)],
        image_id=image["id"],
    )
