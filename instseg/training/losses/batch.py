"""The input of all losses: a batch without its ignored pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from instseg.core.semantic import IGNORE

PIXELS = (0, 2, 3)  # the axes of all pixels of a (B, K, H, W) batch


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """The logits and labels of a batch, with values that several losses share.

    At ignored pixels logits and labels are 0, so that no gradient flows back to them, and so are
    `truth` and `probabilities`; means leave them out.

    Attributes:
        logits: float32 or float64 (B, K, H, W).
        labels: int64 (B, H, W), 0..K-1.
        valid: bool (B, H, W), False where a pixel is ignored.
    """

    logits: Tensor
    labels: Tensor
    valid: Tensor

    @classmethod
    def of(cls, logits: Tensor, labels: Tensor) -> Batch:
        """A batch from (B, K, H, W) logits of any float type and (B, H, W) labels, 255 ignored."""
        valid = labels != IGNORE
        return cls(
            logits=logits.to(torch.promote_types(logits.dtype, torch.float32)).masked_fill(
                ~valid[:, None], 0
            ),
            labels=labels.masked_fill(~valid, 0),
            valid=valid,
        )

    @cached_property
    def truth(self) -> Tensor:
        """(B, K, H, W), 1 for the class of a pixel."""
        ones = self.valid[:, None].to(self.logits)
        return torch.zeros_like(self.logits).scatter_(1, self.labels[:, None], ones)

    @cached_property
    def probabilities(self) -> Tensor:
        """(B, K, H, W), the softmax of the logits."""
        return self._log_probabilities.exp() * self.valid[:, None]

    @cached_property
    def cross_entropy(self) -> Tensor:
        """(B, H, W), minus the logarithm of the probability of each pixel's class."""
        return F.nll_loss(self._log_probabilities, self.labels, reduction="none")

    @cached_property
    def _log_probabilities(self) -> Tensor:
        return self.logits.log_softmax(1)

    @cached_property
    def areas(self) -> Tensor:
        """(K,), the number of pixels of each class."""
        return self.truth.sum(PIXELS)

    def mean(self, values: Tensor) -> Tensor:
        """The mean of (B, H, W) values over pixels; 0 where all are ignored."""
        return (values * self.valid).sum() / self.valid.sum().clamp(min=1)

    def mean_over_classes(self, values: Tensor) -> Tensor:
        """The mean of finite (K,) values over the classes that have pixels; else 0.

        Predictions of an absent class still lower the probability of the classes that are present.
        """
        present = self.areas > 0
        return (values * present).sum() / present.sum().clamp(min=1)


Term = Callable[[Batch], Tensor]
"""A loss: from a batch to a scalar."""


def power(values: Tensor, exponent: float) -> Tensor:
    """`values ** exponent` for values of 0 or more, with a finite slope at 0."""
    return values.clamp(min=torch.finfo(values.dtype).tiny) ** exponent
