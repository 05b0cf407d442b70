"""What memory this process has taken, and Python's search for garbage in it."""

from __future__ import annotations

import gc
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Do not look for garbage among many new objects of which none is: that would cost a third."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def highest_memory_bytes() -> int:
    """The most memory that this process has held so far."""
    if sys.platform == "linux":  # where `getrusage` also counts what started the process
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
