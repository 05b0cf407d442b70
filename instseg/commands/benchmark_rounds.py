"""Two sides measured in turn, so that whatever else the machine does hits both."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from instseg.commands.terminal import progress
from instseg.core.errors import InputError

Found = TypeVar("Found")


def in_fresh_process(measure: Callable[..., Found], side: str, *arguments: Any) -> Found:
    """`measure(side, *arguments)` in a process that has done nothing else.

    Raises:
        InputError: when the process is killed.
    """
    spawn = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            return pool.submit(measure, side, *arguments).result()
    except BrokenProcessPool as problem:
        raise InputError(
            f"{side}: its process ran out of memory or was killed; free memory, or measure less"
        ) from problem


def in_turn(
    ours: Callable[[Any], object], peer: Callable[[Any], object], inputs: list[Any]
) -> dict[str, Any]:
    """Run both sides on each input, one after the other; the first input only warms up.

    Returns:
        `ours` and `peer`, each with `median`, `fastest` and `slowest` seconds, and `ratio` of the
        medians.
    """
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    for each in progress(inputs, description="measuring", unit="rounds"):
        for name, side in (("ours", ours), ("peer", peer)):
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
