"""What a training run leaves for its user to read."""

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from instseg.core.events import EpochDone, StepDone
from instseg.training.run_log import RunLog


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def steps(path: Path) -> list[int]:
    return [int(row["step"]) for row in rows(path)]


def board(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder / "tensorboard")).Reload()


def shown(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in board(folder).Scalars(tag)]


def done(step: int, seconds: float = 0.25, **figures: float) -> StepDone:
    figures = figures or {"loss": 1.0}
    return StepDone(step=step, steps=100, figures=figures, seconds=seconds, memory_bytes=10**9)


def epoch_done(epoch: int, step: int, pictures=None, **figures: float) -> EpochDone:
    return EpochDone(
        epoch=epoch, step=step, figures=figures, is_best=False, pictures=pictures or {}
    )


def train(log: RunLog, first: int, last: int) -> None:
    for step in range(first, last + 1):
        log(done(step, loss=float(step), lr=1e-4))
        if step % 30 == 0:
            log(epoch_done(step // 30, step, loss=step / 10, mask_AP=0.5))


def test_rows_are_means_of_twenty_steps_and_the_last_of_what_is_left(tmp_path):
    with RunLog(tmp_path) as log:
        train(log, 1, 50)
    found = rows(tmp_path / "log.csv")
    assert list(found[0]) == ["step", "loss", "lr", "steps_per_s", "memory_mb"]
    assert [(row["step"], row["loss"], row["lr"]) for row in found] == [
        ("20", "10.5", "0.0001"),
        ("40", "30.5", "0.0001"),
        ("50", "45.5", "0.0001"),
    ]
    assert all(float(row["memory_mb"]) == 1000 for row in found)
    epochs = [{"epoch": "1", "step": "30", "loss": "3", "mask_AP": "0.5"}]
    assert rows(tmp_path / "epochs.csv") == epochs


def test_tensorboard_shows_the_same_numbers_and_pictures(tmp_path):
    picture = np.full((4, 6, 3), 200, np.uint8)
    with RunLog(tmp_path) as log:
        train(log, 1, 30)
        log(epoch_done(2, 30, {"worst": picture}))
    assert shown(tmp_path, "train/loss") == [(20, 10.5), (30, 25.5)]
    assert shown(tmp_path, "validation/mask_AP") == [(30, 0.5)]
    (image,) = board(tmp_path).Images("worst")
    assert (image.step, image.height, image.width) == (30, 4, 6)


def test_the_rate_is_that_of_the_steps_alone(tmp_path):
    """Whatever was measured, saved and drawn between them."""
    with RunLog(tmp_path) as log:
        for step in range(1, 31):
            log(done(step, seconds=0.5 if step <= 20 else 2.0))
            if step == 10:
                log(epoch_done(1, step, mask_AP=0.5))
    assert [row["steps_per_s"] for row in rows(tmp_path / "log.csv")] == ["2", "0.5"]


def test_a_step_without_a_score_is_left_out_of_its_mean_but_no_broken_loss(tmp_path):
    nan = float("nan")
    with RunLog(tmp_path) as log:
        for step in range(1, 61):
            loss = nan if step == 21 else 0.5
            log(done(step, loss=loss, mIoU=nan if step % 2 or step > 40 else 0.25))
    found = [(row["loss"], row["mIoU"]) for row in rows(tmp_path / "log.csv")]
    assert found[0] == ("0.5", "0.25")
    assert found[1][0] == "nan"
    assert found[2] == ("0.5", "nan")  # no step has one


def test_after_a_resume_no_row_comes_twice(tmp_path):
    with RunLog(tmp_path) as log:
        train(log, 1, 90)
    with RunLog(tmp_path, 50) as log:
        train(log, 51, 100)
    assert steps(tmp_path / "log.csv") == [20, 40, 60, 80, 100]
    assert rows(tmp_path / "log.csv")[2]["loss"] == "55.5"  # of steps 51 to 60
    assert [row["epoch"] for row in rows(tmp_path / "epochs.csv")] == ["1", "2", "3"]
    assert [step for step, _ in shown(tmp_path, "train/loss")] == [20, 40, 60, 80, 100]
    assert [step for step, _ in shown(tmp_path, "validation/loss")] == [30, 60, 90]


def test_a_killed_run_leaves_all_its_rows(tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from instseg.core.events import EpochDone, StepDone\n"
        "from instseg.training.run_log import RunLog\n"
        "log = RunLog(Path(sys.argv[1]))\n"
        "for i in range(1, 46): log(StepDone(step=i, steps=45, figures={'loss': float(i)}))\n"
        "log(EpochDone(epoch=1, step=45, figures={'loss': 0.5}, is_best=True))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, tmp_path], cwd=Path(__file__).parents[2], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert steps(tmp_path / "log.csv") == [20, 40]
    assert [step for step, _ in shown(tmp_path, "train/loss")] == [20, 40]
    assert [step for step, _ in shown(tmp_path, "validation/loss")] == [45]


@pytest.mark.parametrize("half", ["6", "60", "60,50.5,0.", "60,50.5,0.0001,9", "\0\0\0"])
def test_half_a_line_is_dropped_at_the_resume(tmp_path, half):
    with RunLog(tmp_path) as log:
        train(log, 1, 40)
    with (tmp_path / "log.csv").open("a") as file:
        file.write(half)
    with RunLog(tmp_path, 70) as log:
        train(log, 71, 80)
    assert steps(tmp_path / "log.csv") == [20, 40, 80]
    assert None not in rows(tmp_path / "log.csv")[-1].values()


def test_half_an_event_and_half_a_header_are_passed_over(tmp_path):
    with RunLog(tmp_path) as log:
        train(log, 1, 40)
    (events,) = (tmp_path / "tensorboard").iterdir()
    os.truncate(events, events.stat().st_size - 5)
    (tmp_path / "log.csv").write_text("step,lo")
    with RunLog(tmp_path, 40) as log:
        train(log, 41, 60)
    assert steps(tmp_path / "log.csv") == [60]
    assert [step for step, _ in shown(tmp_path, "train/loss")] == [20, 40, 60]


def test_a_run_that_starts_anew_forgets_the_one_before(tmp_path):
    with RunLog(tmp_path) as log:
        train(log, 1, 60)
    with RunLog(tmp_path) as log:
        log(done(1, other=0.5))
    assert list(rows(tmp_path / "log.csv")[0])[:2] == ["step", "other"]
    assert not (tmp_path / "epochs.csv").exists()
    assert "train/loss" not in board(tmp_path).Tags()["scalars"]


def test_steps_beyond_a_hundred_thousand_keep_their_digits(tmp_path):
    with RunLog(tmp_path, 1_234_560) as log:
        train(log, 1_234_561, 1_234_580)
    assert steps(tmp_path / "log.csv") == [1_234_580]


def test_an_epoch_that_was_not_measured_is_no_row(tmp_path):
    with RunLog(tmp_path) as log:
        log(epoch_done(1, 20))
    assert not (tmp_path / "epochs.csv").exists()
