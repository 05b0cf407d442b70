"""Figures in one style: matplotlib's apart from pyplot, so that any thread may draw."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from instseg.system.atomic import replacing

# Colours of Okabe and Ito, which the colour-blind tell apart, and greys.
BLUE, SKY, GREEN, RED = "#0072B2", "#56B4E9", "#009E73", "#D55E00"
INK, SOFT, GREY, RULE = "#1F2328", "#57606A", "#C9CED4", "#E9EBEE"
DASHES = ("-", "--", ":")

DPI = 150
TITLE_PT, LABEL_PT, SMALL_PT = 11, 9, 8


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure of a size in inches."""
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def styled_axes(
    figure: Figure,
    title: str,
    *,
    grid: Literal["both", "x", "y"] | None = "both",
    place: SubplotSpec | None = None,
) -> Axes:
    """Axes in the charts' one style, with grid lines across the given axis."""
    axes = figure.add_subplot(place) if place else figure.add_subplot()
    for side, spine in axes.spines.items():
        spine.set(color=GREY, visible=side in ("left", "bottom"))
    axes.tick_params(colors=SOFT, labelcolor=INK, labelsize=LABEL_PT, length=0)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=RULE, linewidth=0.8)
    axes.set_title(title, loc="left", fontsize=TITLE_PT, color=INK, fontweight="bold", pad=10)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(fontsize=LABEL_PT, color=SOFT)
    return axes


def say(axes: Axes, words: str) -> None:
    """Words instead of a chart that has nothing to show."""
    axes.set_yticks([])
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes, color=SOFT)


def plain(text: str) -> str:
    """Text whose dollars matplotlib does not take for mathematics."""
    return text.replace("$", r"\$")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
