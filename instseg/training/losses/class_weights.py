"""Class weights from the frequency of the classes in the training data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from instseg.core.errors import ArgumentError

SCHEMES = ("equal", "inverse", "effective")

Counts = Callable[[], Sequence[int]]
"""Returns the pixels of each of the K classes in the training data; called only if needed."""


def class_weights(class_counts: Counts, scheme: str, beta: float | None = None) -> Tensor:
    """Class weights that compensate for class imbalance.

    Of a class with n pixels:
        equal: 1.
        inverse: in proportion to 1 / n.
        effective: in proportion to (1 - beta) / (1 - beta**n), the inverse of the effective number
            of samples (Cui et al., CVPR 2019): about 1 / n of a rare class, and nearly constant for
            a class of more than about 1 / (1 - beta) pixels.

    Args:
        class_counts: Not called for "equal".
        scheme: One of these three.
        beta: For "effective", between 0 and 1; by default (N - 1) / N with N the mean pixels of a
            class. The paper's 0.9999 is meant for thousands of images: next to millions of pixels
            it makes all classes equal.

    Returns:
        float64 (K,) with a mean of 1 over the classes that have pixels, 0 for the others; or a
        scalar 1 for "equal".

    Raises:
        InputError: The scheme is unknown, or beta is invalid.
    """
    if scheme not in SCHEMES:
        raise ArgumentError(f"{{loss}}: weights={scheme}: choose one of {', '.join(SCHEMES)}")
    if beta is not None and not (scheme == "effective" and 0 < beta < 1):
        raise ArgumentError(f"{{loss}}: beta={beta:g}: between 0 and 1, with weights=effective")
    if scheme == "equal":
        return torch.ones(())
    counts = np.asarray(class_counts(), dtype=np.float64)
    if scheme == "effective":
        beta = 1 - 1 / counts[counts > 0].mean() if beta is None else beta
        counts = (1 - beta**counts) / (1 - beta)
    weights = np.divide(1, counts, out=np.zeros_like(counts), where=counts > 0)
    return torch.from_numpy(weights / weights[weights > 0].mean())
