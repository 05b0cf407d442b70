"""Bars as places in percent of a track."""

from __future__ import annotations

import math
from dataclasses import dataclass

from instseg.report.components import Bars
from instseg.report.rendered import figure


@dataclass(frozen=True, kw_only=True)
class Span:
    """From and how far, in percent of the track."""

    start: str
    width: str


@dataclass(frozen=True, kw_only=True)
class DrawnBar:
    """A bar as drawn; None for what it lacks."""

    label: str
    detail: str
    value: str
    interval: str
    other: str
    span: Span | None
    interval_span: Span | None
    other_span: Span | None


@dataclass(frozen=True, kw_only=True)
class BarChart:
    """All that the template draws; `zero` is the place of 0 where bars go both ways."""

    bars: list[DrawnBar]
    zero: str
    has_intervals: bool


def bar_chart(component: Bars) -> BarChart:
    """The places of a component's bars."""
    numbers = [0.0]
    for bar in component.bars:
        numbers += [bar.value or 0.0, component.other.get(bar.label) or 0.0, *(bar.interval or ())]
    known = [number for number in numbers if math.isfinite(number)]
    low, high = min(known), max(known)
    high = high if component.most is None else component.most
    scale = 100 / (high - low) if high > low else 100.0

    def place(number: float) -> float:
        return min(max((number - low) * scale, 0.0), 100.0)

    def span(start: float, end: float | None) -> Span | None:
        if end is None or not (math.isfinite(start) and math.isfinite(end)):
            return None
        left, right = sorted((place(start), place(end)))
        return Span(start=f"{left:.2f}", width=f"{right - left:.2f}")

    return BarChart(
        bars=[
            DrawnBar(
                label=bar.label,
                detail=bar.detail,
                value=figure(bar.value),
                interval=" to ".join(map(figure, bar.interval or ())),
                other=figure(component.other.get(bar.label)),
                span=span(0, bar.value),
                interval_span=span(*bar.interval) if bar.interval else None,
                other_span=span(0, component.other.get(bar.label)),
            )
            for bar in component.bars
        ],
        zero=f"{place(0):.2f}" if low < 0 else "",
        has_intervals=any(bar.interval for bar in component.bars),
    )
