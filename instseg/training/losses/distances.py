"""Losses that depend on distances between prediction and ground truth, in pixels.

Each function takes the arguments that its loss has in `--loss`, and returns the loss.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from instseg.core.errors import InputError
from instseg.training.losses.batch import Batch, Term


def shape_aware() -> Term:
    """Cross-entropy weighted with 1 + the distance from the predicted to the true contour.

    As in the survey of Jadon (CIBCB 2020): pixels of the predicted contour have the distance to
    the nearest pixel of the true one, other pixels none. Where the truth has no contour, this is
    cross-entropy.
    """
    return lambda batch: batch.mean(batch.cross_entropy * (1 + contour_distances(batch)))


def hausdorff(*, alpha: float = 2.0) -> Term:
    """MONAI's Hausdorff loss by distance transforms (Karimi and Salcudean, 2019), of each class.

    It grows with the square of distances in pixels: give it a small weight beside other losses.
    MONAI has no ignored pixels; here they belong to no class, neither predicted nor true, and are
    not in the mean. Classes without a pixel in the batch are left out. MONAI gives a mask without a
    boundary a distance of 0: where an image's truth is all one class and its prediction all
    another, loss and gradient are 0, so combine it with another loss.

    Args:
        alpha: The power of the distances.
    """
    try:
        from monai.losses import HausdorffDTLoss
    except ImportError as error:
        raise InputError(
            '--loss: hausdorff needs MONAI: pip install "instseg[semantic]"'
        ) from error
    by_image_and_class = HausdorffDTLoss(alpha=alpha, include_background=True, reduction="none")

    def loss(batch: Batch) -> Tensor:
        means = by_image_and_class(batch.probabilities, batch.truth).sum((0, 2, 3))  # [K]
        image_area = batch.valid[0].numel()
        return batch.mean_over_classes(means * image_area / batch.valid.sum().clamp(min=1))

    return loss


@torch.no_grad()
def contour_distances(batch: Batch) -> Tensor:
    """Distances in pixels to the true contour on the predicted contour, elsewhere 0, (B, H, W)."""
    predicted = contours(batch.logits.argmax(1), batch.valid)
    true = contours(batch.labels, batch.valid).cpu().numpy()
    distances = [
        ndimage.distance_transform_edt(~contour) if contour.any() else np.zeros(contour.shape)
        for contour in true
    ]
    return torch.from_numpy(np.stack(distances)).to(batch.logits) * predicted


def contours(labels: Tensor, valid: Tensor) -> Tensor:
    """Pixels that touch one of another class, both valid; bool (B, H, W)."""
    found = torch.zeros_like(valid)
    for axis in (1, 2):
        last = labels.shape[axis] - 1
        borders = labels.diff(dim=axis) != 0
        borders &= valid.narrow(axis, 0, last) & valid.narrow(axis, 1, last)
        found.narrow(axis, 0, last).logical_or_(borders)
        found.narrow(axis, 1, last).logical_or_(borders)
    return found
