"""How many processors this process may use, and how many of them others leave free."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from pathlib import Path

from instseg.system.cgroups import MEMBERSHIP, MOUNT, own_groups

SAMPLE_S = 0.1
SAMPLES = 3  # at most: the least busy one counts, so that a moment's work of others does not
_STAT = Path("/proc/stat")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def allowed_processors() -> int:
    """The processors of this process: its affinity, and the quota of its control groups."""
    quota = min(_quotas(), default=math.inf)
    return max(1, math.ceil(min(len(_affinity()), quota)))


def free_processors(sample_s: float = SAMPLE_S) -> int:
    """The processors of this process that others leave free, at least 1.

    Programs with a lower priority than this one count as leaving them free. Takes a tenth of a
    second, and a little longer if others are busy.

    Args:
        sample_s: For how long their work is measured, while this process waits.
    """
    mine = _affinity()
    others = min_until_zero(_busy(mine, sample_s) for _ in range(SAMPLES))
    return max(1, min(allowed_processors(), len(mine) - others))


def min_until_zero(numbers: Iterator[int]) -> int:
    """The lowest of some numbers, of which none is taken after a 0."""
    least = next(numbers)
    while least and (number := next(numbers, None)) is not None:
        least = min(least, number)
    return least


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def _busy(processors: set[int], sample_s: float) -> int:
    """How many of the processors are busy while this process waits, to the nearest whole number."""
    begin, before = time.monotonic(), _worked(processors)
    time.sleep(sample_s)
    ticks = (time.monotonic() - begin) * _TICKS_PER_S
    return round((_worked(processors) - before) / ticks)


def _worked(processors: set[int]) -> int:
    """Ticks that processors have worked since the start of the machine; 0 where none are told."""
    try:
        lines = _STAT.read_text().splitlines()
    except OSError:
        return 0
    counted = {f"cpu{number}" for number in processors}
    return sum(_work(*line.split()[1:8]) for line in lines if line.split(" ", 1)[0] in counted)


def _work(user: str, nice: str, system: str, idle: str, iowait: str, irq: str, softirq: str) -> int:
    """The working ticks of a line of /proc/stat."""
    low_priority = int(nice) if os.nice(0) > 0 else 0
    return int(user) + int(system) + int(irq) + int(softirq) + low_priority


def _quotas(root: Path = MOUNT, membership: Path = MEMBERSHIP) -> Iterator[float]:
    """Processors that each control group of this process may use, if it is limited.

    Args:
        root: Where the groups are mounted.
        membership: The file that names those of this process.
    """
    for group, _ in own_groups("cpu", root, membership):
        yield from _quota(group)


def _quota(group: Path) -> Iterator[float]:
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        if int(quota) > 0:
            yield int(quota) / int(period)
    except (OSError, ValueError):  # no such group, or "max"
        return
