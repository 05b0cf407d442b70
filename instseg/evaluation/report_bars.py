"""The bars of a report: AP by class and by size, and what errors cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from instseg.core.wording import count
from instseg.evaluation.assess import Assessment
from instseg.evaluation.matching import SIZES
from instseg.evaluation.result import SUBJECTS, finite_or_none
from instseg.report.components import Bar, Bars

SIZE_METRICS = {"small": "APs", "medium": "APm", "large": "APl"}


def class_bars(
    found: Assessment, other: Assessment | None = None, names: tuple[str, str] = ("", "")
) -> Bars:
    """AP of each class that has objects, the best first, with intervals.

    Args:
        found: Of a result.
        other: For a second bar of each class.
        names: What both are called.
    """
    rows = [row for row in found.summary.per_class if row.objects]
    rows.sort(key=lambda row: -(row.AP or 0.0))
    bars = [
        Bar(
            label=row.name,
            value=row.AP,
            interval=row.interval,
            detail=count(row.objects, "object"),
        )
        for row in rows
    ]
    others = {row.name: row.AP for row in other.summary.per_class} if other else {}
    return Bars(
        title=f"AP of each class, {_subjects(found, other)}",
        bars=bars,
        most=_axis_end(bars, others.values()),
        other={bar.label: others.get(bar.label) for bar in bars} if other else {},
        names=names,
    )


def size_bars(
    found: Assessment, other: Assessment | None = None, names: tuple[str, str] = ("", "")
) -> Bars:
    """AP by the size of objects, with intervals; arguments as those of `class_bars`."""
    matches, scores = found.evaluation.matches, found.summary
    bars = [
        Bar(
            label=size,
            value=finite_or_none(scores.scores[metric]),
            interval=scores.interval(metric),
            detail=count(int(np.sum(~matches.gt_ignored[SIZES.index(size)])), "object"),
        )
        for size, metric in SIZE_METRICS.items()
    ]
    others = {
        size: finite_or_none(other.summary.scores[metric]) if other else None
        for size, metric in SIZE_METRICS.items()
    }
    return Bars(
        title=f"AP by size, {_subjects(found, other)}",
        bars=bars,
        most=_axis_end(bars, others.values()),
        other=others if other else {},
        names=names,
    )


def error_bars(
    found: Assessment, other: Assessment | None = None, names: tuple[str, str] = ("", "")
) -> Iterator[Bars]:
    """AP50 that each type of error costs, with their numbers; arguments as of `class_bars`."""
    errors = found.summary.errors
    if errors is None or errors.ap50 is None:
        return
    bars = [
        Bar(
            label=name.replace("_", " "),
            value=cost,
            detail=f"{errors.counts[name]:,}" if name in errors.counts else "",
        )
        for name, cost in errors.costs.items()
    ]
    others = other.summary.errors.costs if other and other.summary.errors else {}
    yield Bars(
        title=f"AP50 that each type of error costs, {_subjects(found, other)}",
        bars=bars,
        other={name.replace("_", " "): cost for name, cost in others.items()},
        names=names if others else ("", ""),
    )


def _subjects(found: Assessment, other: Assessment | None) -> str:
    """What bars are of, such as "masks and boxes"."""
    kinds = dict.fromkeys(each.kind for each in (found, other) if each)
    return " and ".join(SUBJECTS[kind] for kind in kinds)


def _axis_end(bars: Sequence[Bar], others: Iterable[float | None]) -> float:
    """The end of the axis that holds every bar and interval: tenths, at most 1."""
    ends = [0.1, *(bar.value or 0.0 for bar in bars), *(value or 0.0 for value in others)]
    ends += [bar.interval[1] for bar in bars if bar.interval]
    return min(math.ceil(max(ends) * 10) / 10, 1.0)
