"""Results of training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from instseg.core.html_table import html_table
from instseg.evaluation.result import NAMES


@dataclass(frozen=True, kw_only=True, repr=False)
class TrainingResult:
    """The result of a training run.

    Attributes:
        best: The model file. A run that was cancelled before its first measurement has none yet.
        metrics: Of the best weights on the validation data, as in metrics.json; {} without any.
        history: The figures of each measured epoch, as in epochs.csv.
        steps: Optimizer steps that were made, with those before a resume.
        finished: False if the run was cancelled; `resume` with the folder of `best` continues it.
    """

    best: Path
    metrics: Mapping[str, Any]
    history: Sequence[Mapping[str, float]]
    steps: int
    finished: bool

    @property
    def scores(self) -> dict[str, float | None]:
        """The most important of the metrics, by name."""
        return {}

    def __repr__(self) -> str:
        scores = "".join(f", {name} {_figure(value)}" for name, value in self.scores.items())
        state = "" if self.finished else ", not finished"
        return f"{type(self).__name__}({str(self.best)!r}, {self.steps} steps{scores}{state})"

    def _repr_html_(self) -> str:
        """For a notebook: the line of `repr`, and the history as curves and as a table."""
        if not self.history:
            return f"<p>{escape(repr(self))}</p>"
        names = list(self.history[-1])
        rows = [[_figure(row.get(name)) for name in names] for row in self.history]
        return html_table(names, rows, caption=repr(self)) + self._html_curves()

    def _html_curves(self) -> str:
        """The losses and the scores against epochs, where there are several."""
        from instseg.report.components import Line, Lines
        from instseg.report.fragment import fragment

        def lines(names: Sequence[str]) -> list[Line]:
            return [
                Line(name=name, x=epochs, y=[row.get(name, math.nan) for row in self.history])
                for name in names
            ]

        epochs = [row.get("epoch", math.nan) for row in self.history]
        names = [name for name in self.history[-1] if name not in ("epoch", "step", "lr")]
        losses = [name for name in names if "loss" in name]
        scores = [name for name in names if name not in losses]
        charts = [
            Lines(lines=lines(each), x_label="epoch", y_label=label)
            for label, each in (("score", scores), ("loss", losses))
            if each and len(epochs) > 1
        ]
        return fragment(*charts)


class FinetuneResult(TrainingResult):
    """The result of `finetune`.

    Attributes:
        best: The model file. A run that was cancelled before its first measurement has none yet.
        metrics: COCO's figures of the best weights for `bbox` and `segm`, as in metrics.json; {}
            without validation data.
        history: For each measured epoch `epoch`, `step`, losses, `box_AP` and `mask_AP`, as in
            epochs.csv.
        steps: Optimizer steps that were made, with those before a resume.
        finished: False if the run was cancelled; `resume` with the folder of `best` continues it.
    """

    @property
    def scores(self) -> dict[str, float | None]:
        """AP of boxes and masks, if there is validation data."""
        return {f"{NAMES[kind]} AP": each["AP"] for kind, each in self.metrics.items()}


class TrainUnetResult(TrainingResult):
    """The result of `train_unet`.

    Attributes:
        best: The model file. A run that was cancelled before its first measurement has none yet.
        metrics: `scores` of the best weights and the `IoU` of each class, as in metrics.json; {}
            without validation data.
        history: For each measured epoch `epoch`, `step`, losses and scores, as in epochs.csv.
        steps: Optimizer steps that were made, with those before a resume.
        finished: False if the run was cancelled; `resume` with the folder of `best` continues it.
    """

    @property
    def scores(self) -> dict[str, float | None]:
        """Mean IoU with the background and without it, if there is validation data."""
        found = self.metrics.get("scores", {})
        return {name: found[name] for name in ("mIoU", "mIoU_fg") if name in found}


def _figure(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
