"""Events of long tasks, given to one callback, `on_event(event)`.

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
    """Progress of a task: photos predicted, images measured, bytes downloaded.

    Attributes:
        task: Description, such as `predicting` or `downloading weights`.
        done: Number of units done.
        total: Number of units in all; None while unknown.
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
        steps: Number of optimizer steps of the whole run.
        first_step: Number of steps that were done before, if the run is resumed.
        epochs: Number of epochs; the last one may be incomplete.
        images_per_step: Images per step, over all processes and accumulated batches.
        optimizer: Name of the optimizer.
        learning_rate: Peak learning rate.
        step_s: Estimated seconds per step.
        memory_bytes: Estimated peak memory.
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
        step: Number of the step, from 1.
        steps: Number of steps of the whole run.
        figures: `loss`, each loss by name, and `lr`.
        seconds: Duration of the step, with waiting for its images, but without validation and
            saving.
        memory_bytes: Memory in use.
    """

    step: int
    steps: int
    figures: Mapping[str, float]
    seconds: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class EpochDone:
    """An epoch has ended and was validated.

    Attributes:
        epoch: Number of the epoch, from 1.
        step: Number of its last step.
        figures: Scores and losses on the validation data; empty if there is none.
        is_best: Whether its weights are the best so far, and were written.
        pictures: Pictures of the validation by name: uint8 RGB (H, W, 3).
    """

    epoch: int
    step: int
    figures: Mapping[str, float]
    is_best: bool
    pictures: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ClassesMatched:
    """From which class of the weights each class of the data is initialised.

    Attributes:
        sources: Class of the weights by class of the data; None for random weights.
    """

    sources: Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True)
class ClassesCounted:
    """Frequency of each class in the data for semantic segmentation.

    Attributes:
        class_names: Names by class id; the first is the background.
        images: Number of images by part of the data, `training` and `validation`.
        pixels: By part: number of pixels of each class.
        images_with: By part: number of images with pixels of each class.
    """

    class_names: Sequence[str]
    images: Mapping[str, int]
    pixels: Mapping[str, Sequence[int]]
    images_with: Mapping[str, Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Information for the user, one line."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something is probably wrong; the task continues.

    Attributes:
        text: One line that names the file and the remedy.
    """

    text: str


@dataclass(frozen=True, kw_only=True)
class PhotoFailed:
    """A photo could not be processed; the task continues with the next one.

    Attributes:
        name: Name of the photo.
        text: One line that names the file and the remedy.
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


class _Ignore:
    """A callback that does nothing, shown as `ignore` where help prints it as a default value."""

    def __call__(self, event: Event) -> None:
        pass

    def __repr__(self) -> str:
        return "ignore"

    __reduce__ = __repr__  # pickled and copied by its name, as functions are


ignore = _Ignore()


def download_progress(on_event: OnEvent) -> Callable[[int, int], None]:
    """A progress callback for downloads, which sends `Progress` events."""

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
    """Pass items through, and send a `Progress` event for each one and at the end."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    done = 0
    for done, item in enumerate(items, start=1):
        on_event(Progress(task=task, done=done - 1, total=total, unit=unit))
        yield item
    on_event(Progress(task=task, done=done, total=total, unit=unit))
