"""Losses on validation data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork

from instseg.training.samples import collate


class HasLosses(Protocol):
    """A task that computes losses."""

    def losses(self, images: list[Tensor], targets: list[Any]) -> dict[str, Tensor]:
        """Losses of one batch, scalars by name."""
        ...


class Measurable(Protocol):
    """A task that computes losses with any network."""

    def for_validation(self, network: Any) -> HasLosses:
        """The same task with another network, for images as in inference."""
        ...


@torch.no_grad()
def validation_losses(
    task: Measurable,
    network: nn.Module,
    samples: Iterable[tuple[Tensor, Any]],
    *,
    batch_size: int,
    dtype: torch.dtype = torch.float32,
) -> dict[str, float]:
    """Mean losses, reproducible for the same network and samples.

    Neither the network, nor the task, nor torch's global random state is changed. BatchNorm uses
    its running statistics, dropout is off, images have their inference size, and each batch has its
    own seed for the sampling of anchors and proposals.

    Args:
        task: Computes the losses.
        network: The network, such as the moving average of the weights.
        samples: One or more samples.
        batch_size: Samples per batch.
        dtype: float32, or bfloat16 for autocast.

    Returns:
        `loss`, the sum, and each loss by name: means over the samples.
    """
    measured = task.for_validation(network)
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
    """Evaluation mode, except for the parts of torchvision's networks that compute losses.

    They do so in training mode only; the layers within them are in evaluation mode.
    """
    modes = {module: module.training for module in network.modules()}
    try:
        for module in modes:
            module.training = isinstance(module, RegionProposalNetwork | RoIHeads)
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
