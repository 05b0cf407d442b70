"""Logs of a training run: CSV files, and the same numbers with pictures for TensorBoard."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import EpochDone, Event, StepDone
from instseg.system.atomic import replacing

LOG_FILE, EPOCHS_FILE, BOARD_FOLDER = "log.csv", "epochs.csv", "tensorboard"
ROW_STEPS = 20  # steps per row of log.csv, which has their means


class RunLog:
    """An `on_event` that writes log.csv, epochs.csv and tensorboard/ in the folder of a run.

    Everything is on disk when a call returns. Close it, or use it in a `with` statement, to write
    the last steps.

    Args:
        folder: Folder of the run.
        resume_step: Number of steps before a resume. Later rows, and incomplete ones, are removed
            from the logs, because the steps are repeated; with 0, all rows.
    """

    def __init__(self, folder: Path, resume_step: int = 0) -> None:
        from torch.utils.tensorboard import SummaryWriter  # slow to import

        self._steps = _Table(folder / LOG_FILE, resume_step)
        self._epochs = _Table(folder / EPOCHS_FILE, resume_step)
        self._recent: list[StepDone] = []
        self._board_folder = folder / BOARD_FOLDER
        with _naming(self._board_folder):
            if not resume_step:
                for events in self._board_folder.glob("events.out.tfevents.*"):
                    events.unlink()
            self._board = SummaryWriter(str(self._board_folder), purge_step=resume_step + 1)

    def __call__(self, event: Event) -> None:
        """Log an event.

                Each row has the means of 20 steps. A figure that is NaN while
        `loss` is finite is an undefined score, and left out of the mean.
        """
        if isinstance(event, StepDone):
            self._recent.append(event)
            if event.step % ROW_STEPS == 0:
                self._write_means()
        elif isinstance(event, EpochDone):
            if event.figures:
                self._epochs.add({"epoch": event.epoch, "step": event.step, **event.figures})
                self._show("validation", event.step, event.figures)
            with _naming(self._board_folder):
                for name, picture in event.pictures.items():
                    self._board.add_image(name, picture, event.step, dataformats="HWC")
                self._board.flush()

    def close(self) -> None:
        """Write the steps since the last row, and close the files."""
        with _naming(self._board_folder), closing(self._board):
            if self._recent:
                self._write_means()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_means(self) -> None:
        last = self._recent[-1]
        means = {}
        for name in last.figures:
            values = [
                each.figures[name]
                for each in self._recent
                if not math.isnan(each.figures[name]) or math.isnan(each.figures.get("loss", 0.0))
            ]
            means[name] = sum(values) / len(values) if values else math.nan
        seconds = sum(each.seconds for each in self._recent)
        means |= {
            "steps_per_s": len(self._recent) / seconds if seconds else math.nan,
            "memory_mb": last.memory_bytes / 1e6,
        }
        self._recent = []
        self._steps.add({"step": last.step, **means})
        self._show("train", last.step, means)

    def _show(self, group: str, step: int, figures: Mapping[str, float]) -> None:
        with _naming(self._board_folder):
            for name, value in figures.items():
                self._board.add_scalar(f"{group}/{name}", value, step)
            self._board.flush()


class _Table:
    """A CSV file to append to; its first row determines the columns, which include `step`."""

    def __init__(self, path: Path, last_step: int) -> None:
        self._path = path
        kept = []
        if last_step and path.exists():
            with _naming_damage(path):
                text = path.read_text(encoding="utf-8")
                whole = text[: text.rfind("\n") + 1]  # a kill may leave an incomplete line
                rows = csv.DictReader(whole.splitlines())
                kept = [row for row in rows if int(row["step"]) <= last_step]
        self._columns = list(kept[0]) if kept else []
        if kept:
            with replacing(path) as temporary:
                _append(temporary, self._columns, kept)
        else:
            path.unlink(missing_ok=True)

    def add(self, row: Mapping[str, float]) -> None:
        """Write a row; values without a column are left out."""
        self._columns = self._columns or list(row)
        texts = {k: f"{v:.6g}" if isinstance(v, float) else str(v) for k, v in row.items()}
        with _naming(self._path):
            _append(self._path, self._columns, [texts])


def _append(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    with path.open("a", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(
            file, columns, restval="", extrasaction="ignore", lineterminator="\n"
        )
        if not file.tell():
            table.writeheader()
        table.writerows(rows)


def read_columns(path: Path) -> dict[str, list[float]]:
    """The columns of a log by name, NaN for missing values; empty if there is no file."""
    rows = read_rows(path)
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def read_rows(path: Path) -> list[dict[str, float]]:
    """The rows of a log; empty if there is no file."""
    if not path.exists():
        return []
    with _naming_damage(path), path.open(encoding="utf-8", newline="") as file:
        return [
            {name: float(value or "nan") for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


@contextmanager
def _naming_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
        raise InputError(f"{path}: is damaged; remove it to continue without it") from error


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Raise an InputError that names the log if it cannot be written."""
    try:
        yield
    except OSError as error:
        raise ArgumentError(
            f"{path}: cannot be written ({error.strerror or error}); "
            "free some space and continue with {resume}"
        ) from error
