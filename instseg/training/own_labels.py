"""Pseudo-labels of the network itself: what they are, not where exactly.

Classes and objectness are learnt from them. The boxes and masks are not: they are less exact than
those that people draw, and training on them makes outlines worse, while AP at an IoU of 0.5 rises
(as in Unbiased Teacher, Liu et al., ICLR 2021, for boxes).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instseg.training.crowds import Target


def as_own(target: Target) -> Target:
    """The target of a photo whose objects the network has found."""
    nothing = torch.zeros_like(target["has_mask"])
    return {**target, "has_mask": nothing, "is_own": torch.tensor(True)}


def is_own(target: Target) -> bool:
    """Whether the objects of a photo are pseudo-labels."""
    return "is_own" in target and bool(target["is_own"])


def without_places(deltas: Sequence[Tensor], targets: Sequence[Target]) -> list[Tensor]:
    """What boxes shall be moved by; NaN in photos whose labels do not say it.

    Args:
        deltas: For each image (N, 4).
        targets: For each image.
    """
    return [
        torch.full_like(each, torch.nan) if is_own(target) else each
        for each, target in zip(deltas, targets, strict=True)
    ]


def no_loss_of_nan(wanted: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
    """What to learn where not everything is known.

    Args:
        wanted: (N, 4), with rows of NaN.
        predicted: (N, 4).

    Returns:
        The wanted values, but the predicted ones for NaN, which make no loss; and the factor, a
        scalar, that makes a mean loss over all rows one over the known rows.
    """
    missing = wanted.isnan()
    factor = missing.numel() / (~missing).sum().clamp(min=1)
    return torch.where(missing, predicted.detach().to(wanted.dtype), wanted), factor
