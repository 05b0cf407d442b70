"""A training run: events, logs, files and resuming."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instseg.core.events import (
    Event,
    Notice,
    OnEvent,
    StepDone,
    TrainingStarted,
    Warned,
    ignore,
)
from instseg.core.wording import printable
from instseg.system.atomic import set_aside
from instseg.system.device import forked_rng
from instseg.system.lock import only_run_in
from instseg.system.processes import joined_processes, process_count, process_rank
from instseg.training.best import BestWeights
from instseg.training.estimate import estimate, memory_in_use
from instseg.training.loop import Trainer
from instseg.training.report import REPORT_FILE
from instseg.training.resume import (
    BEST_FILE,
    CHECKPOINT_FILE,
    drop_resume_files,
    kept_options,
    refuse_stopped_run,
    write_options,
)
from instseg.training.run_log import EPOCHS_FILE, RunLog, read_rows


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run in its folder.

    Args:
        verb: `finetune` or `train_unet`.
        given: Its options, which are stored for resuming.
        folder: Output folder.
        resumed: Whether it continues from the folder's checkpoint.
        device: Name of the device; the state of its random generator is restored.
        on_event: Called with all events, in the first process only.
        cancel: Set it from another thread to end the run after the current step.
    """

    verb: str
    given: Mapping[str, Any]
    folder: Path
    resumed: bool
    device: str
    on_event: OnEvent
    cancel: threading.Event

    @contextmanager
    def underway(self, check: Callable[[], None]) -> Iterator[None]:
        """The context of a whole run, in which several processes are connected.

        No other run may write to the folder. The state of torch's random generator is restored at
        the end.

        Args:
            check: Raises InputError for wrong options.
        """
        with forked_rng(self.device):
            check()
            alone = nullcontext() if process_rank() else only_run_in(self.folder)
            with alone:
                if not self.resumed:
                    refuse_stopped_run(self.folder)
                with joined_processes():
                    yield

    @property
    def tell(self) -> OnEvent:
        """`on_event` in the first process; in the others events are ignored."""
        return ignore if process_rank() else self.on_event

    def train(
        self,
        trainer: Trainer,
        best: BestWeights,
        scores: Callable[[], Mapping[str, float]] = dict,
        report: Callable[[], None] = lambda: None,
    ) -> bool:
        """Run a trainer to its end, or until it is cancelled.

        Args:
            trainer: The trainer.
            best: Validates after each epoch.
            scores: Further figures of the last step, by name.
            report: Writes the report of the run; called in the first process after each epoch, and
                when all is logged.

        Returns:
            Whether it ended; if not, it can be resumed from the checkpoint.
        """
        first = process_rank() == 0
        kept = kept_options(self.folder, self.given) if first else {}
        if first and not self.resumed:
            # of an earlier run; a run without validation data would not replace it
            for name in ("worst.png", REPORT_FILE):
                (self.folder / name).unlink(missing_ok=True)
            if aside := set_aside(self.folder / BEST_FILE):
                text = f"{self.folder / BEST_FILE}: that of the earlier run is now {aside.name}"
                self.tell(Warned(text=printable(text)))
            write_options(self.folder, self.verb, kept, ended=False)
        self._go_on(trainer)
        if trainer.step < trainer.steps:
            trainer.prepare()
        self.tell(started(trainer))
        write_report = report if first else lambda: None
        with RunLog(self.folder, trainer.step) if first else nullcontext() as log:
            tell = in_turn(log, self.tell) if log else ignore

            def after_epoch(epoch: int) -> bool:
                done = best.look_at(epoch, tell)
                write_report()
                return done

            finished = trainer.run(
                self.folder / CHECKPOINT_FILE,
                after_step=lambda figures: tell(step_done(trainer, {**figures, **scores()})),
                after_epoch=after_epoch,
            )
        write_report()
        if first and finished:
            write_options(self.folder, self.verb, kept, ended=True)
            drop_resume_files(self.folder)
        return finished

    def result(self, trainer: Trainer, best: BestWeights, finished: bool) -> dict[str, Any]:
        """The fields that all results of training share."""
        return {
            "best": self.folder / BEST_FILE,
            "metrics": best.metrics(),
            "history": history_of(self.folder / EPOCHS_FILE),
            "steps": trainer.step,
            "finished": finished,
        }

    def _go_on(self, trainer: Trainer) -> None:
        """Continue from the checkpoint if the run is resumed."""
        checkpoint = self.folder / CHECKPOINT_FILE
        if not self.resumed:
            return
        if checkpoint.exists():
            trainer.load(checkpoint)
            self.tell(Notice(text=f"{checkpoint}: continuing after step {trainer.step}"))
        else:
            words = "nothing was saved yet, so the run starts from the beginning"
            self.tell(Notice(text=f"{checkpoint}: {words}"))


def started(trainer: Trainer) -> TrainingStarted:
    """The length of a run, with its estimated time and memory."""
    found = estimate(trainer)
    return TrainingStarted(
        steps=trainer.steps,
        first_step=trainer.step,
        epochs=trainer.epochs,
        images_per_step=max(sum(map(len, step)) for step in trainer.plan) * process_count(),
        optimizer=trainer.recipe.optimizer,
        learning_rate=trainer.recipe.learning_rate,
        step_s=found.step_s,
        memory_bytes=found.memory_bytes,
    )


def step_done(trainer: Trainer, figures: Mapping[str, float]) -> StepDone:
    """The last step of a trainer."""
    return StepDone(
        step=trainer.step,
        steps=trainer.steps,
        figures={name: value for name, value in figures.items() if name != "step"},
        seconds=trainer.step_s,
        memory_bytes=memory_in_use(trainer.device),
    )


def in_turn(*listeners: OnEvent) -> OnEvent:
    """Calls several callbacks, one after the other."""

    def tell(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return tell


def history_of(path: Path) -> list[dict[str, float]]:
    """The rows of epochs.csv; epoch and step are whole numbers."""
    rows = read_rows(path)
    return [{**row, "epoch": int(row["epoch"]), "step": int(row["step"])} for row in rows]
