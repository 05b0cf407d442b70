"""`Evaluation`: what `evaluate` returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg import __version__
from instseg.core import wording
from instseg.core.html_table import html_table
from instseg.core.json_types import Json
from instseg.evaluation.bootstrap import Range
from instseg.evaluation.coco_ap import METRICS, Kind
from instseg.evaluation.difference import ScoreDifference, difference_cells
from instseg.evaluation.error_taxonomy import ErrorTaxonomy
from instseg.evaluation.label_errors import LabelError
from instseg.evaluation.operating_points import Calibration

FORMAT = 1  # of metrics.json
MOST_BARS = 30  # in a notebook

NAMES = {"bbox": "box", "segm": "mask", "boundary": "boundary"}
SUBJECTS = {"bbox": "boxes", "segm": "masks", "boundary": "boundaries"}


@dataclass(frozen=True, kw_only=True)
class ClassScores:
    """The metrics of one class; None for undefined values.

    Attributes:
        name: Name of the class.
        objects: Number of objects, without crowds.
        AP: AP at IoU 0.50 to 0.95; the others as in `KindScores`.
        AP_low: Lower limit of the 95% interval of AP.
        AP_high: Upper limit of the 95% interval of AP.
        threshold: The score threshold with the best F1 at IoU 0.50.
        f1: F1 at this threshold.
        precision: Precision at this threshold.
        recall: Recall at this threshold.
    """

    name: str
    objects: int
    AP: float | None
    AP50: float | None
    AP75: float | None
    APs: float | None
    APm: float | None
    APl: float | None
    AR1: float | None
    AR10: float | None
    AR100: float | None
    ARs: float | None
    ARm: float | None
    ARl: float | None
    AP_low: float | None
    AP_high: float | None
    threshold: float | None
    f1: float | None
    precision: float | None
    recall: float | None

    @property
    def interval(self) -> Range | None:
        """The 95% interval of AP."""
        low, high = self.AP_low, self.AP_high
        return None if low is None or high is None else (low, high)

    def to_dict(self) -> Json:
        """A row of `per_class` in metrics.json."""
        return {"class" if key == "name" else key: value for key, value in asdict(self).items()}


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class KindScores:
    """COCO's metrics of boxes, masks or boundaries: 0..1, or -1 without objects.

    Attributes:
        kind: `bbox`, `segm` or `boundary`.
        AP: Average precision, the mean over IoU thresholds 0.50 to 0.95.
        AP50: AP at IoU 0.50.
        AP75: AP at IoU 0.75.
        APs: AP of small objects, up to 32^2 pixels.
        APm: AP of medium objects, up to 96^2 pixels.
        APl: AP of large objects.
        AR1: Average recall with one detection per class and image.
        AR10: Average recall with ten detections.
        AR100: Average recall with 100 detections.
        ARs: AR100 of small objects.
        ARm: AR100 of medium objects.
        ARl: AR100 of large objects.
        more_scores: AP and AR at more than 100 detections (`AP_300`, `AR300`), if images have more
            than 100 objects.
        intervals: The 95% interval of each of the twelve metrics; None if it is undefined.
        per_class: Metrics of each class, by ascending category id.
        prediction_thresholds: The score threshold of each class that `save_thresholds` stores in a
            model file; empty for boundaries and where no object is found.
        overall_threshold: That of all classes together, which classes of few objects have.
        errors: Cost of each type of error; None for boundaries.
        calibration: Calibration of the scores; None for boundaries.
        confusion: int64 (K + 1, K + 1), truth by prediction at the best thresholds, the background
            first; None for boundaries.
    """

    kind: Kind
    AP: float
    AP50: float
    AP75: float
    APs: float
    APm: float
    APl: float
    AR1: float
    AR10: float
    AR100: float
    ARs: float
    ARm: float
    ARl: float
    more_scores: Mapping[str, float]
    intervals: Mapping[str, Range | None]
    per_class: tuple[ClassScores, ...]
    prediction_thresholds: Mapping[str, float] = field(default_factory=dict)
    overall_threshold: float | None = None
    errors: ErrorTaxonomy | None = None
    calibration: Calibration | None = None
    confusion: NDArray[np.int64] | None = None

    @property
    def scores(self) -> dict[str, float]:
        """All numbers by name."""
        return {name: getattr(self, name) for name in METRICS} | dict(self.more_scores)

    @property
    def thresholds(self) -> dict[str, float]:
        """The best score threshold of each class that has one."""
        return {row.name: row.threshold for row in self.per_class if row.threshold is not None}

    def interval(self, name: str = "AP") -> Range | None:
        """Limits of the 95% interval of one of the twelve metrics; None if undefined."""
        return self.intervals[name]

    def to_dict(self) -> Json:
        """The block of this kind in metrics.json."""
        block: Json = {
            "scores": self.scores,
            "intervals": {name: limits and list(limits) for name, limits in self.intervals.items()},
            "per_class": [row.to_dict() for row in self.per_class],
        }
        if self.overall_threshold is not None:
            block["overall_threshold"] = self.overall_threshold
            block["prediction_thresholds"] = dict(self.prediction_thresholds)
        if self.errors:
            block["errors"] = asdict(self.errors)
        if self.calibration:
            scale = self.calibration
            block["calibration"] = {
                "ece": finite_or_none(scale.ece),
                "confidence": list(map(finite_or_none, scale.confidence)),
                "precision": list(map(finite_or_none, scale.precision)),
                "counts": scale.counts.tolist(),
            }
        if self.confusion is not None:
            block["confusion"] = self.confusion.tolist()
        return block

    def __repr__(self) -> str:
        return f"KindScores({self.kind}: {self.describe()})"

    def describe(self) -> str:
        """AP with its interval, and AP50."""
        limits = wording.interval(self.interval("AP"))
        sure = f" ({limits})" if limits else ""
        return f"AP {wording.number(self.AP)}{sure}, AP50 {wording.number(self.AP50)}"

    def _repr_html_(self) -> str:
        rows = [
            (name, wording.number(value), wording.interval(self.intervals.get(name)))
            for name, value in self.scores.items()
        ]
        return html_table(["", NAMES[self.kind], "95% interval"], rows) + self.html_classes()

    def html_classes(self) -> str:
        """Bars of the classes that have an AP, and the table of all, as HTML."""
        rows = [
            (
                row.name,
                row.objects,
                wording.number(row.AP),
                wording.interval(row.interval),
                wording.number(row.threshold),
            )
            for row in self.per_class
        ]
        columns = ["class", "objects", f"{NAMES[self.kind]} AP", "interval", "best threshold"]
        return self._html_bars() + html_table(columns, rows)

    def _html_bars(self) -> str:
        from instseg.report.components import Bar, Bars
        from instseg.report.fragment import fragment

        known = [row for row in self.per_class if row.AP is not None]
        if len(known) < 2:
            return ""
        most = sorted(known, key=lambda row: -row.objects)[:MOST_BARS]
        bars = [Bar(label=row.name, value=row.AP, interval=row.interval) for row in most]
        title = f"{NAMES[self.kind]} AP"
        if len(known) > len(most):
            title += f" of the {len(most)} classes with the most objects"
        return fragment(Bars(bars=bars, title=title))


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Evaluation:
    """The evaluation of a model or of results.

    Attributes:
        bbox: Metrics of boxes; None if the data or the results have none.
        segm: Metrics of masks; None if the data or the results have none.
        boundary: Metrics of mask boundaries; None if not requested.
        comparison: For each kind, the differences to the metrics of `against`; empty without it.
        data: Files, counts, resamples and seed.
        label_errors: Annotations that are likely wrong, the most likely first; None if not
            requested.
        files: The written files.
        model_file: The model file in which thresholds or metrics were stored, if requested.
    """

    bbox: KindScores | None
    segm: KindScores | None
    boundary: KindScores | None
    comparison: Mapping[Kind, Mapping[str, ScoreDifference]]
    data: Json
    label_errors: tuple[LabelError, ...] | None = None
    files: tuple[Path, ...] = ()
    model_file: Path | None = None

    @property
    def kinds(self) -> tuple[KindScores, ...]:
        """The evaluated kinds: boxes, masks, boundaries."""
        return tuple(each for each in (self.bbox, self.segm, self.boundary) if each)

    @property
    def rated(self) -> KindScores:
        """What a model file's thresholds come from: boxes, which the score rates, or `main`."""
        return self.bbox or self.main

    @property
    def main(self) -> KindScores:
        """The masks, or the boxes where there are no masks."""
        return self.segm or self.kinds[0]

    @property
    def per_class(self) -> tuple[ClassScores, ...]:
        """Metrics of the classes, for masks if they were evaluated."""
        return self.main.per_class

    @property
    def thresholds(self) -> dict[str, float]:
        """The best score threshold of each class that has one, for masks if they were evaluated."""
        return self.main.thresholds

    def to_dict(self) -> Json:
        """The content of metrics.json."""
        content: Json = {"format": FORMAT, "instseg": __version__, "data": dict(self.data)}
        content |= {each.kind: each.to_dict() for each in self.kinds}
        if self.comparison:
            content["against"] = {
                kind: {name: each.to_dict() for name, each in rows.items()}
                for kind, rows in self.comparison.items()
            }
        return content

    def __repr__(self) -> str:
        parts = (f"{each.kind} {each.describe()}" for each in self.kinds)
        images, objects = (wording.count(self.data[f"{key}s"], key) for key in ("image", "object"))
        return f"Evaluation({images}, {objects}; {'; '.join(parts)})"

    def _repr_html_(self) -> str:
        names = [NAMES[each.kind] for each in self.kinds]
        columns = [column for name in names for column in (f"{name} score", "95% interval")]
        parts = [html_table(["", *columns], score_rows(self.kinds), caption=repr(self))]
        for kind, rows in self.comparison.items():
            difference = f"{NAMES[kind]} difference"
            cells = ((name, *difference_cells(each)) for name, each in rows.items())
            parts.append(html_table(["", difference, "95% interval", "p"], cells))
        return "".join([*parts, self.main.html_classes()])


def score_rows(kinds: tuple[KindScores, ...]) -> Iterator[list[str]]:
    """A row for each metric: its name, and its value and interval for each kind."""
    for metric in kinds[0].scores:
        row = [metric]
        for each in kinds:
            row += [
                wording.number(each.scores[metric]),
                wording.interval(each.intervals.get(metric)),
            ]
        yield row


def finite_or_none(value: float) -> float | None:
    """None for NaN and for COCO's -1."""
    return float(value) if np.isfinite(value) and value > -1 else None
