"""From the network's soft masks to masks of the photo, pixel for pixel as torchvision pastes them.

Torchvision pastes each soft mask into a float image of full size and leaves the threshold to the
user. Here only the pixels of the box are computed, and the threshold is applied at once.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from instseg.core.masks import Masks, given_up

THRESHOLD = 0.5


def paste_masks(soft: Tensor, boxes: Tensor, size_hw: tuple[int, int]) -> Masks:
    """Resize soft masks to their boxes and threshold them.

    The soft mask is padded by one cell and the box grown in proportion, so that the resize sees
    the border; boxes are truncated to whole pixels and include their last one; bilinear, with
    half-pixel centres. This is torchvision's rule, and its `>= 0.5`.

    Args:
        soft: (N, M, M) probabilities.
        boxes: (N, 4) xyxy in pixels of the photo.
        size_hw: Height and width of the photo.

    Returns:
        N masks.
    """
    soft = F.pad(soft.detach().float().cpu(), (1, 1, 1, 1))
    cells = soft.shape[-1]
    whole = grow_boxes(boxes.detach().float().cpu(), cells / (cells - 2)).to(torch.int64)
    crops: list[NDArray[np.bool_]] = []
    offsets: list[tuple[int, int]] = []
    for mask, (x0, y0, x1, y1) in zip(soft, whole.tolist(), strict=True):
        height, width = max(y1 - y0 + 1, 1), max(x1 - x0 + 1, 1)
        resized = F.interpolate(
            mask[None, None], size=(height, width), mode="bilinear", align_corners=False
        )
        crops.append(given_up((resized[0, 0] >= THRESHOLD).numpy()))
        offsets.append((y0, x0))
    return Masks.from_crops(crops, np.array(offsets, dtype=np.int64).reshape(-1, 2), size_hw)


def grow_boxes(boxes: Tensor, factor: float) -> Tensor:
    """(N, 4) xyxy boxes grown about their centres, in torchvision's order of operations."""
    half = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * factor
    centre = (boxes[:, 2:] + boxes[:, :2]) * 0.5
    return torch.cat([centre - half, centre + half], dim=1)
