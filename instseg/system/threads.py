"""Threads of networks: how many work side by side, and how many each of them uses.

On a CPU, several photos at once by one thread each are faster than one photo by several threads,
which wait for each other after every layer: twice as fast on two processors, and beside other
programs far more. The results are those of one thread.

The command line calls `use_threads`; the library leaves the threads of a Python program alone.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from instseg.system.processors import allowed_processors, free_processors

if TYPE_CHECKING:
    import torch

MOST_WORKERS = 4  # each needs memory for the features of a photo
SPINS = "10000"  # of a waiting thread, before it lets others run; OpenMP's own number is 300,000
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
_setting = threading.Lock()


@dataclass
class _CommandLine:
    """What `use_threads` has chosen for this process; None if it was not called."""

    workers: int | None = None
    spared: int = 0


_chosen = _CommandLine()


@dataclass(frozen=True)
class Workers:
    """Threads that run a network at the same time.

    Attributes:
        count: How many.
        threads: How many threads torch uses in each of them.
    """

    count: int
    threads: int


def use_threads(threads: int | None = None) -> None:
    """Choose torch's threads for the commands of this process, before torch is imported.

    OpenMP's threads wait for the slowest of them after every layer of a network, and by default
    for so long that they slow each other down if other programs keep their processors busy: by up
    to thirty times. So there are as many threads as processors that others leave free, and they
    wait for a shorter time. Several photos at once use all processors, as their threads need not
    wait for each other.

    Args:
        threads: The number; None for OMP_NUM_THREADS, or else for what is free.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ["GOMP_SPINCOUNT"] = SPINS
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        _chosen.workers, _chosen.spared = None, 0
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(threads)
    elif "OMP_NUM_THREADS" not in os.environ:
        allowed = allowed_processors()
        free = free_processors() if allowed > 1 else 1
        os.environ["OMP_NUM_THREADS"] = str(free)
        _chosen.workers, _chosen.spared = allowed, allowed - free


def spared_processors() -> int:
    """How many processors `use_threads` has left to other programs."""
    return _chosen.spared


def workers_for(device: torch.device, tasks: int | None = None) -> Workers:
    """The workers for a network on a device: one for a GPU; on a CPU they share its threads.

    Args:
        device: Where the network is.
        tasks: Number of photos or batches, if it is known; there are no more workers than that.
    """
    import torch

    threads = torch.get_num_threads()
    if device.type != "cpu":
        return Workers(1, threads)
    most = min(_chosen.workers or threads, MOST_WORKERS)
    count = max(most if tasks is None else min(most, tasks), 1)
    return Workers(count, max(threads // count, 1))


def only_here(threads: int) -> Callable[[], None]:
    """What lets torch use this many threads when it is called from the current one.

    All other threads keep their number, and so do those that begin later.
    """

    def limit() -> None:
        import torch

        with _setting:
            others = torch.get_num_threads()  # which also gives this thread its number
            if others == threads:
                return
            torch.set_num_threads(threads)  # of this thread, and of those that begin later
            restoring = threading.Thread(target=torch.set_num_threads, args=(others,))
            restoring.start()
            restoring.join()

    return limit
