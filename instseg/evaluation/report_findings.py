"""What a report points out first."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from instseg.core.wording import count
from instseg.evaluation.bootstrap import FEW_OBJECTS
from instseg.evaluation.error_taxonomy import ERRORS
from instseg.evaluation.report_scores import Measured
from instseg.evaluation.result import SUBJECTS, KindScores
from instseg.report.components import Finding, Findings

EXAMPLES = 12
LARGE_COST = 0.02  # of AP50
MOST_CONFUSIONS = 3
LEAST_CONFUSIONS = 2
MISLEADING = 0.1  # mean difference of score and precision

WHAT = {
    "classification": ("wrong classes", "Define the classes more clearly, or join some."),
    "localisation": ("badly placed detections", "Try a higher resolution, or finer annotations."),
    "both": ("detections of a wrong class and place", "Add training data."),
    "duplicate": ("duplicates", "Lower the IoU above which detections are suppressed."),
    "background": ("detections where there is no object", "Add photos without objects."),
    "missed": ("missed objects", "Add training data of the kind that is missed."),
}


def findings(found: Measured) -> Findings:
    """What costs most, which classes are confused, and which numbers to doubt."""
    main = found.main.summary
    each = [*_never_found(main), *_costliest(main), *_confused(found)]
    return Findings(title="What to look at first", findings=[*each, *_scale(main), *_few(main)])


def _never_found(main: KindScores) -> Iterator[Finding]:
    lost = [row for row in main.per_class if row.objects >= FEW_OBJECTS and row.f1 is None]
    if lost:
        yield Finding(
            severity="error",
            text=f"{count(len(lost), 'class')} with objects enough to be learned, but none found",
            mend="See whether the model knows the class, and how it was annotated.",
            examples=[f"{row.name} ({count(row.objects, 'object')})" for row in lost[:EXAMPLES]],
            more=max(0, len(lost) - EXAMPLES),
        )


def _costliest(main: KindScores) -> Iterator[Finding]:
    if not main.errors or not main.errors.ap50:
        return  # with an AP50 of 0, everything is wrong at once
    costs = {name: main.errors.costs[name] or 0.0 for name in ERRORS}
    worst = max(costs, key=lambda name: costs[name])
    if costs[worst] > 0:
        what, mend = WHAT[worst]
        yield Finding(
            severity="warning" if costs[worst] >= LARGE_COST else "note",
            text=f"Most AP is lost to {what}: AP50 would be {costs[worst]:.3f} higher without them",
            mend=mend,
        )


def _confused(found: Measured) -> Iterator[Finding]:
    names = [row.name for row in found.main.summary.per_class]
    wrong = found.judged.matrix[1:, 1:].copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    for true, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True):
        times = int(wrong[true, predicted])
        if times >= LEAST_CONFUSIONS:
            first, second = names[true], names[predicted]
            text = f"{first} is taken for {second} {count(times, 'time')}"
            yield Finding(severity="note", text=text, tag=f"cell:{first}:{second}")


def _scale(main: KindScores) -> Iterator[Finding]:
    scale = main.calibration
    if scale is None or not scale.counts.any():
        return
    gap = np.nansum(scale.counts * (scale.confidence - scale.precision)) / scale.counts.sum()
    if abs(gap) > MISLEADING:
        more = "higher" if gap > 0 else "lower"
        text = f"Scores are {abs(gap):.2f} {more} than the share of correct detections, in the mean"
        yield Finding(severity="note", text=text, mend="Do not read a score as a probability.")


def _few(main: KindScores) -> Iterator[Finding]:
    held = [row for row in main.per_class if row.objects]
    few = [row.name for row in held if row.objects < FEW_OBJECTS]
    if few:
        have = "has" if len(few) == 1 else "have"
        yield Finding(
            severity="note",
            text=(
                f"{len(few)} of {count(len(held), 'class')} {have} fewer than {FEW_OBJECTS} "
                f"objects: AP of {SUBJECTS[main.kind]} is too high and its interval too narrow "
                "where objects are so few"
            ),
            mend="Add photos of these classes to the evaluation.",
            examples=few[:EXAMPLES],
            more=max(0, len(few) - EXAMPLES),
        )
