"""Charts of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import ArrayLike, NDArray

from instseg.visualize.figures import (
    BLUE,
    DASHES,
    GREEN,
    GREY,
    INK,
    LABEL_PT,
    RED,
    RULE,
    SKY,
    SMALL_PT,
    SOFT,
    new_figure,
    plain,
    say,
    styled_axes,
)

Floats = NDArray[np.float64]

SHADES = LinearSegmentedColormap.from_list("shades", ["#FFFFFF", "#A6CDE8", BLUE, "#062B57"])

LONGEST_NAME = 24  # characters
CLASSES_WITH_COUNTS = 25  # a confusion matrix with more has no room for numbers
MOST_CONFUSED = 30
MOST_ROWS = 40  # of `class_intervals`
NAMED_CLASSES = 3  # best and worst, in `precision_recall`


def precision_recall(
    curves: Mapping[str, Floats], overall: Mapping[str, Floats], subject: str = ""
) -> Figure:
    """Precision over recall: every class thin, the means bold, best and worst classes named.

    Args:
        curves: Of each class, precision (101,) at recall 0, 0.01 ... 1. A class with a negative
            number or NaN has no meaning and is left out.
        overall: Mean curves (101,) by name, as "IoU 0.50"; at most three.
        subject: What the title says it is of.
    """
    figure = new_figure(7.6, 4.6)
    axes = styled_axes(figure, _title("Precision and recall", subject))
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    means = {name: float(np.mean(each)) for name, each in curves.items() if np.all(each >= 0)}
    ranked = sorted(means, key=lambda name: -means[name])
    if not ranked:
        say(axes, "no class has objects")
        return figure
    recall = np.linspace(0, 1, 101)
    for name in ranked:
        axes.plot(recall, _while_any(curves[name]), color=GREY, linewidth=0.7)
    named = min(NAMED_CLASSES, len(ranked) // 2)
    legend = []
    for heading, lines, color, width in (
        ("all classes", {n: (c, np.mean(c)) for n, c in overall.items()}, BLUE, 2.4),
        ("best classes", {n: (curves[n], means[n]) for n in ranked[:named]}, GREEN, 1.3),
        ("worst classes", {n: (curves[n], means[n]) for n in ranked[::-1][:named]}, RED, 1.3),
    ):
        if lines:
            legend.append(Line2D([], [], linestyle="none", label=heading))
        for (name, (curve, mean)), dashes in zip(lines.items(), DASHES, strict=False):
            line = axes.plot(recall, _while_any(curve), dashes, color=color, linewidth=width)[0]
            line.set_label(f"{_short(name)}  {mean:.3f}")
            legend.append(line)
    legend.append(Line2D([], [], color=GREY, label=f"each of {len(ranked)} classes"))
    box = axes.legend(handles=legend, loc="upper left", bbox_to_anchor=(1.02, 1.01), frameon=False)
    for line, text in zip(legend, box.get_texts(), strict=True):
        weight = "bold" if line.get_linestyle() == "None" else "normal"
        text.set(fontsize=SMALL_PT, color=INK, fontweight=weight)
    return figure


def confusion(matrix: NDArray[np.int64], names: Sequence[str], subject: str = "") -> Figure:
    """Which classes are taken for which, each row in shares of the true class.

    With more than 25 classes only the 30 with most mistakes are shown, without numbers; what is
    taken for one of the others is in a column of its own.

    Args:
        matrix: Counts (K + 1, K + 1), rows the truth, columns the prediction, 0 the background.
        names: Of the K classes.
        subject: What the title says it is of.
    """
    count = len(names)
    shown = np.arange(1, count + 1)
    title = _title("Confusion of classes", subject)
    if count > CLASSES_WITH_COUNTS:
        mistakes = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
        shown = np.sort(1 + np.argsort(-mistakes[1:], kind="stable")[:MOST_CONFUSED])
        title += f": the {len(shown)} of {count} with most mistakes" if count > len(shown) else ""
    others = ["other classes"] if count > len(shown) else []
    rows = [*(_short(names[i - 1]) for i in shown.tolist()), "background"]
    columns = [*rows[:-1], *others, "background"]
    cells = _cells(matrix, shown)
    totals = cells.sum(axis=1, keepdims=True)
    shares = np.divide(cells, totals, out=np.zeros(cells.shape), where=totals > 0)
    side = 2.6 + (0.42 if count <= CLASSES_WITH_COUNTS else 0.24) * max(len(rows), 5)
    figure = new_figure(side + 0.7, side)
    axes = styled_axes(figure, title, grid=None)
    image = axes.imshow(shares, cmap=SHADES, vmin=0, vmax=1)
    axes.set_xticks(np.arange(len(columns)), columns, rotation=90)
    axes.set_yticks(np.arange(len(rows)), rows)
    axes.set(xlabel="prediction", ylabel="truth")
    axes.tick_params(which="both", labelsize=SMALL_PT, length=0)
    axes.set_xticks(np.arange(1, len(columns)) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, len(rows)) - 0.5, minor=True)
    axes.grid(which="minor", color=RULE, linewidth=0.6)
    axes.axhline(len(shown) - 0.5, color=SOFT, linewidth=0.8)
    axes.axvline(len(shown) - 0.5, color=SOFT, linewidth=0.8)
    bar = figure.colorbar(image, shrink=0.6, aspect=30, ticks=[0, 0.5, 1])
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL_PT, colors=SOFT, length=0)
    bar.set_label("share of the row", fontsize=SMALL_PT, color=SOFT)
    if count <= CLASSES_WITH_COUNTS:
        _write_counts(axes, cells, shares)
    return figure


def _cells(matrix: NDArray[np.int64], shown: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of the shown classes and the background; columns likewise, other classes before it."""
    rows = matrix[np.append(shown, 0)]
    others = np.delete(rows, [0, *shown], axis=1)
    parts = [others.sum(axis=1, keepdims=True)] if others.size else []
    return np.hstack([rows[:, shown], *parts, rows[:, :1]])


def _write_counts(axes: Axes, counts: NDArray[np.int64], shares: Floats) -> None:
    for row, column in np.argwhere(counts > 0).tolist():
        number = int(counts[row, column])
        axes.text(
            column,
            row,
            f"{number}" if number < 10_000 else f"{number / 1000:.0f}k",
            ha="center",
            va="center",
            fontsize=SMALL_PT - 1,
            color="white" if shares[row, column] > 0.45 else INK,
        )


def error_bars(errors: Mapping[str, float], subject: str = "") -> Figure:
    """What each type of error costs.

    Args:
        errors: AP50 that would be gained without it, 0 to 1, by its name; drawn in their order.
        subject: What the title says it is of.
    """
    figure = new_figure(6.4, 1.3 + 0.36 * max(len(errors), 2))
    axes = styled_axes(figure, _title("What each type of error costs", subject), grid="x")
    axes.set_xlabel("AP50 that would be gained without it")
    if not errors:
        say(axes, "no errors")
        return figure
    values = list(errors.values())
    places = np.arange(len(values))
    axes.barh(places, values, height=0.62, color=BLUE)
    axes.set_yticks(places, [_short(name) for name in errors])
    axes.invert_yaxis()
    axes.set_xlim(min(0, *values), max(0.01, *values) * 1.15)
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            f"{value:.3f}",
            (max(value, 0), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=LABEL_PT,
            color=INK,
        )
    return figure


def reliability(
    confidence: ArrayLike, precision: ArrayLike, counts: ArrayLike, ece: float, subject: str = ""
) -> Figure:
    """How far scores can be read as probabilities, over how many detections have which score.

    Args:
        confidence: (B,) mean score of the detections in each of B equal bins of 0..1.
        precision: (B,) share of them that are right.
        counts: (B,) how many they are; bins without any are left out.
        ece: Expected calibration error, 0 to 1.
        subject: What the title says it is of.
    """
    number = np.asarray(counts, np.float64)
    bins, used = len(number), number > 0
    score, right = (np.asarray(each, np.float64)[used] for each in (confidence, precision))
    figure = new_figure(5.2, 5.6)
    grid = figure.add_gridspec(2, 1, height_ratios=(3, 1))
    axes = styled_axes(figure, _title("Are the scores probabilities?", subject), place=grid[0])
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--", label="perfect")
    axes.vlines(score, score, right, color=RED, linewidth=4, alpha=0.35, label="gap")
    axes.plot(score, right, color=BLUE, marker="o", markersize=4.5, linewidth=1.5, label="measured")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="precision")
    axes.tick_params(labelbottom=False)
    told = f"expected calibration error {ece:.3f}" if used.any() else "no detections"
    axes.plot([], linestyle="none", label=told)  # there it never lies on the curve
    axes.legend(frameon=False, fontsize=SMALL_PT, labelcolor=INK, loc="upper left")
    below = styled_axes(figure, "", place=grid[1])
    below.bar((np.arange(bins) + 0.5) / bins, number, width=0.9 / bins, color=SKY)
    below.set(xlim=(0, 1), xlabel="score", ylabel="detections")
    if used.any() and number.max() > 50 * number[used].min():
        below.set_yscale("log")
        below.set_ylim(bottom=0.7)
    else:
        below.set_ylim(0, max(1.0, 1.08 * number.max(initial=0)))
        below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    below.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    below.minorticks_off()
    figure.align_ylabels()
    return figure


def class_intervals(
    names: Sequence[str], values: ArrayLike, lows: ArrayLike, highs: ArrayLike, subject: str = ""
) -> Figure:
    """AP of each class with its 95% interval, best first; of many only the best and the worst.

    Args:
        names: Of the K classes.
        values: (K,) AP, 0 to 1; a class with a negative number, NaN or None is left out.
        lows: (K,) lower ends of the intervals; NaN or None for none.
        highs: (K,) upper ends.
        subject: What the title says it is of.
    """
    value, low, high = (np.array(each, dtype=np.float64) for each in (values, lows, highs))
    ranked = np.argsort(-value, kind="stable")
    ranked = ranked[value[ranked] >= 0]
    title, known = _title("AP of each class, with 95% intervals", subject), len(ranked)
    half = MOST_ROWS // 2
    if known > MOST_ROWS:
        title += f"\nthe {half} best and the {half} worst of {known}"
        ranked = np.concatenate([ranked[:half], ranked[-half:]])
    figure = new_figure(6.4, 1.5 + 0.19 * max(len(ranked), 4))
    axes = styled_axes(figure, title, grid="x")
    axes.set(xlim=(0, 1), xlabel="AP")
    if not known:
        say(axes, "no class has objects")
        return figure
    places = np.arange(len(ranked), dtype=np.float64)
    if known > MOST_ROWS:
        places[half:] += 1
        axes.axhline(half, color=SOFT, linewidth=0.8, linestyle=":")
    axes.hlines(places, low[ranked], high[ranked], color=SKY, linewidth=3)
    sure = np.isfinite(low[ranked])
    for chosen, face in ((sure, BLUE), (~sure, "white")):
        (dots,) = axes.plot(value[ranked][chosen], places[chosen], color=BLUE, markerfacecolor=face)
        dots.set(marker="o", markersize=4.5, linestyle="none", clip_on=False)
    if not sure.all():
        axes.set_xlabel("AP (hollow: too few objects for an interval)")
    axes.set_yticks(places, [_short(names[i]) for i in ranked.tolist()])
    axes.tick_params(axis="y", labelsize=SMALL_PT)
    axes.set_ylim(places[-1] + 0.8, -0.8)
    return figure


def _title(words: str, subject: str) -> str:
    return f"{words} ({plain(subject)})" if subject else words


def _short(name: str) -> str:
    """A name that leaves room for the chart: of a long one the middle goes, ends tell more."""
    return plain(name if len(name) <= LONGEST_NAME else f"{name[:14]}…{name[-9:]}")


def _while_any(curve: Floats) -> Floats:
    """A curve of precision without what lies on the axis, where no detection is left."""
    return np.where(np.cumsum(curve <= 0) > 1, np.nan, curve)
