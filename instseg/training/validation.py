"""Losses on data that is not learnt from."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork

from instseg.training.loop import Task
from instseg.training.samples import collate


@torch.no_grad()
def validation_losses(
    task: Task,
    network: nn.Module,
    samples: Iterable[tuple[Tensor, Any]],
    *,
    batch_size: int,
    dtype: torch.dtype = torch.float32,
) -> dict[str, float]:
    """Mean losses, the same whenever the same network is measured on the same samples.

    Neither the network, nor the task, nor the state of chance is changed. Norms use what they have
    learnt, nothing is dropped out, images have the size of inference, and each batch has a seed of
    its own for the anchors and proposals that are drawn.

    Args:
        task: Whose losses.
        network: Measured in place of the task's own, such as the average of a training.
        samples: One or more; without `resize` of one size within a batch.
        batch_size: Samples that are measured at once.
        dtype: Of the network's arithmetic, float32 or bfloat16 (autocast).

    Returns:
        `loss`, the sum, and each loss by name: means over the samples.
    """
    measured = copy.copy(task)
    measured.network = network
    device = next(network.parameters()).device
    sums: dict[str, float] = {}
    count = 0
    rest = iter(samples)
    with _measuring(network), torch.random.fork_rng([device] if device.type == "cuda" else []):
        while batch := list(islice(rest, batch_size)):
            torch.manual_seed(count)
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                losses = measured.losses(*collate(batch))
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + loss.item() * len(batch)
            count += len(batch)
    means = {name: total / count for name, total in sums.items()}
    return {"loss": sum(means.values()), **means}


@contextmanager
def _measuring(network: nn.Module) -> Iterator[None]:
    """As in inference, but for those parts of torchvision's networks that compute losses.

    They do so in training mode only; what is within them stays in inference's.
    """
    modes = {module: module.training for module in network.modules()}
    try:
        for module in modes:
            module.training = isinstance(module, RegionProposalNetwork | RoIHeads)
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
