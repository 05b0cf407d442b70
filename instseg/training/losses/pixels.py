"""Losses that are means over pixels, based on torch's cross-entropies.

Each function takes the arguments that its loss has in `--loss`, and returns the loss.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from instseg.training.losses.batch import Batch, Term, power
from instseg.training.losses.class_weights import Counts, class_weights


def cross_entropy(
    *, class_counts: Counts, weights: str = "equal", beta: float | None = None
) -> Term:
    """Cross-entropy of the softmax; with weights a weighted mean of the pixels, as torch's.

    Args:
        class_counts: Of the training data.
        weights: "equal", "inverse" or "effective": see `class_weights`.
        beta: Of "effective".
    """
    of_class = class_weights(class_counts, weights, beta)
    return lambda batch: weighted_mean(batch, batch.cross_entropy, of_class)


def focal(
    *,
    class_counts: Counts,
    gamma: float = 2.0,
    weights: str = "equal",
    beta: float | None = None,
) -> Term:
    """Focal loss (Lin et al., ICCV 2017), of the softmax: (1 - p)^gamma times cross-entropy.

    With two classes it is torchvision's `sigmoid_focal_loss` of the difference of their logits.
    Without class weights it is MONAI's, which is not used since it does not divide by the sum of
    the weights, lets NaN of ignored pixels through, and has NaN gradients for a gamma below 1.

    Args:
        class_counts: Of the training data.
        gamma: Larger values reduce the loss of well-classified pixels; 0 is cross-entropy.
        weights: The paper's alpha: "equal", "inverse" or "effective", see `class_weights`.
        beta: Of "effective".
    """
    of_class = class_weights(class_counts, weights, beta)

    def loss(batch: Batch) -> Tensor:
        wrong = -torch.expm1(-batch.cross_entropy)
        return weighted_mean(batch, power(wrong, gamma) * batch.cross_entropy, of_class)

    return loss


def binary_cross_entropy() -> Term:
    """Binary cross-entropy of each class against the rest, by the sigmoid of its logit."""
    return lambda batch: one_against_rest(batch, 1, 1)


def weighted_binary_cross_entropy(
    *, class_counts: Counts, weights: str = "inverse", beta: float | None = None
) -> Term:
    """Binary cross-entropy with class weights on the positive part (Pihur et al., 2007).

    Args:
        class_counts: Of the training data.
        weights: "equal", "inverse" or "effective": see `class_weights`.
        beta: Of "effective".
    """
    of_class = class_weights(class_counts, weights, beta)
    return lambda batch: one_against_rest(batch, of_class.to(batch.logits).view(-1, 1, 1), 1)


def balanced_cross_entropy() -> Term:
    """Binary cross-entropy balanced in each batch (Xie and Tu, HED, ICCV 2015).

    The weight of a class's pixels is the share of all others, and vice versa.
    """

    def loss(batch: Batch) -> Tensor:
        share = batch.areas.view(-1, 1, 1) / batch.valid.sum().clamp(min=1)
        return one_against_rest(batch, 1 - share, share)

    return loss


def weighted_mean(batch: Batch, losses: Tensor, of_class: Tensor) -> Tensor:
    """The mean of (B, H, W) losses over pixels, weighted by their classes with (K,) weights."""
    of_pixel = of_class.to(losses).expand(batch.logits.shape[1])[batch.labels]
    least = torch.finfo(losses.dtype).tiny
    return batch.mean(of_pixel * losses) / batch.mean(of_pixel).clamp(min=least)


def one_against_rest(batch: Batch, positive: Tensor | float, negative: Tensor | float) -> Tensor:
    """The mean over pixels and classes of weighted binary cross-entropies.

    Args:
        batch: Of K classes.
        positive: The weight of a class's own pixels, (K, 1, 1) or of all classes.
        negative: The weight of the other pixels.
    """
    weights = batch.truth * positive + (1 - batch.truth) * negative
    values = F.binary_cross_entropy_with_logits(
        batch.logits, batch.truth, weights, reduction="none"
    )
    return batch.mean(values.mean(1))
