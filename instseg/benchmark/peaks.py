"""What a device can do at its best, how near to it a work comes, and the memory it takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

RATE_ROUNDS = 6  # of which the fastest counts


def finish(device: str | torch.device) -> None:
    """Wait until the device has done all that it was told to."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device, repeats: int) -> list[float]:
    """Seconds of each of several runs of a work, to its end on the device, after one to warm up."""
    seconds = []
    for _ in range(repeats + 1):
        finish(device)
        start = time.perf_counter()
        work()
        finish(device)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


@torch.inference_mode()
def operations_per_second(dtype: torch.dtype, device: torch.device) -> float:
    """The rate of a matrix product or of a 3x3 convolution, whichever is higher.

    Float32 on a GPU is TF32, as in its convolutions unless PyTorch is told otherwise.
    """
    large = device.type == "cuda"
    side, (images, height, width) = (8192, (8, 200, 272)) if large else (1024, (1, 100, 136))
    channels, last = 256, torch.channels_last
    square = torch.rand(side, side, device=device).to(dtype)
    image = torch.rand(images, channels, height, width, device=device)
    image = image.to(dtype, memory_format=last)
    kernel = torch.rand(channels, channels, 3, 3, device=device).to(dtype, memory_format=last)
    with _tf32():
        product = min(seconds_of(lambda: square @ square, device, RATE_ROUNDS))
    convolution = min(seconds_of(lambda: F.conv2d(image, kernel, padding=1), device, RATE_ROUNDS))
    of_convolution = 2 * channels**2 * 9 * images * height * width
    return max(2 * side**3 / product, of_convolution / convolution)


@torch.inference_mode()
def bytes_per_second(device: torch.device) -> float:
    """The rate of copying, reads and writes together."""
    source = torch.zeros((256 if device.type == "cuda" else 64) * 2**20, device=device)
    target = torch.zeros_like(source)
    return 2 * source.nbytes / min(seconds_of(lambda: target.copy_(source), device, RATE_ROUNDS))


def share_of_peak(
    work: Callable[[], object], dtype: torch.dtype, device: torch.device, repeats: int
) -> dict[str, float]:
    """How near the convolutions and matrix products of a work come to the device's best rate.

    Returns:
        Median `seconds` of the work, its `gflop`, the rate of the device in this precision,
        `gflop_per_s`, and the `share` of it that the work reaches.
    """
    with FlopCounterMode(display=False) as counter:
        work()
    gflop, rate = counter.get_total_flops() / 1e9, operations_per_second(dtype, device) / 1e9
    seconds = statistics.median(seconds_of(work, device, repeats))
    return {
        "seconds": seconds,
        "gflop": gflop,
        "gflop_per_s": rate,
        "share": gflop / seconds / rate,
    }


@dataclass
class GpuMemory:
    """Memory of a GPU that works take, beyond what is held before they begin.

    Attributes:
        device: The GPU; of other devices nothing is measured.
        peak_mb: By the name of the work, the most of all its runs.
    """

    device: torch.device
    peak_mb: dict[str, float] = field(default_factory=dict)

    def watched(self, name: str, work: Callable[[Any], object]) -> Callable[[Any], object]:
        """The same work, measured in each run, which ends when the device has done it."""
        if self.device.type != "cuda":
            return work

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
def _tf32() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
