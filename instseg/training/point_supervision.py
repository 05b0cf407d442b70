"""Masks from labelled points: PointSup's loss (Cheng et al., CVPR 2022) for the mask head."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from instseg.training.crowds import Target


def scale_points(
    targets: list[Target],
    old_sizes_hw: list[tuple[int, int]],
    new_sizes_hw: list[tuple[int, int]],
) -> list[Target]:
    """Move points with their resized images; see `scale_crowds`."""
    scaled = []
    for target, old, new in zip(targets, old_sizes_hw, new_sizes_hw, strict=True):
        if "points" in target:
            points = target["points"]
            factors = points.new_tensor([new[1] / old[1], new[0] / old[0], 1])
            target = {**target, "points": points * factors}
        scaled.append(target)
    return scaled


def point_losses(logits: Tensor, boxes: Tensor, points: Tensor) -> Tensor:
    """The losses of masks whose objects have labelled points.

    Args:
        logits: float32 (R, M, M).
        boxes: (R, 4) xyxy, the regions of the masks.
        points: (R, P, 3): x and y in pixels, and 1 on the object, 0 beside it, -1 for no point.

    Returns:
        (R,): for each region the binary cross entropy of the logits, interpolated at the points,
        as a mean over the object's points, of which those outside the region count as 0.
    """
    corner, size = boxes[:, None, :2], boxes[:, None, 2:] - boxes[:, None, :2]
    places = (points[..., :2] - corner) / size.clamp(min=1e-6)  # 0..1 inside the region
    inside = ((places >= 0) & (places <= 1)).all(-1)
    labels, given = points[..., 2], points[..., 2] >= 0
    found = F.grid_sample(
        logits[:, None], 2 * places[:, :, None] - 1, padding_mode="border", align_corners=False
    )[:, 0, :, 0]  # [R,P]
    losses = F.binary_cross_entropy_with_logits(found, labels.clamp(min=0), reduction="none")
    return (losses * (given & inside)).sum(1) / given.sum(1).clamp(min=1)


def has_points(target: Target) -> Tensor | None:
    """Which objects have points, bool (N,); None if the target has no points at all."""
    points = target.get("points")
    return (points[..., 2] >= 0).any(1) if isinstance(points, Tensor) and points.numel() else None
