"""Curves: of a training run, and over score thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from instseg.visualize.figures import (
    BLUE,
    DASHES,
    GREEN,
    GREY,
    INK,
    LABEL_PT,
    RED,
    SKY,
    SMALL_PT,
    SOFT,
    new_figure,
    say,
    styled_axes,
)

MOST_POINTS = 60  # of a curve that are marked


def history(
    training: Mapping[str, Sequence[float]],
    validation: Mapping[str, Sequence[float]],
    scores: Sequence[str],
) -> Figure:
    """The losses and scores of a training run against its epochs.

    Args:
        training: Columns of equal length: `epoch`, which has fractions, `loss`, and any scores.
        validation: Columns of equal length: `epoch`, `val_loss` and the scores; may be empty.
        scores: Names of the scores, in 0..1, three at most.
    """
    figure = new_figure(9.6, 4.0)
    grid = figure.add_gridspec(1, 2)
    losses = styled_axes(figure, "Loss", place=grid[0])
    for table, name, words, color in (
        (training, "loss", "training", BLUE),
        (validation, "val_loss", "validation, whole images", RED),
    ):
        if table.get(name):
            style = _style(table["epoch"])
            losses.plot(table["epoch"], table[name], style, color=color, label=words)
    shares = styled_axes(figure, "Scores", place=grid[1])
    shares.set_ylim(0, 1)
    for name, color in zip(scores, (RED, GREEN, SKY), strict=False):
        if training.get(name):
            label, style = f"{name}, training batches", _style(training["epoch"])
            shares.plot(training["epoch"], training[name], style, color=GREY, label=label)
        if validation.get(name):
            style = _style(validation["epoch"])
            shares.plot(validation["epoch"], validation[name], style, color=color, label=name)
    for axes in (losses, shares):
        axes.set_xlabel("epoch", fontsize=LABEL_PT, color=SOFT)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if axes.lines:
            axes.legend(fontsize=SMALL_PT, frameon=False, labelcolor=INK)
        else:
            say(axes, "nothing was measured")
    return figure


def over_thresholds(
    thresholds: Sequence[float],
    curves: Mapping[str, Sequence[float]],
    level: float,
    *,
    chosen: float,
    names: tuple[str, str, str],
) -> Figure:
    """What a score threshold does to a score, beside the level of something that has no threshold.

    Args:
        thresholds: T score thresholds, rising.
        curves: T scores by name, as of an overlap rule; at most three, 0 to 1.
        level: The score of what has no threshold.
        chosen: The threshold that is marked.
        names: Of the score, of what the curves are of, and of what the level is of.
    """
    score, of_curves, of_level = names
    figure = new_figure(6.8, 4.6)
    axes = styled_axes(figure, f"{score} by score threshold")
    axes.set(xlim=(0, 1), xlabel=f"score threshold (figures at {chosen:g})", ylabel=score)
    axes.axvline(chosen, color=GREY, linewidth=1)
    axes.axhline(level, color=RED, linewidth=1.8, label=f"{of_level}  {level:.3f}")
    for (name, values), dashes in zip(curves.items(), DASHES, strict=False):
        at_chosen = values[list(thresholds).index(chosen)]
        (line,) = axes.plot(thresholds, values, dashes, color=BLUE, linewidth=1.8)
        line.set(marker="o", markersize=3.5, label=f"{of_curves}, {name}  {at_chosen:.3f}")
    figure.legend(  # below the axes, where it hides no line
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=SMALL_PT,
        labelcolor=INK,
        handlelength=3.5,
    )
    return figure


def _style(points: Sequence[float]) -> str:
    """A line, with its points where they can be told apart."""
    return ".-" if len(points) <= MOST_POINTS else "-"
