"""What processes that train together have in common after each step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from instseg.system.processes import average, process_count


def average_step(network: nn.Module) -> None:
    """Average over the processes what the step has made: gradients and batch statistics."""
    if process_count() == 1:
        return
    trained = [p for p in network.parameters() if p.requires_grad]
    for weights in trained:
        if weights.grad is None:
            weights.grad = torch.zeros_like(weights)
    average([*(w.grad for w in trained if w.grad is not None), *batch_statistics(network)])


def batch_statistics(network: nn.Module) -> list[Tensor]:
    """The running means and variances that follow the batches."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d) and m.training]
    return [t for n in norms for t in (n.running_mean, n.running_var) if t is not None]
