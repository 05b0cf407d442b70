"""3x3 convolutions of many channels for inference on a CPU, with half of the products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from instseg.models.packed import PackedConv2d

LEAST_CHANNELS = 128  # with fewer, the sums take as long as the products that they save
CHUNK_PIXELS = 4096  # of each of the six sums, to bound the memory of sums and products
NEAR, FAR = 0.5**0.5, 2**0.5  # their product, 1, is left out below


def suits_winograd(conv: nn.Conv2d) -> bool:
    """Whether a convolution is computed faster by `WinogradConv2d`."""
    shape = conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups
    usual = shape == ((3, 3), (1, 1), (1, 1), (1, 1), 1)
    return usual and min(conv.in_channels, conv.out_channels) >= LEAST_CHANNELS


class WinogradConv2d(nn.Module):
    """A 3x3 convolution by minimal filtering of columns, F(4, 3) (Lavin and Gray, CVPR 2016).

    Four rows of the result take six 1x3 convolutions instead of twelve: of sums of the six rows
    around them with sums of the weight's three rows, which are the values, at six points, of the
    polynomial whose coefficients are these rows. The points are 0, `NEAR`, -`NEAR`, `FAR`, -`FAR`
    and infinity; 1 and 2, as in the paper, would lose over a quarter more to rounding.
    """

    def __init__(self, conv: nn.Conv2d, dtype: torch.dtype, activation: str = "none") -> None:
        super().__init__()
        self.dtype, self.activation, self.out_channels = dtype, activation, conv.out_channels
        self.products = nn.ModuleList(PackedConv2d(each, dtype) for each in _row_convolutions(conv))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W)."""
        count, _, height, width = x.shape
        pixels = x.to(self.dtype).permute(0, 2, 3, 1)
        found = pixels.new_empty(count, (height + 3) // 4, 4, width, self.out_channels)
        for images, fours in _chunks(count, found.shape[1], width):
            sums = _sums(_bordered(pixels[images], fours)).permute(0, 1, 4, 2, 3)
            products = [product(each) for product, each in zip(self.products, sums, strict=True)]
            chunk = found[images, fours]
            _add_up([each.permute(0, 2, 3, 1) for each in products], chunk.unbind(2))
            if self.activation == "relu":
                chunk.relu_()
            elif self.activation == "relu6":
                chunk.clamp_(0, 6)
        return found.flatten(1, 2)[:, :height].permute(0, 3, 1, 2)


def _row_convolutions(conv: nn.Conv2d) -> Iterator[nn.Conv2d]:
    """The 1x3 convolutions, one for each point."""
    top, middle, bottom = conv.weight.detach().float().unbind(2)
    gap = FAR**2 - NEAR**2  # divided by, as in Lagrange's interpolation
    near_even, near_odd = (top + NEAR**2 * bottom) / (-2 * NEAR * gap), middle / (-2 * gap)
    far_even, far_odd = (top + FAR**2 * bottom) / (2 * gap), middle * FAR / (2 * gap)
    near, near_minus = near_even + near_odd, near_even - near_odd
    far, far_minus = far_even + far_odd, far_even - far_odd
    weights = [top, near, near_minus, far, far_minus, bottom]
    shares = [
        1 - FAR**-2,
        0.5,
        -0.5,
        0.5,
        0.5,
        1 - NEAR**2,
    ]  # of the bias: `_add_up` makes them 1 in each row
    shape = conv.in_channels, conv.out_channels, (1, 3)
    for weight, share in zip(weights, shares, strict=True):
        found = nn.Conv2d(*shape, padding=(0, 1), bias=False, device="meta")
        found.weight = nn.Parameter(weight[:, :, None], requires_grad=False)
        if conv.bias is not None:
            found.bias = nn.Parameter(share * conv.bias.detach(), requires_grad=False)
        yield found


def _chunks(count: int, fours: int, width: int) -> Iterator[tuple[slice, slice]]:
    """The images, and their fours of rows, that are computed at once."""
    most_images, most_fours = max(1, CHUNK_PIXELS // (fours * width)), max(1, CHUNK_PIXELS // width)
    for first in range(0, count, most_images):
        for top in range(0, fours, most_fours):
            yield slice(first, first + most_images), slice(top, min(top + most_fours, fours))


def _bordered(pixels: Tensor, fours: slice) -> Tensor:
    """Fours of rows, with a row above and one below: (N, H, W, C) -> (N, 4R + 2, W, C)."""
    height = pixels.shape[1]
    top, bottom = 4 * fours.start - 1, 4 * fours.stop + 1
    inside = pixels[:, max(top, 0) : min(bottom, height)]
    missing = max(-top, 0), max(bottom - height, 0)
    return F.pad(inside, (0, 0, 0, 0, *missing)) if any(missing) else inside


def _sums(pixels: Tensor) -> Tensor:
    """For the six points, of the rows around each four: (N, 4R + 2, W, C) -> (6, N, R, W, C)."""
    rows = [pixels[:, i : pixels.shape[1] - 5 + i : 4] for i in range(6)]
    sums = pixels.new_empty(6, *rows[0].shape)
    torch.add(rows[0], rows[4], out=sums[0]).sub_(rows[2], alpha=NEAR**2 + FAR**2)
    torch.add(rows[1], rows[5], out=sums[5]).sub_(rows[3], alpha=NEAR**2 + FAR**2)
    for first, point, other in ((1, NEAR, FAR), (3, FAR, NEAR)):
        even = torch.sub(rows[4], rows[2], alpha=other**2)
        odd = torch.sub(rows[3], rows[1], alpha=other**2)
        torch.add(even, odd, alpha=point, out=sums[first])
        torch.sub(even, odd, alpha=point, out=sums[first + 1])
    return sums


def _add_up(products: Sequence[Tensor], rows: Sequence[Tensor]) -> None:
    """Add up the products of the six points into four rows, each (N, R, W, C); overwrites them."""
    zero, near, near_minus, far, far_minus, infinity = products
    near_even, far_even = near + near_minus, far + far_minus
    near_odd, far_odd = near.sub_(near_minus), far.sub_(far_minus)
    torch.add(zero.add_(near_even, alpha=1 / NEAR), far_even, alpha=FAR**-2, out=rows[0])
    torch.add(near_odd, far_odd, alpha=1 / FAR, out=rows[1])
    torch.add(far_even, near_even, alpha=NEAR, out=rows[2])
    torch.add(infinity.add_(near_odd, alpha=NEAR**2), far_odd, alpha=FAR, out=rows[3])
