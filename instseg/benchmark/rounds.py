"""Two sides measured by turns, so that whatever else the machine does affects both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from instseg.core.events import OnEvent, ignore, told
from instseg.system.fresh_process import in_fresh_process

SIDES = ("ours", "peer")
HIGHEST_DIFFERENCE = 1e-9


class Measured(NamedTuple):
    """One run of one side."""

    seconds: float
    peak_mb: float  # growth of the process' peak memory
    numbers: list[float]  # the same on all sides
    processor_seconds: float = 0.0  # of all threads


def time_by_turns(
    ours: Callable[[Any], object],
    peer: Callable[[Any], object],
    inputs: Sequence[Any],
    *,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """Run both sides on each input, one after the other; the first input only warms up.

    Returns:
        `ours` and `peer`, each with `median`, `fastest` and `slowest` seconds, and `ratio` of the
        medians.
    """
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    for each in told(inputs, on_event, "measuring", unit="rounds"):
        for name, side in zip(SIDES, (ours, peer), strict=True):
            start = time.perf_counter()
            side(each)
            seconds[name].append(time.perf_counter() - start)
    figures: dict[str, Any] = {
        name: {
            "median": statistics.median(times[1:]),
            "fastest": min(times[1:]),
            "slowest": max(times[1:]),
        }
        for name, times in seconds.items()
    }
    return figures | {"ratio": figures["peer"]["median"] / figures["ours"]["median"]}


def measure_in_fresh_processes(
    once: Callable[..., Measured],
    tasks: Mapping[str, tuple[Any, ...]],
    repeats: int,
    *,
    sides: Sequence[str] = SIDES,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """Run every task by all sides, one after the other, each time in a fresh process.

    Args:
        once: Called as `once(side, *arguments)`, side "ours", "peer" or another one.
        tasks: Arguments of each task.
        repeats: Runs of each.
        sides: "ours", "peer" and others.
        on_event: Called with the progress.

    Returns:
        For each side, of each task: `TASK_s` (median), `TASK_fastest_s`, `TASK_slowest_s`,
        `TASK_processor_s` (the lowest), `TASK_peak_mb` (the highest growth); and `ratio` of `peer`
        and `ours`, by task.

    Raises:
        RuntimeError: They do not come to the same numbers.
    """
    figures: dict[str, Any] = {**{side: {} for side in sides}, "ratio": {}}
    rounds = [(task, side) for _ in range(repeats) for task in tasks for side in sides]
    runs: dict[tuple[str, str], list[Measured]] = {each: [] for each in rounds}
    for task, side in told(rounds, on_event, "measuring", unit="runs"):
        runs[task, side].append(in_fresh_process(once, side, *tasks[task]))
    for (task, side), measured in runs.items():
        seconds = [run.seconds for run in measured]
        figures[side] |= {
            f"{task}_s": statistics.median(seconds),
            f"{task}_fastest_s": min(seconds),
            f"{task}_slowest_s": max(seconds),
            f"{task}_processor_s": min(run.processor_seconds for run in measured),
            f"{task}_peak_mb": max(run.peak_mb for run in measured),
        }
    for task in tasks:
        for side in sides:
            differences = np.subtract(runs[task, "ours"][0].numbers, runs[task, side][0].numbers)
            if not np.allclose(differences, 0, rtol=0, atol=HIGHEST_DIFFERENCE):
                raise RuntimeError(f"{task}: ours and {side} differ by {differences.tolist()}")
        figures["ratio"][task] = figures["peer"][f"{task}_s"] / figures["ours"][f"{task}_s"]
    return figures
