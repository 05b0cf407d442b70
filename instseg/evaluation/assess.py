"""The assessment of one result: metrics, intervals and error analysis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.bootstrap import (
    RESAMPLES,
    Range,
    Resampled,
    draw_halves,
    interval,
    p_value,
    resample,
)
from instseg.evaluation.coco_ap import MAX_DETECTIONS, METRICS, ApTables, Kind, ap_of
from instseg.evaluation.confusion import DEFAULT_SCORE, confusion_matrix
from instseg.evaluation.difference import ScoreDifference
from instseg.evaluation.error_taxonomy import BACKGROUND_IOU, ErrorTaxonomy, error_taxonomy
from instseg.evaluation.operating_points import (
    Calibration,
    OperatingPoint,
    PredictionThresholds,
    calibration,
    operating_points,
    prediction_thresholds,
)
from instseg.evaluation.overlaps import overlaps_of, pairs_of_any_class
from instseg.evaluation.result import ClassScores, KindScores, finite_or_none
from instseg.evaluation.tables import Tables
from instseg.system.memory import no_garbage_collection


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The error analysis of a result.

    Attributes:
        points: The best score threshold of each class; None if none of its objects is found.
        prediction_thresholds: The score thresholds for a model file.
        calibration: Calibration of the scores.
        errors: Cost of each type of error.
        confusion: int64 (K + 1, K + 1), truth by prediction at the best thresholds (0.3 for
            classes without one), background first.
    """

    points: Sequence[OperatingPoint | None]
    prediction_thresholds: PredictionThresholds
    calibration: Calibration
    errors: ErrorTaxonomy
    confusion: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """One result, evaluated by one kind of IoU.

    Attributes:
        kind: Boxes, masks or boundaries.
        evaluation: Output of the evaluator.
        resampled: Scores of resampled images.
        explanation: Error analysis, for boxes and masks.
    """

    kind: Kind
    evaluation: ApTables
    resampled: Resampled
    explanation: Explanation | None

    @property
    def intervals(self) -> dict[str, Range | None]:
        """95% intervals of the twelve numbers."""
        scores = self.evaluation.scores
        return {name: interval(self.resampled.scores[name], scores[name]) for name in METRICS}

    @cached_property
    def summary(self) -> KindScores:
        """The numbers that are shown to users."""
        found, why = self.evaluation, self.explanation
        return KindScores(
            kind=self.kind,
            **{name: found.scores[name] for name in METRICS},
            more_scores={n: score for n, score in found.scores.items() if n not in METRICS},
            intervals=self.intervals,
            per_class=tuple(self._class_scores()),
            prediction_thresholds=self._prediction_thresholds(),
            overall_threshold=why.prediction_thresholds.overall if why else None,
            errors=why.errors if why else None,
            calibration=why.calibration if why else None,
            confusion=why.confusion if why else None,
        )

    def _prediction_thresholds(self) -> dict[str, float]:
        if self.explanation is None:
            return {}
        chosen = self.explanation.prediction_thresholds.per_class
        pairs = zip(self.evaluation.class_names, chosen, strict=True)
        return {name: threshold for name, threshold in pairs if threshold is not None}

    def _class_scores(self) -> Iterator[ClassScores]:
        for k, (name, scores) in enumerate(self.evaluation.per_class.items()):
            limits = interval(self.resampled.per_class[k], scores["AP"])
            low, high = limits or (None, None)
            point = self.explanation.points[k] if self.explanation else None
            yield ClassScores(
                name=name,
                objects=self.evaluation.objects[k],
                **{metric: finite_or_none(value) for metric, value in scores.items()},
                AP_low=low,
                AP_high=high,
                **(asdict(point) if point else dict.fromkeys(_POINT)),
            )


_POINT = ("threshold", "f1", "precision", "recall")


@no_garbage_collection()
def assess(
    truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    kind: Kind,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Assessment:
    """Evaluate a result, with intervals and, for boxes and masks, an error analysis.

    Args:
        truth: A COCO document: images, annotations, categories.
        results: COCO results.
        kind: Boxes, masks or boundaries.
        resamples: Number of resamples for the intervals.
        seed: Random seed; results with the same seed have the same resamples.
    """
    tables = Tables.read(truth, results, kind)
    pairs = None if kind == "boundary" else pairs_of_any_class(tables, BACKGROUND_IOU)
    evaluation = ap_of(tables, detection_limits(truth), pairs)
    matches = evaluation.matches
    weights = draw_halves(len(matches.image_ids), resamples=resamples, seed=seed)
    explanation = None
    if pairs is not None:
        points = operating_points(matches)
        least = np.array([point.threshold if point else DEFAULT_SCORE for point in points])
        overlaps = overlaps_of(tables, pairs)
        explanation = Explanation(
            points=points,
            prediction_thresholds=prediction_thresholds(matches),
            calibration=calibration(matches),
            errors=error_taxonomy(overlaps),
            confusion=confusion_matrix(overlaps, score_threshold=least),
        )
    return Assessment(
        kind=kind,
        evaluation=evaluation,
        resampled=resample(matches, weights),
        explanation=explanation,
    )


def detection_limits(truth: Mapping[str, Any]) -> tuple[int, ...]:
    """COCO's 1, 10 and 100 detections, and more if an image has more than 100 objects."""
    _, counts = np.unique([a["image_id"] for a in truth["annotations"]], return_counts=True)
    most = counts.max(initial=0)
    return (*MAX_DETECTIONS, *(n for n in (300, 1000, 3000) if most > 100 and n < 3 * most))


def score_differences(first: Assessment, second: Assessment) -> dict[str, ScoreDifference]:
    """The twelve metrics of the second minus those of the first, in the same half-samples.

    Both have the same ground truth and seed.
    """
    table = {}
    for name in METRICS:
        pair = [a.evaluation.scores[name] for a in (first, second)]
        if min(pair) < 0:
            table[name] = ScoreDifference(difference=None, interval=None, p=None)
            continue
        value = pair[1] - pair[0]
        halves = second.resampled.scores[name] - first.resampled.scores[name]
        limits = interval(halves, value, lowest=-1)
        table[name] = ScoreDifference(difference=value, interval=limits, p=p_value(halves, value))
    return table
