"""What `instseg evaluate` prints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from instseg.commands.terminal import console, table
from instseg.core.wording import LONGEST_NAME, count, interval, number, printable
from instseg.evaluation.bootstrap import FEW_OBJECTS
from instseg.evaluation.coco_ap import Kind
from instseg.evaluation.difference import ScoreDifference, difference_cells, verdict
from instseg.evaluation.result import (
    NAMES,
    Evaluation,
    KindScores,
    score_rows,
)

SHOWN_CLASSES = 20


def print_evaluation(found: Evaluation, against: Path | None) -> None:
    """Print the scores with intervals, costs of errors, the worst classes, and differences."""
    names = [NAMES[each.kind] for each in found.kinds]
    columns = [column for name in names for column in (f"{name} score", "95% interval")]
    table(["", *columns], score_rows(found.kinds))
    explained = [each for each in found.kinds if each.errors and each.calibration]
    errors = {NAMES[each.kind]: each.errors for each in explained if each.errors}
    if any(each.ap50 for each in errors.values()):
        console.print("")
        costs = [each.costs for each in errors.values()]
        rows = [(k.replace("_", " "), *(number(cost[k]) for cost in costs)) for k in costs[0]]
        table(["cost in AP50 of", *errors], rows)
    console.print("")
    _print_classes(explained)
    for each in explained:
        if each.calibration and np.isfinite(each.calibration.ece):
            console.print(
                f"{NAMES[each.kind]} scores lie {each.calibration.ece:.3f} from the share of true "
                "detections, in the mean (ECE)"
            )
    if found.comparison:
        _print_comparisons(found.comparison, against)


def _print_comparisons(
    comparison: Mapping[Kind, Mapping[str, ScoreDifference]], against: Path | None
) -> None:
    console.print("")
    names = [NAMES[kind] for kind in comparison]
    columns = [c for name in names for c in (f"{name} difference", "95% interval", "p")]
    metrics = next(iter(comparison.values()))
    rows = (
        [name, *(cell for each in comparison.values() for cell in difference_cells(each[name]))]
        for name in metrics
    )
    table(["", *columns], rows)
    for kind, differences in comparison.items():
        console.print(f"{NAMES[kind]} AP against {against}: {verdict(differences['AP'])}")


def _print_classes(explained: list[KindScores]) -> None:
    """A row per class; of many the worst, by the last kind that was measured."""
    worst_first = sorted(
        (k for k, row in enumerate(explained[-1].per_class) if row.objects),
        key=lambda k: explained[-1].per_class[k].AP or 0.0,
    )
    names = [NAMES[each.kind] for each in explained]
    columns = [f"{name} {what}" for name in names for what in ("AP", "interval", "best threshold")]
    rows = []
    for k in worst_first[:SHOWN_CLASSES]:
        first = explained[0].per_class[k]
        row: list[object] = [printable(first.name)[:LONGEST_NAME], first.objects]
        for scores in (each.per_class[k] for each in explained):
            row += [number(scores.AP), interval(scores.interval), number(scores.threshold)]
        rows.append(row)
    table(["class", "objects", *columns], rows)
    if len(worst_first) > SHOWN_CLASSES:
        console.print(
            f"the {SHOWN_CLASSES} worst of {len(worst_first)} classes; all in per_class.csv"
        )
    few = sum(explained[0].per_class[k].objects < FEW_OBJECTS for k in worst_first)
    if few:
        have = "has" if few == 1 else "have"
        console.print(
            f"{few} of {count(len(worst_first), 'class')} {have} fewer than {FEW_OBJECTS} "
            "objects: AP is too high and its interval too narrow where objects are so few"
        )
