"""How the C library hands memory back to the system."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, see its manual page
KEPT_BYTES = 2**30


def keep_freed_memory() -> None:
    """Let this process keep up to 1 GiB of freed memory for its next allocations.

    The GNU C library returns large blocks to the system as soon as they are freed. Feature maps are
    such blocks: a network that runs again and again would wait each time for the system to fill
    them with zeros. Peak memory stays the same. For programs, not for libraries; without effect
    with other C libraries.
    """
    mallopt = _of_c_library("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)


def return_freed_memory() -> None:
    """Return all freed memory to the system, also what lies between blocks that are in use.

    Blocks of ever other sizes leave gaps into which the next ones do not fit. It takes a few
    milliseconds, and the system fills the memory with zeros when it is used again.
    """
    malloc_trim = _of_c_library("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _of_c_library(name: str) -> Any:
    """A function of the GNU C library; None with others."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
