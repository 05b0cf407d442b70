"""The report of an evaluation: report.html."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from instseg import __version__
from instseg.core.events import OnEvent, Warned
from instseg.core.wording import count, some
from instseg.data.coco import CocoData
from instseg.evaluation import report_errors, report_scores
from instseg.evaluation.judged import Judged
from instseg.evaluation.report_findings import findings
from instseg.evaluation.report_labels import label_errors
from instseg.evaluation.report_photos import MOST_PHOTOS, WORDS, Marked, Photos
from instseg.evaluation.report_scores import Measured
from instseg.evaluation.suggestions import Suggested
from instseg.report.components import Component, Number, Numbers, Page, Prose, Section

if TYPE_CHECKING:
    from instseg.report.page import Written

REPORT_HTML = "report.html"


def write_report(folder: Path, found: Measured, photos: Photos | None) -> Written:
    """Write report.html; see `evaluation_page`."""
    from instseg.report.page import write_page

    return write_page(folder / REPORT_HTML, evaluation_page(found, photos))


def photos_of(found: Measured, data: CocoData | None, on_event: OnEvent) -> Photos | None:
    """The photos of a report; None without `data`, the dataset with its photos.

    `on_event` is called with warnings about photos that cannot be read.
    """
    if data is None:
        return None
    other = None
    if found.other and found.judged_other:
        other = Marked(results=found.other.results, judged=found.judged_other)
    marked = Marked(results=found.found.results, judged=found.judged)
    errors = found.evaluation.label_errors
    suggested = None
    if errors is not None:
        suggested = Suggested(data=data, errors=errors, results=found.found.results)
        if suggested.ambiguous:
            text = (
                f"{data.coco_json}: {count(len(suggested.ambiguous), 'annotation id')} more than "
                "once; their label errors are not among the suggestions of the report; "
                "`instseg doctor --fix` numbers them anew"
            )
            on_event(Warned(text=text))
    return Photos(
        data=data,
        truth=found.truth,
        found=marked,
        other=other,
        suggested=suggested,
        on_event=on_event,
    )


def evaluation_page(found: Measured, photos: Photos | None) -> Page:
    """The report of an evaluation.

    Args:
        found: Its numbers.
        photos: The photos, if they are given.
    """
    headlines, measured, table = report_scores.scores(found)
    top = [headlines, measured, findings(found), table]
    sections = [Section(title="Scores", components=top)]
    if found.other:
        sections.append(report_scores.comparison(found, found.other))
    sections += [
        report_errors.errors(found, with_photos=photos is not None),
        report_errors.classes(found),
        report_errors.curves(found),
        *([label_errors(errors, photos)] if (errors := found.evaluation.label_errors) else []),
        _photos(found, photos),
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


def _photos(found: Measured, photos: Photos | None) -> Section:
    totals = _totals(found.judged)
    if photos is None:
        text = "The photos were not given. With their folder, the report shows them."
        return Section(title="Photos", components=[totals, Prose(paragraphs=[text])])
    total, shown = len(photos.data), len(photos.chosen)
    paragraphs = [
        "Detections are judged at IoU 0.5, from the score thresholds for prediction on: those "
        "that can be stored in the model file. F1 is that of one photo: 1 where all objects are "
        "found and nothing else, 0 where no object is found."
    ]
    has_errors = bool(photos.suggested and photos.suggested.chosen)
    if shown < total:
        paragraphs.append(
            f"{shown} of {total:,} photos: of more than {MOST_PHOTOS}, a report has the worst, "
            f"median and best by F1{', and those with likely label errors' * has_errors}. The "
            "numbers are those of all photos."
        )
    if photos.missing:
        gone = f"{len(photos.missing)} of {count(total, 'photo')}"
        paragraphs.append(f"{gone} are not there: {some(photos.missing)}.")
    components: list[Component] = [totals, Prose(paragraphs=paragraphs), photos.gallery()]
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
