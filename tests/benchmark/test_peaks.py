"""What a device can do, and what a work takes of it."""

import pytest
import torch

from instseg.benchmark.peaks import GpuMemory, share_of_peak

CPU = torch.device("cpu")


def test_operations_of_a_product_and_their_share_of_the_peak():
    one = torch.rand(64, 64)
    figures = share_of_peak(lambda: one @ one, torch.float32, CPU, 2)
    assert figures["gflop"] == 2 * 64**3 / 1e9
    rate = figures["gflop"] / figures["seconds"]
    assert figures["share"] == pytest.approx(rate / figures["gflop_per_s"])
    assert figures["gflop_per_s"] > 0


def test_memory_is_that_of_a_gpu_alone():
    memory = GpuMemory(CPU)
    assert memory.watched("work", len)([1, 2]) == 2
    assert memory.peak_mb == {}


@pytest.mark.cuda
def test_memory_that_a_work_takes_of_a_gpu(gpu):
    if gpu.type != "cuda":
        pytest.skip("only a GPU's memory is measured")
    memory = GpuMemory(gpu)
    held = torch.zeros(2**20, device=gpu)
    assert memory.watched("work", lambda _: (held + 1).sum().item())(None) == 2**20
    assert 4 <= memory.peak_mb["work"] < 8
