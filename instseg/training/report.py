"""The report of a training run: an HTML page in its folder, rewritten after each epoch."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from instseg import __version__
from instseg.core.errors import InputError
from instseg.core.events import OnEvent, Warned
from instseg.core.json_types import Json
from instseg.core.wording import printable
from instseg.report import components as parts
from instseg.report.page import write_page
from instseg.system.processes import process_count
from instseg.system.versions import versions
from instseg.training.best import BestWeights
from instseg.training.loop import Trainer
from instseg.training.run_log import EPOCHS_FILE, LOG_FILE, read_columns

REPORT_FILE = "report.html"
POINTS = 400  # of a line, at most; more are averaged
BATCH_IMAGES = 8  # in the picture of a batch
NO_TERMS = ("step", "loss", "lr", "steps_per_s", "memory_mb")  # of log.csv; others are of the loss

Columns = Mapping[str, Sequence[float]]


class Shown(Protocol):
    """What the report shows of one kind of network."""

    @property
    def title(self) -> str:
        """Heading of the report."""
        ...

    @property
    def scores(self) -> Sequence[str]:
        """Columns of log.csv and epochs.csv that are scores in 0..1."""
        ...

    def numbers(self, metrics: Json) -> list[parts.Number]:
        """Headline numbers of metrics.json."""
        ...

    def classes(self, metrics: Json) -> parts.Bars:
        """The score of each class."""
        ...

    def batch(self, count: int) -> NDArray[np.uint8]:
        """The first images of the first batch, at most `count`, as the network gets them."""
        ...

    def worst(self) -> parts.Gallery | None:
        """Images of the last validation with the lowest scores; None before it."""
        ...


@dataclass(kw_only=True)
class RunReport:
    """report.html of a run.

    Args:
        folder: Folder of the run, with its logs.
        options: The options, for a table.
        trainer: The trainer of the run.
        best: The best weights.
        shown: What it shows of this kind of network.
        on_event: Called with a warning if it cannot be written; the run goes on.
    """

    folder: Path
    options: Mapping[str, Any]
    trainer: Trainer
    best: BestWeights
    shown: Shown
    on_event: OnEvent
    _batch: bytes | None = field(init=False, default=None)

    def write(self) -> None:
        """Write the report of what is logged so far."""
        try:
            write_page(self.folder / REPORT_FILE, self.page(), embed="all")
        except InputError as problem:
            self.on_event(Warned(text=f"no report of the run: {problem}"))

    def page(self) -> parts.Page:
        """The report of what is logged so far."""
        metrics = self.best.metrics()
        sections = [self._summary(metrics), self._curves(), self._seen()]
        if metrics:
            bars = self.shown.classes(metrics)
            sections.insert(1, parts.Section(title="Classes", components=[bars]))
        if worst := self.shown.worst():
            words = "Of the last validation, the images with the lowest scores."
            pair: list[parts.Component] = [parts.Prose(paragraphs=[words]), worst]
            sections.append(parts.Section(title="Worst images", components=pair))
        rows = [[name, _in_words(value)] for name, value in self.options.items()]
        table = parts.Table(columns=["option", "value"], rows=rows)
        sections.append(parts.Section(title="Options", components=[table]))
        return parts.Page(
            title=self.shown.title,
            subtitle=printable(self.folder.resolve().name),
            sections=sections,
            details=environment(self.trainer),
        )

    def _summary(self, metrics: Json) -> parts.Section:
        trainer, best = self.trainer, self.best.best
        numbers = self.shown.numbers(metrics) if metrics else []
        numbers.append(
            parts.Number(
                label="steps", value=f"{trainer.step:,}", detail=f"of {trainer.steps:,} planned"
            )
        )
        components: list[parts.Component] = [parts.Numbers(numbers=numbers)]
        if metrics:
            words = f"The scores are those of the best weights, of epoch {best.epoch}, "
            words += "on the validation data."
        else:
            words = "There is no validation data, or it was not measured yet."
        return parts.Section(
            title="Result", components=[*components, parts.Prose(paragraphs=[words])]
        )

    def _curves(self) -> parts.Section:
        """Losses, scores and learning rate over the steps, as far as they are logged."""
        steps, epochs = (read_columns(self.folder / name) for name in (LOG_FILE, EPOCHS_FILE))
        scores = self.shown.scores
        terms = [n for n in steps if n not in (*NO_TERMS, *scores)]
        charts = [
            _chart(
                "Loss",
                "loss",
                [
                    _line("training", steps, "loss"),
                    _line("validation", epochs, "val_loss"),
                ],
            ),
            _chart("Terms of the training loss", "loss", [_line(n, steps, n) for n in terms]),
            _chart("Scores on the validation data", "score", [_line(n, epochs, n) for n in scores]),
            _chart("Learning rate", "learning rate", [_line("learning rate", steps, "lr")]),
        ]
        components: list[parts.Component] = [chart for chart in charts if chart is not None]
        if not components:
            components = [parts.Prose(paragraphs=["Nothing is logged yet."])]
        return parts.Section(title="Curves", components=components)

    def _seen(self) -> parts.Section:
        """What the network sees."""
        if self._batch is None:
            self._batch = _png(self.shown.batch(BATCH_IMAGES))
        alt = "Training images after augmentation, with what the network has to find"
        picture = parts.Picture(png=self._batch, alt=alt, title="The first batch, augmented")
        return parts.Section(title="What the network saw", components=[picture])


def environment(trainer: Trainer) -> dict[str, str]:
    """Versions, device, processor, and the learning rate that was chosen."""
    device, recipe = str(trainer.device), trainer.recipe
    if trainer.device.type == "cuda":
        device += f" ({torch.cuda.get_device_name(trainer.device)})"
    found = {
        "instseg": __version__,
        **versions(),
        "system": platform.platform(),
        "device": device,
        "precision": str(trainer.dtype).removeprefix("torch."),
        "processes": process_count(),
        "optimizer": f"{recipe.optimizer}, learning rate {recipe.learning_rate:.3g}",
    }
    return {name: str(value) for name, value in found.items()}


def _chart(title: str, label: str, lines: Sequence[parts.Line | None]) -> parts.Lines | None:
    """A chart of the lines that have points; None without any."""
    drawn = [line for line in lines if line is not None]
    if not drawn:
        return None
    return parts.Lines(title=title, lines=drawn, x_label="step", y_label=label)


def _line(name: str, table: Columns, column: str) -> parts.Line | None:
    """A column of a log over its steps, thinned; None if it has no value."""
    values = np.array(table.get(column, []), dtype=np.float64)
    if not np.isfinite(values).any():
        return None
    groups = math.ceil(len(values) / POINTS)
    ends = range(0, len(values), groups)
    steps = np.array(table["step"])
    return parts.Line(
        name=name,
        x=[float(steps[i : i + groups][-1]) for i in ends],
        y=[_mean(values[i : i + groups]) for i in ends],
    )


def _mean(values: NDArray[np.float64]) -> float:
    held = values[np.isfinite(values)]
    return float(held.mean()) if len(held) else math.nan


def _png(picture: NDArray[np.uint8]) -> bytes:
    """A PNG file of a picture."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def _in_words(value: Any) -> str:
    """The value of an option as the command line or JSON has it."""
    if value is None:
        return "-"
    words = value if isinstance(value, str) else json.dumps(value, default=str)
    return printable(words)
