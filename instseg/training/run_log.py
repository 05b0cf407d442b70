"""What a training run tells: tables, and the same numbers and pictures for TensorBoard."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.system.atomic import replacing
from instseg.training.estimate import memory_in_use

ROW_STEPS = 20  # a row of log.csv is the mean of so many steps
CPU = torch.device("cpu")


class RunLog:
    """The files log.csv, epochs.csv and tensorboard/ in the folder of a run.

    What is written is on disk when a method returns. To be closed, or used in a `with` statement:
    the last steps are written then.

    Args:
        folder: Of the run.
        resume_step: Steps that the run has done before. What an earlier process logged after them
            is taken away, as it comes again, and so is a row that it wrote only half; of 0 steps,
            everything.
        device: Whose memory is told.
    """

    def __init__(self, folder: Path, resume_step: int = 0, device: torch.device = CPU) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes its time to import

        self._steps = _Table(folder / "log.csv", resume_step)
        self._epochs = _Table(folder / "epochs.csv", resume_step)
        self._device = device
        self._recent: list[Mapping[str, float]] = []
        self._spent_s = 0.0  # on the recent steps
        self._since_s = time.perf_counter()
        self._board_folder = folder / "tensorboard"
        with _naming(self._board_folder):
            if not resume_step:
                for events in self._board_folder.glob("events.out.tfevents.*"):
                    events.unlink()
            self._board = SummaryWriter(str(self._board_folder), purge_step=resume_step + 1)

    def step(self, figures: Mapping[str, float]) -> None:
        """Take a step into the means; every 20 steps they make a row.

        Args:
            figures: `step`, counted from 1, and whatever else there is, such as losses, by name.
                NaN beside a sound `loss` is a score of nothing, and left out of its mean.
        """
        now_s = time.perf_counter()
        self._spent_s += now_s - self._since_s
        self._since_s = now_s
        self._recent.append(figures)
        if figures["step"] % ROW_STEPS == 0:
            self._write_means()

    def epoch(self, epoch: int, step: int, figures: Mapping[str, float]) -> None:
        """Write what was measured after an epoch.

        Args:
            epoch: Counted from 1.
            step: The epoch's last.
            figures: By name.
        """
        self._epochs.add({"epoch": epoch, "step": step, **figures})
        self._show("validation", step, figures)

    def restart_clock(self) -> None:
        """Training goes on: what has been done since the last step was something else."""
        self._since_s = time.perf_counter()

    def image(self, tag: str, step: int, picture: NDArray[np.uint8]) -> None:
        """Show a picture, uint8 RGB (H, W, 3), in TensorBoard."""
        with _naming(self._board_folder):
            self._board.add_image(tag, picture, step, dataformats="HWC")
            self._board.flush()

    def close(self) -> None:
        """Write the steps since the last row, and let go of the files."""
        with _naming(self._board_folder), closing(self._board):
            if self._recent:
                self._write_means()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_means(self) -> None:
        step, count = int(self._recent[-1]["step"]), len(self._recent)
        names = [name for name in self._recent[-1] if name != "step"]
        means = {}
        for name in names:
            values = [
                each[name]
                for each in self._recent
                if not math.isnan(each[name]) or math.isnan(each.get("loss", 0.0))
            ]
            means[name] = sum(values) / len(values) if values else math.nan
        means |= {
            "steps_per_s": count / self._spent_s,
            "memory_mb": memory_in_use(self._device) / 1e6,
        }
        self._recent, self._spent_s = [], 0.0
        self._steps.add({"step": step, **means})
        self._show("train", step, means)

    def _show(self, group: str, step: int, figures: Mapping[str, float]) -> None:
        with _naming(self._board_folder):
            for name, value in figures.items():
                self._board.add_scalar(f"{group}/{name}", value, step)
            self._board.flush()


class _Table:
    """A CSV file that grows; its first row decides on the columns, one of which is `step`."""

    def __init__(self, path: Path, last_step: int) -> None:
        self._path = path
        text = path.read_text(encoding="utf-8") if last_step and path.exists() else ""
        whole = text[: text.rfind("\n") + 1]  # a killed process may leave half a line
        kept = [row for row in csv.DictReader(whole.splitlines()) if int(row["step"]) <= last_step]
        self._columns = list(kept[0]) if kept else []
        if kept:
            with replacing(path) as temporary:
                _append(temporary, self._columns, kept)
        else:
            path.unlink(missing_ok=True)

    def add(self, row: Mapping[str, float]) -> None:
        """Write a row; what there is no column for is left out."""
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


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Tell which log a full disk, or the like, has left unwritten."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); "
            "free some space and go on with --resume"
        ) from error
