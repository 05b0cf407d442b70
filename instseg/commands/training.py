"""Shared parts of the training commands: terminal output, and Ctrl-C."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from instseg.commands.listener import Listener
from instseg.commands.terminal import console, error, table
from instseg.core.events import ClassesCounted, Event, Notice, StepDone, TrainingStarted
from instseg.core.wording import count
from instseg.system.processes import process_rank
from instseg.system.threads import spared_processors

if TYPE_CHECKING:
    from instseg.training.common_options import TrainingOptions
    from instseg.training.result import TrainingResult

FADING = 0.9  # of the figures beside the bar, from step to step

AnyResult = TypeVar("AnyResult", bound="TrainingResult")


def run_verb(
    verb: Callable[..., AnyResult],
    options: TrainingOptions,
    in_words: Callable[[AnyResult], str],
) -> int:
    """Train, show the run and its result; returns the exit code.

    Args:
        verb: `finetune` or `train_unet`.
        options: Its options.
        in_words: The best scores for the closing line.

    Raises:
        KeyboardInterrupt: After Ctrl-C, once the current step is saved.
    """
    with TrainingListener() as show:
        if spared := spared_processors():
            show(
                Notice(
                    text=f"{count(spared, 'processor')} left to other programs that are busy; "
                    "--threads N uses N"
                )
            )
        result = verb(**vars(replace(options, on_event=show, cancel=show.cancel)))
    first = process_rank() == 0
    if not result.finished:
        if first:
            error(f"stopped after step {result.steps}, which is saved; --resume goes on")
        raise KeyboardInterrupt
    if first:
        log = result.best.parent / "log.csv"
        scores = in_words(result)
        steps = count(result.steps, "step")
        console.print(f"{result.best}: trained for {steps}{scores}; log in {log}")
    return 0


class TrainingListener(Listener):
    """Shows a training run, and lets Ctrl-C cancel it.

    Attributes:
        cancel: The event for the verb's option `cancel`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cancel = threading.Event()
        self._figures: dict[str, float] = {}
        self._interrupts = ExitStack()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case TrainingStarted():
                self.end_bar()
                self._interrupts.enter_context(interrupts_set(self.cancel))
                console.print(start_in_words(event))
            case StepDone():
                self._step(event)
            case ClassesCounted():
                self.end_bar()
                table(*counts_as_table(event))
            case _:
                super().__call__(event)

    def _step(self, event: StepDone) -> None:
        self._figures |= {
            name: FADING * self._figures.get(name, value) + (1 - FADING) * value
            for name, value in event.figures.items()
            if math.isfinite(value)
        }
        told = [f"{name} {value:.3f}" for name, value in self._figures.items() if name != "lr"]
        words = ", ".join([*told, f"{event.memory_bytes / 1e9:.1f} GB"])
        self.bar("training", "steps")(event.step, event.steps, words)

    def __enter__(self) -> TrainingListener:
        if process_rank():  # which hears of no event, and must not stop before the first process
            self._interrupts.enter_context(interrupts_set(self.cancel))
        return self

    def __exit__(self, *_: object) -> None:
        self._interrupts.close()
        self.end_bar()


def start_in_words(event: TrainingStarted) -> str:
    """How long a run is, and what it will take."""
    left_s = round(event.step_s * (event.steps - event.first_step))
    return (
        f"{count(event.steps, 'step')} of {count(event.images_per_step, 'image')} "
        f"in {count(event.epochs, 'epoch')}, "
        f"{event.optimizer} with a learning rate of {event.learning_rate:.2g}: about "
        f"{timedelta(seconds=left_s)} ({event.step_s:.2g} s a step) and "
        f"{event.memory_bytes / 1e9:.1f} GB of memory, measuring not included"
    )


def counts_as_table(event: ClassesCounted) -> tuple[list[str], list[tuple[str, ...]]]:
    """Headings and rows: of each class the share of the pixels, and images that have it."""
    columns, cells = ["class"], [list(event.class_names)]
    for part, pixels in event.pixels.items():
        columns += [f"{part} pixels", f"of {event.images[part]} images"]
        cells.append([f"{count / sum(pixels):.2%}" for count in pixels])
        cells.append([str(count) for count in event.images_with[part]])
    return columns, list(zip(*cells, strict=True))


@contextmanager
def interrupts_set(cancel: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C set an event; the second stops at once.

    In a thread other than the main one, which alone may set handlers, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(*_: object) -> None:
        cancel.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
