"""RoIAlign as a weighted sum of feature map cells.

A bin is the mean of bilinear samples, so it is a weighted sum of a few cells (16 with 2 x 2
samples). With the map as a table of cells, channels last, all bins of all boxes are one
`embedding_bag`: it runs on every core and has a fast backward pass, which
`torchvision.ops.roi_align` lacks on a CPU. The numbers agree to float32 rounding.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def axis_cells(
    start: Tensor, length: Tensor, bins: int, samples: int, size: int | Tensor
) -> tuple[Tensor, Tensor]:
    """The cells that each bin sums along one axis, and their weights.

    Args:
        start: (N,) where each box begins, in cells of the feature map.
        length: (N,) how long it is, in cells.
        bins: Output cells along the axis.
        samples: Sampling points a bin.
        size: Cells of the feature map along the axis; an int64 (N, 1, 1) gives each box its own.

    Returns:
        Indices int64 and weights float32, both (N, bins, 2 * samples). Samples more than a cell
        outside the map have weight 0.
    """
    # the order of operations is torchvision's, so that rounding is too
    bin_length = (length / bins)[:, None, None]
    bin_start = start[:, None, None] + torch.arange(bins, device=start.device)[:, None] * bin_length
    steps = torch.arange(samples, device=start.device) + 0.5
    points = bin_start + steps * bin_length / samples  # [N,bins,samples]
    inside = ((points >= -1) & (points <= size)).to(points.dtype)
    points = _up_to(points, size - 1)
    low = points.floor()
    share = points - low
    cells = low.nan_to_num(0).to(torch.int64)  # a box that is not finite gives NaN, no error
    indices = torch.stack([cells, _up_to(cells + 1, size - 1)], dim=-1)
    weights = torch.stack([(1 - share) * inside, share * inside], dim=-1) / samples
    return indices.flatten(2), weights.flatten(2)


def _up_to(values: Tensor, most: int | Tensor) -> Tensor:
    if isinstance(most, int):
        return values.clamp(0, most)
    return torch.minimum(values.clamp(min=0), most)


def roi_align(
    features: Tensor, boxes: Tensor, image_of: Tensor, scale: float, bins: int, samples: int = 2
) -> Tensor:
    """Equals `torchvision.ops.roi_align(aligned=False)`.

    Args:
        features: (B, C, H, W), quickest when channels last.
        boxes: (N, 4) xyxy in pixels of the network's input.
        image_of: int64 (N,), the image of each box, 0..B-1.
        scale: Cells of the map per pixel of the input.
        bins: Output cells along each side.
        samples: Sampling points a bin and axis.

    Returns:
        (N, C, bins, bins) float32, channels last.
    """
    channels, height, width = features.shape[1:]
    start = boxes[:, :2] * scale
    length = (boxes[:, 2:] * scale - start).clamp(min=1)
    y, y_weight = axis_cells(start[:, 1], length[:, 1], bins, samples, height)
    x, x_weight = axis_cells(start[:, 0], length[:, 0], bins, samples, width)
    y = y + (image_of * height)[:, None, None]
    cells = y[:, :, None, :, None] * width + x[:, None, :, None, :]  # [N,bins,bins,2S,2S]
    weights = y_weight[:, :, None, :, None] * x_weight[:, None, :, None, :]
    table = features.permute(0, 2, 3, 1).reshape(-1, channels).float()  # [B*H*W,C]
    pooled = F.embedding_bag(
        cells.view(-1, cells.shape[-1] ** 2),
        table,
        mode="sum",
        per_sample_weights=weights.view(-1, cells.shape[-1] ** 2),
    )
    return pooled.view(len(boxes), bins, bins, channels).permute(0, 3, 1, 2)


class PyramidRoIAlign(nn.Module):
    """Pools boxes from the levels of a feature pyramid, each box from the level of its size.

    Replaces `torchvision.ops.MultiScaleRoIAlign`.

    Args:
        levels: Names of the feature maps, finest first, each half as fine as the one before.
        bins: Output cells along each side.
        finest_stride: Pixels of the network's input per cell of the finest level.
        finest_px: Boxes whose sqrt(area) is under twice this size use the finest level; each
            doubling moves one level up (equation 1 of the Feature Pyramid Networks paper; 56 is
            its canonical 224 at level 4).
    """

    def __init__(
        self, levels: tuple[str, ...], bins: int, finest_stride: int = 4, finest_px: float = 56.0
    ) -> None:
        super().__init__()
        self.levels, self.bins = levels, bins
        self.finest_stride, self.finest_px = finest_stride, finest_px

    def forward(
        self, features: dict[str, Tensor], boxes: list[Tensor], image_sizes: list[tuple[int, int]]
    ) -> Tensor:
        """Pool every box of every image.

        Args:
            features: Name to (B, C, H, W).
            boxes: For each image (N_i, 4) xyxy in pixels of the network's input.
            image_sizes: Unused; part of the interface it replaces.

        Returns:
            (sum of N_i, C, bins, bins).
        """
        flat, image_of = torch.cat(boxes), image_numbers(boxes)
        if not torch.is_grad_enabled():
            return self.from_table(features, flat, image_of)
        level = self.level_of(flat)
        rows = [torch.where(level == k)[0] for k in range(len(self.levels))]
        pooled = [
            roi_align(
                features[name], flat[at], image_of[at], 1 / (self.finest_stride * 2**k), self.bins
            )
            for k, (name, at) in enumerate(zip(self.levels, rows, strict=True))
        ]
        return torch.cat(pooled)[torch.cat(rows).argsort()]

    def from_table(self, features: dict[str, Tensor], boxes: Tensor, image_of: Tensor) -> Tensor:
        """The same, with all levels as one table: no GPU must tell how many boxes each has.

        Args:
            features: Name to (B, C, H, W).
            boxes: (N, 4).
            image_of: int64 (N,), the image of each box.

        Returns:
            (N, C, bins, bins), float32 on a CPU, else in the type of the features.
        """
        maps = [features[name] for name in self.levels]
        sizes = tuple((each.shape[-2], each.shape[-1]) for each in maps)
        scales = tuple(1 / (self.finest_stride * 2**k) for k in range(len(maps)))
        cells = [len(maps[0]) * height * width for height, width in sizes]
        level = self.level_of(boxes)
        size = numbers_on(sizes, boxes.device)[level]  # [N,2]
        first = numbers_on((0, *itertools.accumulate(cells)), boxes.device)[level]
        scale = numbers_on(scales, boxes.device)[level][:, None]
        table = torch.cat([each.permute(0, 2, 3, 1).flatten(0, 2) for each in maps])
        if table.device.type == "cpu":
            table = table.float()
        start = boxes[:, :2] * scale
        length = (boxes[:, 2:] * scale - start).clamp(min=1)
        height, width = size[:, :1, None], size[:, 1:, None]
        y, y_weight = axis_cells(start[:, 1], length[:, 1], self.bins, 2, height)
        x, x_weight = axis_cells(start[:, 0], length[:, 0], self.bins, 2, width)
        y = y * width + (first + image_of * size.prod(1))[:, None, None]
        pooled = F.embedding_bag(
            (y[:, :, None, :, None] + x[:, None, :, None, :]).flatten(0, 2).flatten(1),
            table,
            mode="sum",
            per_sample_weights=(y_weight[:, :, None, :, None] * x_weight[:, None, :, None, :])
            .flatten(0, 2)
            .flatten(1)
            .to(table.dtype),
        )
        return pooled.unflatten(0, (len(boxes), self.bins, self.bins)).permute(0, 3, 1, 2)

    def level_of(self, boxes: Tensor) -> Tensor:
        """Index of the level that each (N, 4) box is pooled from, int64 (N,)."""
        side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
        level = torch.floor(torch.log2(side / self.finest_px) + 1e-6)
        return level.nan_to_num(0).clamp(0, len(self.levels) - 1).to(torch.int64)


def image_numbers(boxes: list[Tensor]) -> Tensor:
    """The image of each box, int64, of boxes (N_i, 4) image by image."""
    numbers = [
        torch.full((len(each),), i, device=each.device, dtype=torch.int64)
        for i, each in enumerate(boxes)
    ]
    return torch.cat(numbers)


@lru_cache(maxsize=256)
def numbers_on(values: tuple[Any, ...], device: torch.device) -> Tensor:
    """Numbers as a tensor, copied to the device once: the host waits for each such copy."""
    return torch.tensor(values, device=device)
