"""Threads of networks: how many work side by side, and how many each of them uses.

On a CPU, several photos at once by one thread each are faster than one photo by several threads,
which wait for each other after every layer. The results are those of one thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

MOST_WORKERS = 4  # each needs memory for the features of a photo
_setting = threading.Lock()


@dataclass(frozen=True)
class Workers:
    """Threads that run a network at the same time.

    Attributes:
        count: How many.
        threads: How many threads torch uses in each of them.
    """

    count: int
    threads: int


def workers_for(device: torch.device, tasks: int | None = None) -> Workers:
    """The workers for a network on a device: one for a GPU; on a CPU they share torch's threads.

    Args:
        device: Where the network is.
        tasks: Number of photos or batches, if it is known; there are no more workers than that.
    """
    import torch

    threads = torch.get_num_threads()
    most = MOST_WORKERS if device.type == "cpu" else 1
    count = max(min(threads, most, threads if tasks is None else tasks), 1)
    return Workers(count, threads // count if device.type == "cpu" else threads)


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
