"""3x3 convolutions of many channels for inference on a CPU, with fewer products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instseg.models.packed import TINY, PackedConv2d

LEAST_CHANNELS = 256  # with fewer, the sums take as long as the products that they save
CHUNK_TILES = 1024  # computed at once, so that they stay in the processor's cache


def suits_winograd(conv: nn.Conv2d) -> bool:
    """Whether a convolution is computed faster by `WinogradConv2d`."""
    shape = conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups
    usual = shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1)
    return usual and min(conv.in_channels, conv.out_channels) >= LEAST_CHANNELS


class WinogradConv2d(PackedConv2d):
    """A 3x3 convolution by minimal filtering, F(2x2, 3x3) (Lavin and Gray, CVPR 2016).

    A tile of 2x2 pixels takes 16 products of its channels and the weights instead of 36: products
    of sums of the 4x4 pixels around it with sums of the weights. Tiny images are left to the base
    class.
    """

    def __init__(self, conv: Any, dtype: torch.dtype, activation: str = "none") -> None:
        super().__init__(conv, dtype, activation)
        self.products = _Products(conv, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        count, _, height, width = x.shape
        if height * width < TINY:
            return super().forward(x)
        rows, columns, outs = (height + 1) // 2, (width + 1) // 2, self.weight.shape[0]
        pixels = x.to(self.dtype).permute(0, 2, 3, 1)
        found = pixels.new_empty(count, 2 * rows, 2 * columns, outs)
        for images, tiles in _chunks(count, rows, columns):
            sums = _sums(_bordered(pixels[images], tiles)).flatten(3)
            products = self.products(sums.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            chunk = found[images, 2 * tiles.start : 2 * tiles.stop]
            _add_up(products.unflatten(3, (4, 4, outs)), chunk)
            if self.activation == "relu":
                chunk.relu_()
        return found[:, :height, :width].permute(0, 3, 1, 2)


class _Products(PackedConv2d):
    """The products of each tile, (B, 16 * in, R, T) -> (B, 16 * out, R, T): 1x1, in 16 groups."""

    def __init__(self, conv: Any, dtype: torch.dtype) -> None:
        super().__init__(conv, dtype)
        self.weight = conv.weight.detach().float()  # nine sixteenths of what is packed
        bias = torch.zeros(16, len(self.weight))
        if conv.bias is not None:
            bias[5] = conv.bias.detach()  # the product that each of the four pixels adds once
        self.bias = bias.flatten().to(dtype)
        self.padding, self.groups, self.depends_on_size = (0, 0), 16, True

    def _plain(self) -> Tensor:
        """The 16 sums of the weights."""
        sums = torch.tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
        weight = torch.einsum("ir,ocrs,js->ijoc", sums, self.weight, sums)
        return weight.to(self.dtype).flatten(0, 2)[:, :, None, None].contiguous()


def _chunks(count: int, rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """The images, and their rows of tiles, that are computed at once."""
    images, height = max(1, CHUNK_TILES // (rows * columns)), max(1, CHUNK_TILES // columns)
    for first in range(0, count, images):
        for top in range(0, rows, height):
            yield slice(first, first + images), slice(top, min(top + height, rows))


def _bordered(pixels: Tensor, tiles: slice) -> Tensor:
    """Rows of tiles, with the pixels around them: (N, H, W, C) -> (N, 2R + 2, 2T + 2, C)."""
    height, width = pixels.shape[1:3]
    top, bottom = 2 * tiles.start - 1, 2 * tiles.stop + 1
    inside = pixels[:, max(top, 0) : min(bottom, height)]
    return F.pad(inside, (0, 0, 1, 1 + width % 2, max(-top, 0), max(bottom - height, 0)))


def _sums(pixels: Tensor) -> Tensor:
    """Of the 4x4 pixels around each tile: (N, 2R + 2, 2T + 2, C) -> (N, R, T, 4, 4, C)."""
    count, height, width, channels = pixels.shape
    rows, columns = height // 2 - 1, width // 2 - 1
    down = pixels.new_empty(4, count, rows, width, channels)
    _differences([pixels[:, i : i + 2 * rows : 2] for i in range(4)], down)
    sums = pixels.new_empty(count, rows, columns, 4, 4, channels)
    _differences(
        [down[:, :, :, i : i + 2 * columns : 2] for i in range(4)], sums.permute(4, 3, 0, 1, 2, 5)
    )
    return sums


def _differences(parts: Sequence[Tensor], out: Tensor) -> None:
    torch.sub(parts[0], parts[2], out=out[0])
    torch.add(parts[1], parts[2], out=out[1])
    torch.sub(parts[2], parts[1], out=out[2])
    torch.sub(parts[1], parts[3], out=out[3])


def _add_up(products: Tensor, pixels: Tensor) -> None:
    """Of each tile, (N, R, T, 4, 4, C), into its pixels (N, 2R, 2T, C)."""
    count, rows, columns, _, _, channels = products.shape
    across = products.new_empty(2, count, rows, columns, 4, channels)
    _pair(products.unbind(3), across)
    tiles = pixels.view(count, rows, 2, columns, 2, channels)
    _pair(across.unbind(4), tiles.permute(4, 2, 0, 1, 3, 5))


def _pair(parts: Sequence[Tensor], out: Tensor) -> None:
    torch.add(parts[0], parts[1], out=out[0]).add_(parts[2])
    torch.sub(parts[1], parts[2], out=out[1]).sub_(parts[3])
