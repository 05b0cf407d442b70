"""The scores and comparisons of a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import Literal

from instseg.core import wording
from instseg.core.json_types import Json
from instseg.evaluation.assess import Assessment
from instseg.evaluation.checked import Assessed
from instseg.evaluation.difference import difference_cells, verdict
from instseg.evaluation.judged import Judged, judge
from instseg.evaluation.report_bars import class_bars, error_bars
from instseg.evaluation.result import NAMES, SUBJECTS, Evaluation, finite_or_none
from instseg.report.components import Component, Number, Numbers, Prose, Section, Table

HEADLINES = ("AP", "AP50", "AP75")
MEANINGS = {
    "AP": "mean over IoU 0.50 to 0.95",
    "AP50": "at IoU 0.50",
    "AP75": "at IoU 0.75",
    "APs": "small objects, up to 32 x 32 pixels",
    "APm": "medium objects, up to 96 x 96 pixels",
    "APl": "large objects",
    "AR1": "recall with 1 detection per class and photo",
    "AR10": "recall with 10 detections",
    "AR100": "recall with 100 detections",
    "ARs": "AR100 of small objects",
    "ARm": "AR100 of medium objects",
    "ARl": "AR100 of large objects",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The numbers of a report.

    Attributes:
        evaluation: What `evaluate` returns.
        truth: The dataset as a document.
        found: The results.
        other: The results that they are compared with, if any.
    """

    evaluation: Evaluation
    truth: Json
    found: Assessed
    other: Assessed | None

    @cached_property
    def judged(self) -> Judged:
        """What is right and wrong in the results, at the thresholds for prediction."""
        return self._judge(self.found, self.main)

    @cached_property
    def judged_other(self) -> Judged | None:
        """The same of the others, if any."""
        if self.other is None or self.main_other is None:
            return None
        return self._judge(self.other, self.main_other)

    def _judge(self, given: Assessed, main: Assessment) -> Judged:
        kind: Literal["bbox", "segm"] = "segm" if main.kind == "segm" else "bbox"
        return judge(self.truth, given.results, kind, main.summary.prediction_thresholds)

    @property
    def main(self) -> Assessment:
        """The masks, or the boxes where there are no masks."""
        kind = self.evaluation.main.kind
        return next(a for a in self.found.assessments if a.kind == kind)

    @property
    def main_other(self) -> Assessment | None:
        """The same of the others, if any."""
        others = self.other.assessments if self.other else ()
        return next((a for a in others if a.kind == self.main.kind), None)

    @property
    def explained(self) -> list[Assessment]:
        """Those with an error analysis, the main one first."""
        explained = [a for a in self.found.assessments if a.explanation]
        return sorted(explained, key=lambda each: each is not self.main)

    @property
    def short_names(self) -> tuple[str, str]:
        """The ends of both names that differ, as `new.json` and `old.json`."""
        names = (self.found.name, self.other.name if self.other else "")
        parts = [PurePath(name).parts[::-1] for name in names]
        same = 0
        while same < min(map(len, parts)) and parts[0][same] == parts[1][same]:
            same += 1
        if same == min(map(len, parts)):
            return "these results", "the others"
        first, second = ("/".join(each[: same + 1][::-1]) for each in parts)
        return first, second


def scores(found: Measured) -> list[Component]:
    """Headline numbers, and all scores with intervals."""
    every = sorted(found.found.assessments, key=lambda each: each is not found.main)
    kinds = [each.summary for each in every]
    numbers = [
        Number(
            label=f"{NAMES[each.kind]} {name}",
            value=wording.number(each.scores[name]),
            detail=wording.interval(each.interval(name)),
        )
        for each in kinds
        for name in (HEADLINES if each is kinds[0] else HEADLINES[:1])
    ]
    numbers.append(
        Number(
            label=f"{NAMES[kinds[0].kind]} AR100",
            value=wording.number(kinds[0].AR100),
            detail=wording.interval(kinds[0].interval("AR100")),
        )
    )
    rows = []
    for name in kinds[0].scores:
        row: list[str | float | None] = [name, MEANINGS.get(name, "of crowded photos")]
        for each in kinds:
            row += [
                finite_or_none(each.scores[name]),
                wording.interval(each.intervals.get(name)),
            ]
        rows.append(row)
    columns = [column for each in kinds for column in (NAMES[each.kind], "95% interval")]
    return [
        Numbers(numbers=numbers),
        Prose(paragraphs=[_measured(found.evaluation)]),
        Table(title="All scores", columns=["metric", "what", *_distinct(columns)], rows=rows),
    ]


def _distinct(columns: Sequence[str]) -> list[str]:
    """With several kinds, each "95% interval" by the name of its kind, as headings must differ."""
    last = ""
    named = []
    for column in columns:
        named.append(
            f"{last} interval" if column == "95% interval" and len(columns) > 2 else column
        )
        last = column
    return named


def _measured(evaluation: Evaluation) -> str:
    data = evaluation.data
    held = sum(row.objects > 0 for row in evaluation.per_class)
    crowds = f" and {wording.count(data['crowds'], 'crowd region')}" if data["crowds"] else ""
    return (
        f"Measured on {wording.count(data['images'], 'photo')} with "
        f"{wording.count(data['objects'], 'object')} of {held} of "
        f"{wording.count(data['classes'], 'class')}{crowds}. The 95% intervals say how much the "
        f"scores would vary with other photos of the same kind ({data['resamples']:,} "
        "half-samples of the photos)."
    )


def comparison(found: Measured, other: Assessed) -> Section:
    """Both results side by side, with differences and whether they may be chance."""
    first, second = found.short_names
    numbers, tables, verdicts = [], [], []
    pairs = zip(found.found.assessments, other.assessments, strict=True)
    for new, old in sorted(pairs, key=lambda pair: pair[0] is not found.main):
        differences, kind = found.evaluation.comparison[new.kind], NAMES[new.kind]
        for name in HEADLINES:
            value, limits, p = difference_cells(differences[name])
            detail = f"{limits}, p\u00a0{p}" if limits else "no interval"
            numbers.append(Number(label=f"{kind} {name}", value=value, detail=detail))
        rows: list[list[str | float | None]] = []
        for name, each in differences.items():
            values = [finite_or_none(a.evaluation.scores[name]) for a in (new, old)]
            rows.append([name, *values, *difference_cells(each)])
        columns = ["metric", first, second, "difference", "95% interval", "p"]
        title = f"Scores of {SUBJECTS[new.kind]}"
        tables.append(Table(title=title, columns=columns, rows=rows))
        verdicts.append(f"{kind.capitalize()} AP against {second}: {verdict(differences['AP'])}.")
    prose = (
        "Both were measured on the same photos and the same half-samples, so that how difficult "
        "single photos are cancels out."
    )
    components: list[Component] = [
        Numbers(title=f"{first} minus {second}", numbers=numbers),
        Prose(paragraphs=[*verdicts, prose]),
    ]
    components += tables
    if found.main_other:
        components.append(class_bars(found.main, found.main_other, (first, second)))
        components += error_bars(found.main, found.main_other, (first, second))
    return Section(title="Comparison", components=components)
