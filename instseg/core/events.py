"""What long work tells while it runs: one callback, `on_event(event)`, and a handful of events.

def log(event):
    if isinstance(event, StepDone):
        mlflow.log_metrics(event.figures, step=event.step)

instseg.finetune("train.json", "photos/", on_event=log)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Part of a task is done: photos predicted, images measured, bytes downloaded.

    Attributes:
        task: What is being done, such as `predicting` or `downloading weights`.
        done: How much of it.
        total: How much there is; None while unknown.
        unit: What is counted: `images`, `steps`, `bytes`.
    """

    task: str
    done: float
    total: float | None = None
    unit: str = "images"


@dataclass(frozen=True, kw_only=True)
class TrainingStarted:
    """A training run is about to take its first step.

    Attributes:
        steps: Optimizer steps of the whole run.
        first_step: Steps that were done before, by the run that is resumed.
        epochs: Passes over the data, the last of which may be cut short.
        images_per_step: Over all processes and accumulated batches.
        optimizer: Its name.
        learning_rate: The highest.
        step_s: Estimated seconds of a step.
        memory_bytes: Estimated peak.
    """

    steps: int
    first_step: int
    epochs: int
    images_per_step: int
    optimizer: str
    learning_rate: float
    step_s: float
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class StepDone:
    """One optimizer step.

    Attributes:
        step: Counted from 1.
        steps: Of the whole run.
        figures: `loss`, each loss by name, and `lr`.
        seconds: Spent on the step and on waiting for its images; measuring and saving are not
            part of it.
        memory_bytes: In use.
    """

    step: int
    steps: int
    figures: Mapping[str, float]
    seconds: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class EpochDone:
    """An epoch has ended and was measured.

    Attributes:
        epoch: Counted from 1.
        step: Its last.
        figures: Scores and losses on the validation data; empty without any.
        is_best: Whether its weights are the best so far, and were written.
        pictures: What was drawn of it, by name: uint8 RGB (H, W, 3).
    """

    epoch: int
    step: int
    figures: Mapping[str, float]
    is_best: bool
    pictures: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ClassesMatched:
    """Which class of the data starts from which class of the weights.

    Attributes:
        sources: By class of the data; None for a class that starts from random weights.
    """

    sources: Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True)
class ClassesCounted:
    """How much there is of each class in the data for semantic segmentation.

    Attributes:
        class_names: By class id, the first is the background.
        images: By part of the data, `training` and `validation`: how many there are.
        pixels: By part: of each class.
        images_with: By part: how many images have pixels of each class.
    """

    class_names: Sequence[str]
    images: Mapping[str, int]
    pixels: Mapping[str, Sequence[int]]
    images_with: Mapping[str, Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something worth knowing, one line."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something is probably not as it should be; the work goes on.

    Attributes:
        text: One line that names the file and the mend.
    """

    text: str


@dataclass(frozen=True, kw_only=True)
class PhotoFailed:
    """A photo could not be processed; the work goes on with the next.

    Attributes:
        name: Of the photo.
        text: One line that names the file and the mend.
    """

    name: str
    text: str


Event: TypeAlias = (
    Progress
    | TrainingStarted
    | StepDone
    | EpochDone
    | ClassesMatched
    | ClassesCounted
    | Notice
    | Warned
    | PhotoFailed
)
OnEvent: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The callback of who wants to hear nothing."""


def download_progress(on_event: OnEvent) -> Callable[[int, int], None]:
    """What a download calls with the bytes done and in all, as `Progress` events."""

    def progress(done: int, total: int) -> None:  # a total of 0 is unknown
        on_event(Progress(task="downloading weights", done=done, total=total or None, unit="bytes"))

    return progress


def told(
    items: Iterable[Item],
    on_event: OnEvent,
    task: str,
    *,
    total: int | None = None,
    unit: str = "images",
) -> Iterator[Item]:
    """Pass items through and tell of each as it is asked for, and of the end."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    done = 0
    for done, item in enumerate(items, start=1):
        on_event(Progress(task=task, done=done - 1, total=total, unit=unit))
        yield item
    on_event(Progress(task=task, done=done, total=total, unit=unit))
