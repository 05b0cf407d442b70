"""What a device can do at its best, what a work needs of it, and the memory that this takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

SIDES_OF_MATRICES = {"cuda": 8192, "cpu": 1024}  # large enough for the full rate
TRIALS = 5


def finish(device: str | torch.device) -> None:
    """Wait until the device has done all that it was told to."""
    import torch

    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median seconds of a work, to its end on the device, after one run to warm up."""
    seconds = []
    for _ in range(repeats + 1):
        finish(device)
        start = time.perf_counter()
        work()
        finish(device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def matmul_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product: the device's practical peak.

    In float32 a GPU uses TF32, as its convolutions do unless PyTorch is told otherwise.
    """
    import torch

    side = SIDES_OF_MATRICES.get(device.type, 1024)
    one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    with _tf32_as_in_convolutions():
        seconds = seconds_of(lambda: one @ other, device, TRIALS)
    return 2 * side**3 / seconds


def operations(work: Callable[[], object]) -> int:
    """Floating-point operations of the convolutions and matrix products of a work."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def share_of_peak(
    work: Callable[[], object], device: torch.device, dtype: torch.dtype, repeats: int
) -> dict[str, float]:
    """How near a work comes to the device's practical peak in a precision.

    Returns:
        `seconds` of the work, its `operations`, `peak_per_s`, those that the device does in a
        second, and `share`, of that peak.
    """
    needed, rate = operations(work), matmul_rate(device, dtype)
    seconds = seconds_of(work, device, repeats)
    return {
        "seconds": seconds,
        "operations": needed,
        "peak_per_s": rate,
        "share": needed / seconds / rate,
    }


@dataclass
class GpuMemory:
    """Memory of a GPU that works take, beyond what is held before they begin.

    Attributes:
        device: The GPU; for other devices nothing is measured.
        peak_mb: By the name of the work, the most of all its runs.
    """

    device: torch.device
    peak_mb: dict[str, float] = field(default_factory=dict)

    def watched(self, name: str, work: Callable[[Any], object]) -> Callable[[Any], object]:
        """The same work; each call is measured, and ends when the device is done."""
        if self.device.type != "cuda":
            return work
        import torch

        def run(argument: Any) -> object:
            torch.cuda.reset_peak_memory_stats(self.device)
            before = torch.cuda.memory_allocated(self.device)
            result = work(argument)
            finish(self.device)
            taken = (torch.cuda.max_memory_allocated(self.device) - before) / 2**20
            self.peak_mb[name] = max(self.peak_mb.get(name, 0.0), taken)
            return result

        return run


@contextmanager
def _tf32_as_in_convolutions() -> Iterator[None]:
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
