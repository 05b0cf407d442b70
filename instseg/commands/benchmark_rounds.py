"""Two sides measured in turn, so that whatever else the machine does hits both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from instseg.commands.terminal import progress


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
