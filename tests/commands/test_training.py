"""A training run on a terminal."""

import signal
import threading

import pytest

from instseg.commands.training import (
    TrainingListener,
    counts_as_table,
    interrupts_set,
    start_in_words,
)
from instseg.core.events import ClassesCounted, StepDone, TrainingStarted

STARTED = TrainingStarted(
    steps=120,
    first_step=20,
    epochs=3,
    images_per_step=8,
    optimizer="adamw",
    learning_rate=2e-4,
    step_s=1.5,
    memory_bytes=2_340_000_000,
)


def test_the_start_says_what_is_left_to_do():
    assert start_in_words(STARTED) == (
        "120 steps of 8 images in 3 epochs, adamw with a learning rate of 0.0002: about 0:02:30 "
        "(1.5 s a step) and 2.3 GB of memory, measuring not included"
    )


def test_ctrl_c_cancels_once_training_has_started_and_the_handler_goes_away(capsys):
    before = signal.getsignal(signal.SIGINT)
    with TrainingListener() as show:
        assert signal.getsignal(signal.SIGINT) is before
        show(STARTED)
        signal.raise_signal(signal.SIGINT)
        assert show.cancel.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        show(StepDone(step=21, steps=120, figures={"loss": 0.5, "lr": 1e-4, "mIoU": float("nan")}))
    assert signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().err == ""


def test_in_another_thread_no_handler_is_touched():
    before, found = signal.getsignal(signal.SIGINT), []

    def run():
        with interrupts_set(threading.Event()):
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [before]


def test_classes_are_counted_in_a_table():
    event = ClassesCounted(
        class_names=("BG", "pet"),
        images={"training": 3, "validation": 1},
        pixels={"training": [75, 25], "validation": [10, 0]},
        images_with={"training": [3, 2], "validation": [1, 0]},
    )
    columns, rows = counts_as_table(event)
    assert columns == [
        *("class", "training pixels", "of 3 images", "validation pixels", "of 1 images")
    ]
    assert rows == [("BG", "75.00%", "3", "100.00%", "1"), ("pet", "25.00%", "2", "0.00%", "0")]
