"""Losses of the overlap of predicted and true regions, and compound losses.

A region is a class's pixels in the whole batch; the background is a class like the others. Classes
without a pixel in the batch are left out.

Each function takes the arguments that its loss has in `--loss`, and returns the loss. MONAI and
segmentation-models-pytorch have some of them, but give a class that is not in the batch a loss of
almost 1 (MONAI) or of 0 (the other, which makes the loss small for many classes), and apply the
focal power to the mean over classes, not to each class.
"""

from __future__ import annotations

import torch
from torch import Tensor

from instseg.core.errors import ArgumentError
from instseg.training.losses.batch import PIXELS, Batch, Term, power
from instseg.training.losses.class_weights import Counts
from instseg.training.losses.pixels import one_against_rest


def dice() -> Term:
    """One minus the soft Dice score (Milletari et al., V-Net, 3DV 2016), without squares."""
    return tversky(alpha=0.5, beta=0.5)


def log_cosh_dice() -> Term:
    """The logarithm of the hyperbolic cosine of the Dice loss (Jadon, CIBCB 2020)."""
    dice_loss = dice()
    return lambda batch: dice_loss(batch).cosh().log()


def tversky(*, alpha: float = 0.3, beta: float = 0.7) -> Term:
    """One minus the Tversky index (Salehi et al., MLMI 2017).

    Args:
        alpha: What a false positive counts.
        beta: What a false negative counts. With 0.5 and 0.5 the index is Dice, with 1 and 1 IoU.
    """
    require(alpha + beta > 0, "tversky needs an alpha or beta above 0")
    return lambda batch: batch.mean_over_classes(1 - tversky_index(batch, alpha, beta))


def focal_tversky(*, alpha: float = 0.3, beta: float = 0.7, gamma: float = 0.75) -> Term:
    """The Tversky loss of each class to a power (Abraham and Khan, ISBI 2019).

    Args:
        alpha: What a false positive counts.
        beta: What a false negative counts.
        gamma: The power; the paper writes it 1 / gamma, with 4/3 as its best.
    """
    require(gamma > 0 and alpha + beta > 0, "focal-tversky needs gamma above 0, and alpha or beta")
    return lambda batch: batch.mean_over_classes(
        power(1 - tversky_index(batch, alpha, beta), gamma)
    )


def sensitivity_specificity(*, sensitivity: float = 0.5) -> Term:
    """Weighted sum of squared errors inside and outside a class.

    From Brosch et al. (MICCAI 2015), of each class.

    Args:
        sensitivity: The weight of the mean error in the class, 0 to 1; the mean error outside has
            the rest. The paper has 0.05, for small lesions.
    """
    require(sensitivity <= 1, f"sensitivity={sensitivity:g}: a number from 0 to 1")

    def loss(batch: Batch) -> Tensor:
        errors = (batch.truth - batch.probabilities) ** 2
        inside = (errors * batch.truth).sum(PIXELS)
        outside = (errors * (1 - batch.truth)).sum(PIXELS)
        areas_outside = batch.valid.sum() - batch.areas
        return batch.mean_over_classes(
            sensitivity * inside / batch.areas.clamp(min=1)
            + (1 - sensitivity) * outside / areas_outside.clamp(min=1)
        )

    return loss


def combo(*, alpha: float = 0.5, beta: float = 0.5) -> Term:
    """Binary cross-entropy and Dice (Taghanaki et al., 2019), here with a least value of 0.

    Args:
        alpha: The weight of the cross-entropy, 0 to 1; the Dice loss has the rest.
        beta: The weight of a class's own pixels in the cross-entropy, 0 to 1; others have the rest.
    """
    require(max(alpha, beta) <= 1, f"combo(alpha={alpha:g}, beta={beta:g}): both are from 0 to 1")
    dice_loss = dice()
    return lambda batch: (
        alpha * one_against_rest(batch, beta, 1 - beta) + (1 - alpha) * dice_loss(batch)
    )


def exponential_logarithmic(
    *, class_counts: Counts, gamma: float = 0.3, dice: float = 0.8, ce: float = 0.2
) -> Term:
    """Powers of the logarithms of Dice and of probabilities (Wong et al., MICCAI 2018).

    Pixels count with the square root of the inverse share of their class.

    Args:
        class_counts: Of the training data.
        gamma: The power.
        dice: The weight of the part of Dice.
        ce: The weight of the part of the probabilities.
    """
    require(
        gamma > 0 and dice + ce > 0, "exponential-logarithmic needs gamma above 0, and dice or ce"
    )
    counts = torch.as_tensor(class_counts(), dtype=torch.float64)
    of_class = torch.where(counts > 0, counts.sum() / counts, 0).sqrt()

    def loss(batch: Batch) -> Tensor:
        right = (batch.probabilities * batch.truth).sum(PIXELS)
        scores = (2 * right + 1) / (batch.probabilities.sum(PIXELS) + batch.areas + 1)
        of_pixel = of_class.to(batch.logits)[batch.labels]
        return dice * batch.mean_over_classes(power(-scores.log(), gamma)) + ce * batch.mean(
            of_pixel * power(batch.cross_entropy, gamma)
        )

    return loss


def require(sensible: bool, what: str) -> None:
    """Raise InputError for arguments that give no useful loss, such as one without a gradient."""
    if not sensible:
        raise ArgumentError(f"{{loss}}: {what}")


def tversky_index(batch: Batch, alpha: float, beta: float) -> Tensor:
    """Of each class right / (right + alpha * false positives + beta * false negatives), (K,)."""
    right = (batch.probabilities * batch.truth).sum(PIXELS)
    false_positives = batch.probabilities.sum(PIXELS) - right
    false_negatives = batch.areas - right
    every = right + alpha * false_positives + beta * false_negatives
    return right / every.clamp(min=1e-7)
