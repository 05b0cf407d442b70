"""The report of an examination: an HTML page with findings, their photos, and statistics."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from instseg import __version__
from instseg.core.errors import InputError
from instseg.core.wording import count, printable
from instseg.doctor.examination import SEVERITIES, Examination, contents
from instseg.doctor.findings import SHOWN_IDS, Finding
from instseg.doctor.report_photos import ChosenPhotos, choose_photos
from instseg.doctor.table import Table
from instseg.report import components as parts

PHOTOS = 12  # of each finding
SEED = 0  # of the choice of photos
BARS = 40  # classes
MENDS = {
    "drop": "doctor --fix leaves these out.",
    "repair": "doctor --fix repairs this.",
    None: "To be decided by a person; doctor --fix leaves it as it is.",
}
SPREADS = {
    "objects_per_image": "objects in an image",
    "image_width": "image width, pixels",
    "image_height": "image height, pixels",
}


def check_report(path: str | Path, inputs: Iterable[str | os.PathLike[str] | None]) -> None:
    """Raise InputError if a report must not be written there.

    Args:
        path: The file.
        inputs: Files that stay as they are.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{path}: name a .html file, which gets the report")
    present = [Path(each) for each in inputs if each is not None and Path(each).exists()]
    if path.exists() and any(map(path.samefile, present)):
        raise InputError(f"{path}: is an input, which stays as it is; name another file")


def write_report(path: Path, examination: Examination) -> None:
    """Write the report of an examination as an HTML file."""
    from instseg.report.page import write_page  # loads the templates' engine

    write_page(path, examination_page(examination))


def examination_page(
    examination: Examination, *, photos: int = PHOTOS, seed: int = SEED
) -> parts.Page:
    """The report of an examination.

    Args:
        examination: What was examined.
        photos: Photos of each finding, at most; chosen at random.
        seed: Random seed of the choice.
    """
    around = examination.surroundings
    chosen = choose_photos(examination, photos if around.folder else 0, seed)
    sections = [_findings(examination, chosen, photos, seed), _statistics(examination)]
    if chosen.numbers:
        sections.append(parts.Section(title="Photos", components=[_gallery(chosen)]))
    details = {
        "instseg": __version__,
        "dataset": str(examination.coco_json or "from memory"),
        "photos": str(around.folder or "not checked"),
    }
    return parts.Page(
        title="Dataset examination",
        subtitle=printable(examination.coco_json.name) if examination.coco_json else "",
        sections=sections,
        details={name: printable(value) for name, value in details.items()},
    )


def _findings(
    examination: Examination, chosen: ChosenPhotos, photos: int, seed: int
) -> parts.Section:
    """The headline counts, and all findings."""
    facts = examination.statistics
    numbers = [
        *(
            parts.Number(label=f"{each}s", value=f"{examination.count(each)}")
            for each in SEVERITIES
        ),
        parts.Number(label="images", value=f"{facts['images']:,}"),
        parts.Number(
            label="objects", value=f"{facts['objects']:,}", detail=count(facts["crowds"], "crowd")
        ),
        parts.Number(label="classes", value=f"{len(facts['classes']):,}"),
    ]
    components: list[parts.Component] = [parts.Numbers(numbers=numbers)]
    if chosen.numbers:
        words = f"The gallery has up to {photos} photos of each finding, and as many without any"
        words += f", drawn at random (seed {seed}); a photo of several findings counts for each."
        components.append(parts.Prose(paragraphs=[words]))
    found = [
        _finding(each, examination.table, chosen.shown(place), len(chosen.places[place]))
        for place, each in enumerate(examination.findings)
    ]
    nothing = parts.Prose(paragraphs=[f"Nothing is wrong in {contents(facts)}."])
    components.append(parts.Findings(findings=found) if found else nothing)
    return parts.Section(title="Findings", components=components)


def _finding(each: Finding, table: Table, shown: int, images: int) -> parts.Finding:
    """A finding, and how many of its photos are in the gallery."""
    mend = MENDS[each.fix]
    if shown:
        mend += f" {shown} of {count(images, 'photo')} in the gallery."
    names = [printable(_name(table, each.section, row)) for row in each.rows[:SHOWN_IDS]]
    return parts.Finding(
        severity=each.severity,
        text=printable(f"{each.code} ({each.count:,}): {each.message}"),
        mend=mend,
        examples=names,
        tag=each.code if shown else "",
    )


def _name(table: Table, section: str, row: int) -> str:
    """What a record is called: a file, `7 in photo.jpg` for an annotation, or a class."""
    record = table.document[section][row]
    if not isinstance(record, dict):
        return f"{section}[{row}]"
    label = str(record.get("id", f"{section}[{row}]"))
    if section != "annotations":
        return str(record.get("file_name" if section == "images" else "name", label))
    number = record.get("image_id")
    if type(number) is not int or number not in table.images:
        return label
    return f"{label} in {table.image(number)['file_name']}"


def _statistics(examination: Examination) -> parts.Section:
    """Classes and sizes of the sound records."""
    facts, table = examination.statistics, examination.table
    classes: Mapping[str, int] = facts["classes"]
    shown = list(classes.items())[:BARS]
    title = "Objects of each class"
    if len(classes) > BARS:
        title += f": the {BARS} most frequent of {len(classes):,}"
    images = _images_of_classes(table)
    rows: list[list[str | int]] = [
        [name, number, images.get(name, 0)] for name, number in classes.items()
    ]
    sizes = zip(
        ("below 32 x 32 px", "", "from 96 x 96 px"), facts["object_sizes"].items(), strict=True
    )
    components: list[parts.Component] = [
        parts.Bars(
            title=title, bars=[parts.Bar(label=name, value=number) for name, number in shown]
        ),
        parts.Bars(
            title="Objects by size of the mask",
            bars=[
                parts.Bar(label=name, value=number, detail=detail)
                for detail, (name, number) in sizes
            ],
        ),
        parts.Table(
            title="Sizes and numbers",
            columns=["measure", "least", "median", "mean", "most"],
            rows=[_spread(words, facts[key]) for key, words in SPREADS.items()],
            digits=1,
        ),
        parts.Table(title="Classes", columns=["class", "objects", "images"], rows=rows),
    ]
    return parts.Section(title="Statistics", components=components)


def _spread(words: str, spread: Mapping[str, float]) -> list[str | float | None]:
    return [words, *(spread.get(key) for key in ("least", "median", "mean", "most"))]


def _images_of_classes(table: Table) -> dict[str, int]:
    """How many images have objects of each class; crowds are none."""
    pairs = np.stack([table.category_ids, table.image_ids], axis=1)[~table.crowd]
    numbers, counts = np.unique(np.unique(pairs, axis=0)[:, 0], return_counts=True)
    images: dict[str, int] = {}
    for number, found in zip(numbers.tolist(), counts.tolist(), strict=True):
        name = table.class_name(number)
        images[name] = images.get(name, 0) + found
    return images


def _gallery(chosen: ChosenPhotos) -> parts.Gallery:
    table = chosen.examination.table
    numbers = sorted(table.categories)
    return parts.Gallery(
        photos=chosen,
        class_names=("BG", *map(table.class_name, numbers)),
        category_ids=(0, *numbers),
        sort="-findings",
    )
