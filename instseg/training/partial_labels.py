"""Losses for photos on which not everything is annotated."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from instseg.training.crowds import Target


def has_unknown(target: Target) -> bool:
    """Whether a photo may show objects that are not annotated."""
    return "unknown" in target and bool(target["unknown"].any())


def is_open(target: Target) -> bool:
    """Whether the region proposals learn no background from a photo."""
    return "is_open" in target and bool(target["is_open"])


def unknown_classes(targets: Sequence[Target], rows: Sequence[int], classes: int) -> Tensor | None:
    """For each box of a batch, the classes that may be there without an annotation.

    Args:
        targets: For each image, with or without bool (classes,) "unknown".
        rows: Number of boxes of each image.
        classes: Number of outputs.

    Returns:
        bool (R, classes); None if everything is annotated.
    """
    if not any(map(has_unknown, targets)):
        return None
    device = next(target["unknown"].device for target in targets if "unknown" in target)
    nothing = torch.zeros(classes, dtype=torch.bool, device=device)
    each = [target.get("unknown", nothing) for target in targets]
    return torch.cat([u.expand(count, -1) for u, count in zip(each, rows, strict=True)])


def partial_cross_entropy(logits: Tensor, labels: Tensor, unknown: Tensor) -> Tensor:
    """Cross entropy in which the background may also be any of the unknown classes.

    For a box of the background the loss is -log of the sum of the probabilities of the background
    and of the unknown classes; its gradient is zero if all classes are unknown. For a box of an
    object it is the usual loss.

    Args:
        logits: (R, classes).
        labels: int64 (R,), 0 for the background.
        unknown: bool (R, classes).

    Returns:
        The mean over all boxes, a scalar.
    """
    logits = logits.float()
    allowed = (unknown & (labels == 0)[:, None]).scatter(1, labels[:, None], True)
    of_allowed = logits.masked_fill(~allowed, -torch.inf).logsumexp(1)
    return (logits.logsumexp(1) - of_allowed).mean()
