"""The first part of an exported graph: from an image of any size to the input of the network.

Resizing is written as a sum of pixels, in the order of operations of
`torch.nn.functional.interpolate`: the `Resize` of ONNX rounds the places of the pixels in another
way, which moves boxes in large photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import cast

import torch
from torch import Tensor, nn

LARGEST_SIDE_PX = 16_384
ERROR_UNITS = 2**20
TIE = 1e-5  # halfway, doubles are rounded to the even number, which these are
GREY = (0.2989, 0.587, 0.114)  # weights of red, green and blue


class Prepare(nn.Module):
    """Resizes, normalises and pads one image.

    Args:
        mean: Of each channel of the network.
        std: Of each channel.
        multiple: Both sides of the result are multiples of this.
        unit: What a pixel is divided by before `mean` is subtracted.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], multiple: int, unit: float = 255.0
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))
        self.multiple, self.unit = multiple, unit

    def normalised(self, pixels: Tensor) -> Tensor:
        """(h, w, channels of the image) -> (1, channels of the network, h, w)."""
        scaled = pixels.permute(2, 0, 1) / self.unit  # rows are long, so that this is quick
        if len(self.mean) == 1 and pixels.shape[2] == 3:
            scaled = (scaled * scaled.new_tensor(GREY)[:, None, None]).sum(0, keepdim=True)
        return ((scaled - self.mean[:, None, None]) / self.std[:, None, None])[None]

    def padded_side(self, side: Tensor, least: int = 1) -> int:
        """The next multiple that holds a side, as a number whose value the graph computes."""
        whole = torch.div(side + self.multiple - 1, self.multiple, rounding_mode="floor")
        multiples = cast(int, whole.clamp(min=least).item())  # `int()` would need its value now
        torch._check(multiples >= least)
        return multiples * self.multiple


class PrepareForDetector(Prepare):
    """As torchvision's `GeneralizedRCNNTransform`: bilinear, padded with zeros.

    Args:
        min_size: Pixels of the shorter side after resizing.
        max_size: Most pixels of the longer side after resizing.
        mean: Of red, green and blue, 0..1.
        std: Of red, green and blue.
        multiple: Both sides of the result are multiples of this.
    """

    min_size_errors: Tensor
    max_size_errors: Tensor

    def __init__(
        self,
        min_size: int,
        max_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        multiple: int,
    ) -> None:
        super().__init__(mean, std, multiple)
        self.min_size, self.max_size = min_size, max_size
        self.register_buffer("min_size_errors", scale_errors(min_size))
        self.register_buffer("max_size_errors", scale_errors(max_size))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Prepare an image.

        Args:
            image: uint8 (H, W, 3), RGB.

        Returns:
            The input of the network float32 (1, 3, h', w'); height and width (2,) int64 after
            resizing, without the padding; those of the image.
        """
        size = size_of(image)
        resized = self.resized(size)
        down, right = (self.padded_side(resized[axis]) for axis in (0, 1))
        inputs = self.normalised(resize(image, size, resized, down, right))
        inside = [
            (torch.arange(side) < resized[axis]).float() for axis, side in enumerate((down, right))
        ]
        return inputs * inside[0][:, None] * inside[1], resized, size

    def resized(self, size: Tensor) -> Tensor:
        """Height and width after resizing, int64 (2,), as torchvision has them.

        It computes `floor(side * (320 / shorter))` in double precision, which not every program
        has. The result differs from exact integers where the product is rounded to less than a
        whole number: from the error of the scale and the spacing of doubles below that number.
        """
        shortest, longest = size.min(), size.max()
        by_shortest = self.min_size * longest <= self.max_size * shortest
        target = torch.where(by_shortest, self.min_size, self.max_size)
        side = torch.where(by_shortest, shortest, longest)
        last = len(self.min_size_errors) - 1
        errors = torch.where(by_shortest, self.min_size_errors, self.max_size_errors)
        error = errors[side.clamp(max=last)].float() / ERROR_UNITS
        resized = size * target // side
        is_whole = resized * side == size * target
        half_spacing = torch.exp2(torch.log2(resized.float() - 0.5).floor())
        lost = is_whole & (resized * error > half_spacing * (1 + TIE))
        return (resized - lost.long()).clamp(min=1)


def scale_errors(target: int) -> Tensor:
    """By how much the double `target / side` is too small, int32 (sides,), for sides from 0 on.

    In relative terms, in units of 2**-53 / `ERROR_UNITS`; 0 where it is exact or too large.
    """
    exact = (target - Fraction(target / side) * side for side in range(1, LARGEST_SIDE_PX + 1))
    errors = [max(round(each / target * 2**53 * ERROR_UNITS), 0) for each in exact]
    return torch.tensor([0, *errors], dtype=torch.int32)


class PrepareForSegmenter(Prepare):
    """As `Segmenter`: resized with antialiasing if at all, the last row and column repeated.

    Args:
        min_size: Pixels of the shorter side after resizing; None for those of the image.
        max_size: Most pixels of the longer side after resizing; None for any.
        mean: Of each channel of the network.
        std: Of each channel.
        multiple: Both sides of the result are multiples of this, at least two.
        unit: What a pixel is divided by before `mean` is subtracted.
    """

    def __init__(
        self,
        min_size: int | None,
        max_size: int | None,
        mean: Sequence[float],
        std: Sequence[float],
        multiple: int,
        unit: float,
    ) -> None:
        super().__init__(mean, std, multiple, unit)
        self.min_size, self.max_size = min_size, max_size

    @property
    def resizes(self) -> bool:
        """Whether images are resized at all."""
        return bool(self.min_size or self.max_size)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Prepare an image (H, W, C), uint8 or float32; as `PrepareForDetector`."""
        size = size_of(image)
        resized = self.resized(size) if self.resizes else size.clone()  # an output of its own
        down, right = (self.padded_side(resized[axis], 2) for axis in (0, 1))
        if self.resizes:
            rows = mean_weights(size[0], resized[0], image.shape[0], down)
            columns = mean_weights(size[1], resized[1], image.shape[1], right)
            pixels = torch.einsum("hy,ywc->hwc", rows, image.float())
            pixels = torch.einsum("vw,hwc->hvc", columns, pixels)
        else:
            last = size - 1
            rows = torch.minimum(torch.arange(down), last[0])
            columns = torch.minimum(torch.arange(right), last[1])
            pixels = image[rows][:, columns].float()
        return self.normalised(pixels), resized, size

    def resized(self, size: Tensor) -> Tensor:
        """Height and width after resizing, int64 (2,)."""
        sides = size.double()
        scale = torch.ones(()).double()
        if self.min_size:
            scale = torch.scalar_tensor(self.min_size).double() / sides.min()
        if self.max_size:
            most = torch.scalar_tensor(self.max_size).double() / sides.max()
            scale = torch.minimum(scale, most)
        return (sides * scale).round().clamp(min=1).long()


def size_of(image: Tensor) -> Tensor:
    """Height and width of an image (H, W, C) as int64 (2,)."""
    return torch.stack(
        [torch.scalar_tensor(image.shape[axis], dtype=torch.int64) for axis in (0, 1)]
    )


def resize(image: Tensor, source: Tensor, target: Tensor, down: int, right: int) -> Tensor:
    """Resize the top left part of an image bilinearly, and repeat its last row and column.

    Args:
        image: (H, W, C).
        source: int64 (2,), height and width of the part.
        target: int64 (2,), its height and width after resizing.
        down: Height of the result, with the rows that repeat the last one.
        right: Width of the result.

    Returns:
        float32 (down, right, C).
    """
    width, channels = image.shape[1:]
    lines = image.flatten(1)  # [H,W*C]; operations on long rows are quicker
    scale = quotient(source, target)
    above, below, share = neighbours(source[0], target[0], scale[0], down)
    share = share[:, None]
    strip = lines.index_select(0, above).float() * (1 - share)
    strip = strip + lines.index_select(0, below).float() * share
    pixels = strip.view(down, width, channels)
    before, after, share = neighbours(source[1], target[1], scale[1], right)
    share = share[:, None].expand(-1, channels).reshape(-1)
    left, last = (pixels.index_select(1, at).flatten(1) for at in (before, after))
    return (left * (1 - share) + last * share).view(down, right, channels)


def neighbours(
    source: Tensor, target: Tensor, scale: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """For each of `target` cells the two of `source`, `scale` times as many, around it.

    Returns:
        Indices of the first and the second, int64, and the share of the second, float32. The last
        cell is repeated up to `count`.
    """
    middles = torch.minimum(torch.arange(count), target - 1).float() + 0.5
    places = scaled_less_half(middles, scale).clamp(min=0)
    low = places.floor()
    first = torch.minimum(low.long(), source - 1)
    return first, torch.minimum(first + 1, source - 1), places - low


def quotient(dividend: Tensor, divisor: Tensor) -> Tensor:
    """`dividend / divisor` of int64 below 2**15, rounded once: float32.

    By long division: OpenVINO multiplies by the rounded inverse. A digit that is too small by one
    is made up for by the next.
    """
    digits, rest = [], dividend
    for _ in range(5):
        digit = torch.div(rest, divisor, rounding_mode="floor")
        rest = (rest - digit * divisor) * 2**8
        digits.append(digit.float())
    first, second, third, fourth, fifth = digits
    return (first + second / 2**8 + third / 2**16) + (fourth / 2**24 + fifth / 2**32)


def scaled_less_half(middles: Tensor, scale: Tensor) -> Tensor:
    """`middles * scale - 0.5`, rounded once, as processors do it that multiply and add in one step.

    OpenVINO has no doubles. So the scale is split into numbers of few bits whose products are exact
    for middles below 2,048 and scales below 64, and what the sum of two products loses is added.

    Args:
        middles: float32 (N,), multiples of a half.
        scale: float32 ().
    """
    high = (scale * 2**6).floor() / 2**6
    middle = ((scale - high) * 2**18).floor() / 2**18
    low = scale - high - middle
    first, second = middles * high - 0.5, middles * middle
    total = first + second
    added = total - first
    lost = (first - (total - added)) + (second - added)
    return total + (lost + middles * low)


def mean_weights(source: Tensor, target: Tensor, columns: int, count: int) -> Tensor:
    """The weights (count, columns) of bilinear resizing with antialiasing along one axis."""
    scale = source.float() / target.float()
    middles = (torch.minimum(torch.arange(count), target - 1).float() + 0.5) * scale
    apart = torch.arange(columns).float() + 0.5 - middles[:, None]
    weights = (1 - apart.abs() / scale.clamp(min=1)).clamp(min=0)
    return weights / weights.sum(1, keepdim=True)
