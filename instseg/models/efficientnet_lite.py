"""EfficientNet-Lite0, a trunk pretrained on photos and quick on any processor.

Inverted residuals (Sandler et al. 2018) in the widths and depths of EfficientNet-B0 (Tan and Le
2019), without squeeze-and-excitation and with ReLU6, as TensorFlow's EfficientNet-Lite has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from instseg.models.quick import conv_then_norm

STEM_CHANNELS = 32
NORM_EPS = 1e-3
NORM_MOMENTUM = 0.01


@dataclass(frozen=True)
class Stage:
    """A sequence of inverted residuals: a row of table 1 of the EfficientNet paper."""

    channels: int
    kernel: int
    stride: int
    blocks: int
    expansion: int = 6


STAGES = (
    Stage(16, 3, 1, 1, expansion=1),  # stride 2
    Stage(24, 3, 2, 2),  # stride 4
    Stage(40, 5, 2, 2),  # stride 8
    Stage(80, 3, 2, 3),
    Stage(112, 5, 1, 3),  # stride 16
    Stage(192, 5, 2, 4),
    Stage(320, 3, 1, 1),  # stride 32
)
LAST_OF_STRIDE = (1, 2, 4, 6)  # the last stages at the strides 4, 8, 16 and 32
WIDTHS = tuple(STAGES[i].channels for i in LAST_OF_STRIDE)


class SameConv2d(nn.Conv2d):
    """A convolution without bias and with TensorFlow's padding "SAME".

    With stride 2 and an even size, that is one pixel more at the lower right than at the upper
    left.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False
        )

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        convolve: Any = F.conv2d
        if self.groups > 1 and x.device.type == "cpu" and torch.is_grad_enabled():
            convolve = _Depthwise.apply
        padding = same_padding(x, weight.shape[-1], self.stride[0])
        out = convolve(x, weight, bias, self.stride, padding, self.dilation, self.groups)
        return without_excess(out, x, self.stride[0])


def same_padding(x: Tensor, kernel: int, stride: int) -> list[int]:
    """Zeros above and below, and left and right, for a convolution of x (B, C, H, W).

    With stride 2 and an even size, one more row and column of zeros on all sides, whose results
    `without_excess` leaves out at the upper left: less to copy than padding the input on two sides.
    """
    return [kernel // 2 + int(stride == 2 and side % 2 == 0) for side in x.shape[-2:]]


def without_excess(out: Tensor, x: Tensor, stride: int) -> Tensor:
    """The result of a convolution of `x` with `same_padding`, as padding "SAME" gives it."""
    more_y, more_x = (int(stride == 2 and side % 2 == 0) for side in x.shape[-2:])
    if more_y or more_x:
        out = out[:, :, more_y:, more_x:].contiguous(memory_format=torch.channels_last)
    return out


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution whose backward pass is computed in the faster type.

    On CPUs, the gradient of the weights in bfloat16 takes up to 7 times as long as in float32, and
    so does that of the input with stride 2.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, *options: Any) -> Tensor:
        """As `F.conv2d`, in the type that autocast gives it."""
        if torch.is_autocast_enabled("cpu"):
            x = x.to(torch.get_autocast_dtype("cpu"))
        ctx.save_for_backward(x, weight)
        ctx.options, ctx.has_bias = options, bias is not None
        with torch.autocast("cpu", enabled=False):
            bias = None if bias is None else bias.to(x.dtype)
            return F.conv2d(x, weight.to(x.dtype), bias, *options)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of input, weight and bias."""
        x, weight = ctx.saved_tensors
        (stride, *_), padding, dilation, groups = ctx.options

        def gradients(dtype: torch.dtype, *wanted: bool) -> list[Tensor | None]:
            return list(
                torch.ops.aten.convolution_backward(
                    slope.to(dtype),
                    x.to(dtype),
                    weight.to(dtype),
                    None,
                    [stride, stride],
                    padding,
                    dilation,
                    False,
                    [0, 0],
                    groups,
                    wanted,
                )
            )

        of_x = of_weight = of_bias = None
        if ctx.needs_input_grad[0]:
            dtype = x.dtype if stride == 1 else torch.float32
            of_x = gradients(dtype, True, False, False)[0]
            of_x = None if of_x is None else of_x.to(x.dtype)
        if ctx.needs_input_grad[1]:
            of_weight = gradients(torch.float32, False, True, False)[1]
        if ctx.has_bias and ctx.needs_input_grad[2]:
            of_bias = slope.float().sum((0, 2, 3))
        return of_x, of_weight, of_bias, None, None, None, None


class ConvNorm(nn.Sequential):
    """A `SameConv2d` followed by BatchNorm, then ReLU6 if `activate`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        *,
        activate: bool = True,
    ) -> None:
        super().__init__(
            SameConv2d(in_channels, out_channels, kernel, stride, groups),
            nn.BatchNorm2d(out_channels, eps=NORM_EPS, momentum=NORM_MOMENTUM),
        )
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride), rounded up."""
        conv, norm = self
        x = conv_then_norm(conv, norm, x)
        return F.relu6(x) if self.activate else x


class InvertedResidual(nn.Module):
    """A pointwise expansion, a depthwise convolution, and a linear pointwise projection."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.expand = ConvNorm(in_channels, inner) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(inner, inner, kernel, stride, groups=inner)
        self.project = ConvNorm(inner, out_channels, activate=False)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride), rounded up."""
        out = self.project(self.depthwise(self.expand(x)))
        return x + out if self.residual else out


class EfficientNetLite(nn.Module):
    """The trunk: stem and seven stages, without the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, STEM_CHANNELS, 3, 2)
        stages, channels = [], STEM_CHANNELS
        for each in STAGES:
            blocks = []
            for i in range(each.blocks):
                stride = each.stride if i == 0 else 1
                blocks.append(
                    InvertedResidual(channels, each.channels, each.kernel, stride, each.expansion)
                )
                channels = each.channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> the maps at the strides 4, 8, 16 and 32, of `WIDTHS` channels."""
        x, found = self.stem(x), []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in LAST_OF_STRIDE:
                found.append(x)
        return found
