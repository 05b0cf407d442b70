"""Lines of a chart as paths of SVG, in a box of 1000 by 1000 that is stretched to its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instseg.report.components import Line, Lines
from instseg.report.rendered import figure
from instseg.report.ticks import Limits, labels, round_limits, ticks

Floats = NDArray[np.float64]

BOX = 1000.0
COLORS = 10  # --series-0 to --series-9
MOST_POINTS = 1200  # of a path: more are not seen
MOST_DOTS = 60  # with a text under the pointer
CLOSE = 0.06  # of the axis: then it ends at a round number
SHOWN_DOTS = 30  # a line with fewer points shows them


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A point with the text that the pointer shows."""

    path: str
    text: str


@dataclass(frozen=True, kw_only=True)
class DrawnLine:
    """A line as drawn: `series` is its colour, `dashed` whether colours are used again."""

    name: str
    series: int
    dashed: bool
    path: str
    dots: list[Dot]
    shows_dots: bool


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A tick: its place in percent from the left or the top, and its text."""

    place: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """All that the template draws."""

    lines: list[DrawnLine]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    diagonal: str
    description: str


def chart(component: Lines) -> Chart:
    """The paths and ticks of a component."""
    xs = [line.x for line in component.lines]
    x_limits = component.x_limits or round_limits(_limits(xs), CLOSE)
    y_limits = component.y_limits or round_limits(_limits([line.y for line in component.lines]))
    for name, limits in (("x_limits", x_limits), ("y_limits", y_limits)):
        if not limits[0] < limits[1]:
            raise ValueError(f"{name}: expected the lower one first, got {limits}")
    names = ", ".join(line.name for line in component.lines)
    x_ticks, y_ticks = ticks(x_limits, whole=_are_whole(xs)), ticks(y_limits)
    return Chart(
        lines=[
            _drawn(index, line, x_limits, y_limits) for index, line in enumerate(component.lines)
        ],
        x_ticks=[
            Tick(place=_percent(number, x_limits), text=text)
            for number, text in zip(x_ticks, labels(x_ticks), strict=True)
        ],
        y_ticks=[
            Tick(place=_percent(number, y_limits[::-1]), text=text)
            for number, text in zip(y_ticks, labels(y_ticks), strict=True)
        ],
        diagonal=_diagonal(x_limits, y_limits) if component.diagonal else "",
        description=f"Chart of {component.y_label} against {component.x_label}: {names}",
    )


def _drawn(index: int, line: Line, x_limits: Limits, y_limits: Limits) -> DrawnLine:
    x, y = np.asarray(line.x, dtype=np.float64), np.asarray(line.y, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"{line.name}: expected as many x as y, got {x.shape} and {y.shape}")
    kept = _thinned(y, MOST_POINTS)
    x, y = x[kept], y[kept]
    across, down = _scaled(x, x_limits), BOX - _scaled(y, y_limits)
    known = np.flatnonzero(np.isfinite(across) & np.isfinite(down))
    chosen = known[:: -(-len(known) // MOST_DOTS)] if len(known) else known
    return DrawnLine(
        name=line.name,
        series=index % COLORS,
        dashed=index >= COLORS,
        path=_path(across, down),
        dots=[
            Dot(
                path=f"M{across[i]:.1f} {down[i]:.1f}h0",
                text=f"{line.name}: {_short(y[i])} at {_short(x[i])}".removeprefix(": "),
            )
            for i in chosen.tolist()
        ],
        shows_dots=len(known) <= SHOWN_DOTS,
    )


def _path(across: Floats, down: Floats) -> str:
    """`M0 10L20 30`, interrupted where a coordinate is NaN."""
    parts = []
    command = "M"
    for x, y in zip(across.tolist(), down.tolist(), strict=True):
        if x - x == 0 and y - y == 0:  # finite
            parts.append(f"{command}{x:.1f} {y:.1f}")
            command = "L"
        else:
            command = "M"
    return "".join(parts)


def _thinned(y: Floats, most: int) -> NDArray[np.int64]:
    """Indices of the points to draw: of many points, the extremes of every stretch."""
    if len(y) <= most:
        return np.arange(len(y), dtype=np.int64)
    kept = {0, len(y) - 1}
    for stretch in np.array_split(np.arange(len(y)), most // 2):
        values = y[stretch]
        if np.isfinite(values).any():
            kept |= {int(stretch[np.nanargmin(values)]), int(stretch[np.nanargmax(values)])}
        else:
            kept.add(int(stretch[0]))
    return np.array(sorted(kept), dtype=np.int64)


def _limits(values: Sequence[Sequence[float]]) -> Limits:
    known = np.concatenate([np.asarray(each, dtype=np.float64) for each in values] or [np.zeros(0)])
    known = known[np.isfinite(known)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)


def _are_whole(values: Sequence[Sequence[float]]) -> bool:
    """Whether all are whole numbers, as epochs and steps."""
    return all(bool((np.mod(np.asarray(each), 1) == 0).all()) for each in values)


def _scaled(values: Floats, limits: Limits) -> Floats:
    low, high = limits
    scaled: Floats = (values - low) / (high - low) * BOX
    return scaled


def _percent(number: float, limits: Limits) -> str:
    """From the first limit at 0% to the second at 100%."""
    return f"{100 * (number - limits[0]) / (limits[1] - limits[0]):.2f}%"


def _diagonal(x_limits: Limits, y_limits: Limits) -> str:
    ends = np.array([max(x_limits[0], y_limits[0]), min(x_limits[1], y_limits[1])])
    return _path(_scaled(ends, x_limits), BOX - _scaled(ends, y_limits))


def _short(value: float) -> str:
    """A value as the pointer shows it: 1,200, 0.312 or 1.2e-05."""
    number = float(value)
    if number == int(number) and abs(number) < 1e9:
        return figure(int(number))
    return figure(number) if 1e-2 <= abs(number) < 1e9 else f"{number:.3g}"
