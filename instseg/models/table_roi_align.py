"""RoIAlign from all levels of a pyramid in one go, for GPUs.

`roi_align.py` takes the boxes level by level, and must wait for the device to learn how many each
level has. Here the cells of all levels are one table, and each box looks up its own part of it.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import MultiScaleRoIAlign

from instseg.models.roi_align import PyramidRoIAlign, axis_cells

SAMPLES = 2  # of a bin along each axis


def as_pyramid(pool: MultiScaleRoIAlign | PyramidRoIAlign) -> PyramidRoIAlign:
    """Torchvision's pooling of Mask R-CNN as ours, which has the same numbers."""
    if isinstance(pool, PyramidRoIAlign):
        return pool
    return PyramidRoIAlign(tuple(pool.featmap_names), pool.output_size[0])


def pool_from_table(
    pool: PyramidRoIAlign, features: dict[str, Tensor], boxes: Tensor, image_of: Tensor
) -> Tensor:
    """Pool every box from the level of its size; equals `pool` without waiting for the device.

    Args:
        pool: The levels and bins.
        features: Name to (B, C, H, W), of any floating-point type.
        boxes: float32 (N, 4) xyxy in pixels of the network's input.
        image_of: int64 (N,), the image of each box, 0..B-1.

    Returns:
        (N, C, bins, bins) in the type of the features, channels last.
    """
    maps = [features[name] for name in pool.levels]
    images, channels = maps[0].shape[:2]
    sizes = [(each.shape[-2], each.shape[-1]) for each in maps]
    first, scales = [0], []
    for k, (height, width) in enumerate(sizes):
        first.append(first[-1] + images * height * width)
        scales.append(1 / (pool.finest_stride * 2**k))
    level = pool.level_of(boxes)
    device = boxes.device
    height, width = on_device(tuple(sizes), device)[level].unbind(1)  # [N]
    scale = on_device(tuple(scales), device)[level][:, None]

    start = boxes[:, :2] * scale
    length = (boxes[:, 2:] * scale - start).clamp(min=1)
    tall, wide = height[:, None, None], width[:, None, None]
    y, y_weight = axis_cells(start[:, 1], length[:, 1], pool.bins, SAMPLES, tall)
    x, x_weight = axis_cells(start[:, 0], length[:, 0], pool.bins, SAMPLES, wide)
    rows = y * wide + (on_device(tuple(first), device)[level] + image_of * height * width)[
        :, None, None
    ]
    cells = rows[:, :, None, :, None] + x[:, None, :, None, :]  # [N,bins,bins,2S,2S]
    weights = y_weight[:, :, None, :, None] * x_weight[:, None, :, None, :]
    table = torch.cat([each.permute(0, 2, 3, 1).reshape(-1, channels) for each in maps])
    pooled = F.embedding_bag(
        cells.view(-1, cells.shape[-1] ** 2),
        table,
        mode="sum",
        per_sample_weights=weights.view(-1, cells.shape[-1] ** 2).to(table.dtype),
    )
    return pooled.view(len(boxes), pool.bins, pool.bins, channels).permute(0, 3, 1, 2)


@lru_cache(maxsize=256)
def on_device(values: tuple[float, ...] | tuple[tuple[int, int], ...], device: torch.device) -> Tensor:
    """Numbers as a tensor, which is copied to the device once: each copy waits for it."""
    return torch.tensor(values, device=device)
