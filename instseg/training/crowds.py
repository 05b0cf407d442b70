"""Crowd regions in training: boxes in a crowd are neither foreground nor background."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection.transform import resize_boxes

Target = dict[str, Any]

CROWD_SHARE = 0.5  # a box with more than this share of its area in a crowd lies in the crowd
MOST_PAIRS = 2**22  # pairs of boxes and crowds that are compared at once


def scale_crowds(
    targets: list[Target],
    old_sizes_hw: list[tuple[int, int]],
    new_sizes_hw: list[tuple[int, int]],
) -> list[Target]:
    """Resize crowd boxes with their images; torchvision's transform resizes only objects.

    Args:
        targets: Targets of each image, not changed; those without "crowds" are returned as given.
        old_sizes_hw: Height and width of each image before resizing.
        new_sizes_hw: Height and width of each image in the batch, without padding.

    Returns:
        The targets, with crowds in pixels of the batch.
    """
    return [
        {**target, "crowds": resize_boxes(target["crowds"], list(old), list(new))}
        if "crowds" in target
        else target
        for target, old, new in zip(targets, old_sizes_hw, new_sizes_hw, strict=True)
    ]


def in_crowd(boxes: Tensor, target: Target) -> Tensor:
    """Which boxes have more than half of their area inside the box of one crowd.

    Args:
        boxes: (N, 4) xyxy in the pixels of the batch.
        target: With or without float32 (C, 4) "crowds".

    Returns:
        bool (N,).
    """
    if not has_crowds(target):
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    crowds = target["crowds"]
    parts = boxes.float().split(max(MOST_PAIRS // len(crowds), 1))
    return torch.cat([_in_any(part, crowds) for part in parts])


def has_crowds(target: Target) -> bool:
    """Whether a target has crowd regions."""
    return "crowds" in target and len(target["crowds"]) > 0


def _in_any(boxes: Tensor, crowds: Tensor) -> Tensor:
    """`in_crowd` of (N, 4) boxes and (C, 4) crowds, all pairs at once."""
    boxes, crowds = boxes[:, None], crowds[None]  # [N,1,4], [1,C,4]
    corners = torch.minimum(boxes[..., 2:], crowds[..., 2:])
    shared = (corners - torch.maximum(boxes[..., :2], crowds[..., :2])).clamp(min=0).prod(-1)
    areas = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    return (shared > CROWD_SHARE * areas).any(1)
