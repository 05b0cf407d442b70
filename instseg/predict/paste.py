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
STRIP_PIXELS = 2**22  # of a mask that are computed at once


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
        crops.append(given_up(enlarged(mask, (height, width)).numpy()))
        offsets.append((y0, x0))
    return Masks.from_crops(crops, np.array(offsets, dtype=np.int64).reshape(-1, 2), size_hw)


def enlarged(mask: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """A soft mask (M, M) at another size, bilinear, thresholded: bool (H, W).

    Large ones are made in strips, equal but for rounding, as floats take four times the memory.
    """
    height, width = size_hw
    if height * width <= STRIP_PIXELS:
        return _stretched(mask, size_hw) >= THRESHOLD
    places = ((torch.arange(height) + 0.5) * (len(mask) / height) - 0.5).clamp(min=0)
    inside = torch.empty(size_hw, dtype=torch.bool)
    step = max(STRIP_PIXELS // width, 1)
    for rows, strip in zip(places.split(step), inside.split(step), strict=True):
        above = rows.long().clamp(max=len(mask) - 1)
        below = (above + 1).clamp(max=len(mask) - 1)
        lines = torch.lerp(mask[above], mask[below], (rows - above)[:, None])
        torch.ge(_stretched(lines, (len(rows), width)), THRESHOLD, out=strip)
    return inside


def _stretched(mask: Tensor, size_hw: tuple[int, int]) -> Tensor:
    return F.interpolate(mask[None, None], size=size_hw, mode="bilinear", align_corners=False)[0, 0]


def grow_boxes(boxes: Tensor, factor: float) -> Tensor:
    """(N, 4) xyxy boxes grown about their centres, in torchvision's order of operations."""
    half = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * factor
    centre = (boxes[:, 2:] + boxes[:, :2]) * 0.5
    return torch.cat([centre - half, centre + half], dim=1)
