"""How the C library hands memory back to the system."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt, see its manual page
KEPT_BYTES = 2**30


def keep_freed_memory() -> None:
    """Let this process keep up to 1 GiB of freed memory for its next allocations.

    The GNU C library returns large blocks to the system as soon as they are freed. Feature maps are
    such blocks: a network that runs again and again would wait each time for the system to fill
    them with zeros. Peak memory stays the same. For programs, not for libraries; without effect
    with other C libraries.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
