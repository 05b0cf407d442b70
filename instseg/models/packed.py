"""Layers for inference on x86 processors, by oneDNN: weights packed once, activations fused.

PyTorch's own layers reorder their weights in every call, and write a feature map once more for each
activation and sum. The operators used here are those that `torch.compile` chooses for a frozen
network; they need no compilation.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from instseg.models.efficientnet_lite import same_padding, without_excess

ACTIVATIONS: dict[str, tuple[str, list[float]]] = {  # name and arguments in oneDNN's operators
    "none": ("none", []),
    "relu": ("relu", []),
    "relu6": ("hardtanh", [0.0, 6.0]),
}
TINY = 128  # pixels
MOST_SIZES = 1024  # of inputs that are remembered, as many as oneDNN remembers kernels
_ops: Any = torch.ops.mkldnn


def can_pack(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether these layers work for this device and type."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        return False
    return dtype == torch.float32 or bool(_ops._is_mkldnn_bf16_supported())


class PackedConv2d(nn.Module):
    """A convolution, with an activation.

    oneDNN may want the weight in another layout for another size of the input: that of a 1x1
    convolution for any, that of a larger one for a tiny one. It is packed once for each layout, of
    which there are one or two.

    Args:
        conv: The convolution.
        dtype: Type of the computation and of the result.
        activation: A key of `ACTIVATIONS`.
    """

    def __init__(self, conv: Any, dtype: torch.dtype, activation: str = "none") -> None:
        super().__init__()
        self.dtype, self.activation = dtype, activation
        self.weight = conv.weight.detach().to(dtype).contiguous()
        self.bias = None if conv.bias is None else conv.bias.detach().to(dtype)
        self.stride, self.padding = conv.stride, conv.padding
        self.dilation, self.groups = conv.dilation, conv.groups
        self.depends_on_size = self.weight.shape[-1] == 1
        self.of_layout: dict[bytes, Tensor] = {}
        self.of_size: dict[tuple[int, ...], Tensor] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "of_layout": {}, "of_size": {}}

    def _geometry(self, x: Tensor) -> tuple[Any, ...]:
        """Padding, stride, dilation and groups."""
        return self.padding, self.stride, self.dilation, self.groups

    def _plain(self) -> Tensor:
        """The weight that is packed, (out, in / groups, k, k)."""
        return self.weight

    def _packed_for(self, x: Tensor) -> Tensor:
        """The weight, packed for the size of `x`."""
        size: tuple[int, ...] = x.shape
        if not self.depends_on_size:
            size = (int(x.shape[-2] * x.shape[-1] < TINY),)
        packed = self.of_size.get(size)
        if packed is None:
            reorder: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
            packed = reorder(self._plain().to_mkldnn(), *self._geometry(x), list(x.shape))
            if len(self.of_size) >= MOST_SIZES:  # so that memory stays flat over any photos
                self.of_size.clear()
            layout = _ops._get_mkldnn_serialized_md(packed).numpy().tobytes()
            self.of_size[size] = packed = self.of_layout.setdefault(layout, packed)
        return packed

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, h, w)."""
        x = x.to(self.dtype)
        name, arguments = ACTIVATIONS[self.activation]
        found: Tensor = _ops._convolution_pointwise(
            x, self._packed_for(x), self.bias, *self._geometry(x), name, arguments, None
        )
        return found

    def added_to(self, other: Tensor, x: Tensor) -> Tensor:
        """The convolution of `x`, plus `other`, which is overwritten; then the activation."""
        name = None if self.activation == "none" else self.activation
        found: Tensor = _ops._convolution_pointwise_.binary(
            other, x, self._packed_for(x), self.bias, *self._geometry(x), "add", 1.0, name, [], None
        )
        return found


class PackedSameConv2d(PackedConv2d):
    """A convolution with TensorFlow's padding "SAME", as `SameConv2d`."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride), rounded up."""
        return without_excess(super().forward(x), x, self.stride[0])

    def _geometry(self, x: Tensor) -> tuple[Any, ...]:
        padding = same_padding(x, self.weight.shape[-1], self.stride[0])
        return padding, self.stride, self.dilation, self.groups


class PackedLinear(nn.Module):
    """A dense layer, with an activation.

    Args:
        weight: (out, in).
        bias: (out,).
        dtype: Type of the computation and of the result.
        activation: A key of `ACTIVATIONS`.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, dtype: torch.dtype, activation: str = "none"
    ) -> None:
        super().__init__()
        self.dtype, self.activation = dtype, activation
        self.weight = weight.detach().to(dtype)  # packed when it is first used
        self.bias = bias.detach().to(dtype)

    def __getstate__(self) -> dict[str, Any]:
        weight = self.weight
        return {**vars(self), "weight": weight.to_dense() if weight.is_mkldnn else weight}

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        weight = self.weight
        if not weight.is_mkldnn:
            weight = self.weight = _ops._reorder_linear_weight(weight.contiguous())
        name, arguments = ACTIVATIONS[self.activation]
        found: Tensor = _ops._linear_pointwise(
            x.to(self.dtype), weight, self.bias, name, arguments, None
        )
        return found
