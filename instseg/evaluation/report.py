"""The report of an evaluation: report.html."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from instseg import __version__
from instseg.core.events import OnEvent
from instseg.core.json_types import Json
from instseg.core.wording import count, some
from instseg.data.coco import CocoData
from instseg.evaluation import report_errors, report_scores
from instseg.evaluation.assess import Assessment
from instseg.evaluation.judged import Judged, judge
from instseg.evaluation.report_findings import findings
from instseg.evaluation.report_photos import MOST_PHOTOS, WORDS, Marked, Photos
from instseg.evaluation.report_scores import Measured
from instseg.report.components import Component, Number, Numbers, Page, Prose, Section
from instseg.report.page import Written, write_page

REPORT_HTML = "report.html"


def write_report(folder: Path, found: Measured, photos: Photos | str) -> Written:
    """Write report.html; see `evaluation_page`."""
    return write_page(folder / REPORT_HTML, evaluation_page(found, photos))


def photos_of(
    found: Measured, data: CocoData | None, truth: Json, on_event: OnEvent
) -> Photos | str:
    """The photos of a report, or why it has none.

    Args:
        found: The numbers, whose best thresholds choose the detections.
        data: The dataset; None if its photos are not given.
        truth: It as a document.
        on_event: Called with warnings about photos that cannot be read.
    """
    if data is None:
        return "The photos were not given; with `images`, the report shows them."
    marked = [_marked(truth, found.found.results, found.main)]
    if found.other and found.main_other:
        marked.append(_marked(truth, found.other.results, found.main_other))
    other = marked[1] if len(marked) > 1 else None
    return Photos(data=data, truth=truth, found=marked[0], other=other, on_event=on_event)


def _marked(truth: Json, results: Sequence[Json], main: Assessment) -> Marked:
    kind: Literal["bbox", "segm"] = "segm" if main.kind == "segm" else "bbox"
    judged = judge(truth, results, kind, main.summary.thresholds)
    return Marked(results=results, judged=judged)


def evaluation_page(found: Measured, photos: Photos | str) -> Page:
    """The report of an evaluation.

    Args:
        found: Its numbers.
        photos: The photos, or why there are none.
    """
    with_photos = isinstance(photos, Photos)
    headlines, measured, table = report_scores.scores(found)
    top = [headlines, measured, findings(found), table]
    sections = [Section(title="Scores", components=top)]
    if found.other:
        sections.append(report_scores.comparison(found, found.other))
    sections += [
        report_errors.errors(found, with_photos=with_photos),
        report_errors.classes(found),
        report_errors.curves(found),
        _photos(photos),
    ]
    return Page(
        title="Evaluation",
        subtitle=_subtitle(found),
        sections=sections,
        details=_details(found),
    )


def _subtitle(found: Measured) -> str:
    data = found.evaluation.data
    against = f", against {found.other.name}" if found.other else ""
    return f"{found.found.name}{against}, on {data['coco_json']}"


def _details(found: Measured) -> dict[str, str]:
    data = found.evaluation.data
    details = {
        "instseg": __version__,
        "results": found.found.name,
        "ground truth": data["coco_json"],
    }
    if found.other:
        details["compared with"] = found.other.name
    return details | {
        "photos": f"{data['images']:,}",
        "half-samples": f"{data['resamples']:,}",
        "seed": str(data["seed"]),
    }


def _photos(photos: Photos | str) -> Section:
    if isinstance(photos, str):
        return Section(title="Photos", components=[Prose(paragraphs=[photos])])
    total, shown = len(photos.data), len(photos.chosen)
    paragraphs = [
        "Detections from the best score threshold of their class on are judged at IoU 0.5. F1 "
        "is that of one photo: 1 where all objects are found and nothing else, 0 where no "
        "object is."
    ]
    if shown < total:
        paragraphs.append(
            f"{shown} of {total:,} photos: of more than {MOST_PHOTOS}, a report has the worst, "
            "median and best by F1. The numbers above are of all photos."
        )
    if photos.missing:
        gone = f"{len(photos.missing)} of {count(total, 'photo')}"
        paragraphs.append(f"{gone} are not there, and grey here: {some(photos.missing)}.")
    components: list[Component] = [_totals(photos.found.judged), Prose(paragraphs=paragraphs)]
    components.append(photos.gallery())
    return Section(title="Photos", components=components)


def _totals(judged: Judged) -> Numbers:
    """What is right and wrong on all photos."""
    marks = Counter(judged.detection_mark(i) for i in range(len(judged.overlaps.scores)))
    hits, objects = marks["hit"], len(judged.overlaps.object_classes)
    counted = sum(marks.values()) - marks[""]  # "" in crowds
    numbers = [
        Number(
            label="objects found",
            value=f"{hits:,}",
            detail=_share(hits, objects, f"of {objects:,}"),
        ),
        Number(label="detections", value=f"{counted:,}", detail=_share(hits, counted, "correct")),
        *(Number(label=WORDS[mark], value=f"{marks[mark]:,}") for mark in WORDS),
    ]
    return Numbers(numbers=numbers)


def _share(part: int, total: int, what: str) -> str:
    return f"{part / total:.0%} {what}" if total else ""
