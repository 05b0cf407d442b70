"""Memory of this process: what it uses, and what it may still use."""

from __future__ import annotations

import gc
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from instseg.core.errors import ArgumentError
from instseg.system.cgroups import MEMBERSHIP, MOUNT, own_groups

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)
V1_FILES = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"  # of a group
V2_FILES = "memory.max", "memory.current", "inactive_file"


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Pause garbage collection while many objects are made: saves a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def highest_memory_bytes() -> int:
    """Peak memory of this process."""
    if sys.platform == "linux":  # where `getrusage` also counts what started the process
        return _of_process("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory_bytes() -> int:
    """Memory that this process uses now; on other systems than Linux, its peak."""
    return _of_process("VmRSS") if sys.platform == "linux" else highest_memory_bytes()


def memory_limit_bytes() -> int | None:
    """How much memory this process may use in all, with what it uses already.

    The least of what the machine has free, of the limits of its control groups (version 1 and 2, as
    containers set them) and of its address space (`ulimit -v`). None where this is unknown.
    """
    told = (_free_on_machine(), _free_in_cgroups(), _free_to_map())
    free = [each for each in told if each is not None]
    return memory_bytes() + max(min(free), 0) if free else None


def parse_bytes(memory: str | int) -> int:
    """A number of bytes; "4GB" is 4 * 10**9, "2GiB" is 2 * 2**30, and "512" or 512 is 512.

    Raises:
        ArgumentError: The text is not a size, or it is 0.
    """
    found = _SIZE.fullmatch(str(memory))
    amount = 0.0
    if found:
        number, prefix, binary = found.groups()
        power = " kmgt".index(prefix.lower() or " ")
        amount = float(number) * (1024 if binary else 1000) ** power
    if amount < 1:
        raise ArgumentError("{memory} must be a size such as 4GB, 512MB or 2GiB", memory=memory)
    return int(amount)


def size_in_words(size: float) -> str:
    """Bytes as text, such as "2.5 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _of_process(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) * 1024


def _free_on_machine() -> int | None:
    try:
        told = Path("/proc/meminfo").read_text()
        return int(told.split("MemAvailable:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        return None


def _free_to_map() -> int | None:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY or sys.platform != "linux":
        return None
    return limit - _of_process("VmSize")


def _free_in_cgroups(root: Path = MOUNT, membership: Path = MEMBERSHIP) -> int | None:
    """What the control groups of this process leave free.

    Args:
        root: Where they are mounted.
        membership: The file that names those of this process.
    """
    free = []
    for group, is_v2 in own_groups("memory", root, membership):
        names = V2_FILES if is_v2 else V1_FILES
        found = _free_in_group(group, *names)
        if found is not None:
            free.append(found)
    return min(free, default=None)


def _free_in_group(folder: Path, limit: str, used: str, cached: str) -> int | None:
    """What one group leaves free; files that it has read count as free. None without a limit."""
    try:
        most = int((folder / limit).read_text())
        now = int((folder / used).read_text())
        figures = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such group, or "max"
        return None
    return most - now + int(figures.get(cached, 0))
