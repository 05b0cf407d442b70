"""Large photos at the size of a network's input, without a float copy of the photo.

Torchvision converts the whole photo to float32, normalises it and then reads four pixels of it for
each pixel of the result: 36 bytes for each pixel of the photo. Here only those four are converted.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torchvision.models.detection.transform import GeneralizedRCNNTransform

LARGE_PIXELS = 2_000_000  # smaller photos are left to torchvision
_ROWS = 64  # of the result that are computed at once


def is_shrunk(image: Tensor, transform: GeneralizedRCNNTransform) -> bool:
    """Whether an image (3, H, W) is large, and becomes smaller by the transform."""
    height, width = image.shape[-2:]
    target = input_size((height, width), transform)
    return height * width > LARGE_PIXELS and height > target[0] > 0 and width > target[1] > 0


def input_size(size_hw: tuple[int, int], transform: GeneralizedRCNNTransform) -> tuple[int, int]:
    """Height and width to which a transform resizes images, without their padding."""
    shortest, longest = min(size_hw), max(size_hw)
    scale = min(transform.min_size[-1] / shortest, transform.max_size / longest)
    height, width = (math.floor(side * scale) for side in size_hw)
    return height, width


def shrunk(image: Tensor, transform: GeneralizedRCNNTransform) -> Tensor:
    """Resize and normalise an image as a transform does; equal but for rounding in float32.

    Args:
        image: uint8 (3, H, W), RGB.
        transform: Of the network.

    Returns:
        float32 (3, h, w).
    """
    size = image.shape[-2], image.shape[-1]
    target = input_size(size, transform)
    pixels = image.permute(1, 2, 0)
    rows, columns = (
        _neighbours(source, wanted, image.device)
        for source, wanted in zip(size, target, strict=True)
    )
    small = torch.cat(
        [
            _mixed(pixels, above, below, share, *columns)
            for above, below, share in zip(*(each.split(_ROWS) for each in rows), strict=True)
        ]
    )
    return transform.normalize(small.permute(2, 0, 1) / 255)


def _neighbours(source: int, target: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The two of `source` pixels between which each of `target` lies, and the share of the second.

    Places are rounded once, to float32, as in torch's own kernel.
    """
    scale = (torch.tensor(float(source)) / target).double().to(device)
    places = (torch.arange(target, device=device) + 0.5).double() * scale - 0.5
    places = places.float().clamp(min=0)
    low = places.long().clamp(max=source - 1)
    return low, (low + 1).clamp(max=source - 1), places - low


def _mixed(
    pixels: Tensor,
    above: Tensor,
    below: Tensor,
    down: Tensor,
    before: Tensor,
    after: Tensor,
    right: Tensor,
) -> Tensor:
    """Some rows of the result, (r, w, 3), from pixels (H, W, 3)."""

    def line(rows: Tensor) -> Tensor:
        strip = pixels[rows]
        return torch.lerp(strip[:, before].float(), strip[:, after].float(), right[:, None])

    return torch.lerp(line(above), line(below), down[:, None, None])
