"""Faster versions of torchvision's layers: the same weights, and equal results except for rounding.

They avoid unused work: the gradient of the proposal network where no anchor was sampled, passes
over whole feature maps for BatchNorm with constant statistics, and conversions to float32 in
bfloat16 networks. Both training and inference use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.models.resnet import Bottleneck
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

from instseg.models.roi_align import PyramidRoIAlign
from instseg.models.shared_mask import SharedMaskPredictor

Network = TypeVar("Network", bound=nn.Module)
Layers = Mapping[type[nn.Module], type[nn.Module]]


def with_layers(network: Network, layers: Layers) -> Network:
    """The same network with other layers.

    Only the tree of modules is new. Parameters, buffers and hooks are shared, under the same names,
    so that a training step trains `network` too, whose own layers do not change. The result has the
    current mode of `network`.

    Args:
        network: The network, which is not changed.
        layers: Replacement class by class; a
        subclass without further attributes.
    """
    copies: dict[nn.Module, Any] = {}
    for module in network.modules():
        kind = layers.get(type(module), type(module))
        copies[module] = kind.__new__(kind)
        copies[module].__setstate__(vars(module))  # a shallow copy, as `copy.copy` makes it
    for module, copied in copies.items():
        children = module._modules.items()  # also those that are None, unlike `named_children`
        copied._modules = {
            name: copies[each] if each is not None else None for name, each in children
        }
    return copies[network]


def memory_format(device: torch.device, dtype: torch.dtype) -> torch.memory_format:
    """The fastest memory format of weights and feature maps for training.

    Channels last, except for float32 on processors with AVX2 but without AVX-512: there the weight
    gradient of a 3x3 convolution takes up to three times as long in channels last.
    """
    avx2 = device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX2"
    return torch.contiguous_format if avx2 and dtype == torch.float32 else torch.channels_last


def folded(conv: nn.Conv2d, norm: Any) -> tuple[Tensor, Tensor]:
    """Weight and bias of one convolution that equals `conv` and a BatchNorm in evaluation mode."""
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    shift = norm.bias - norm.running_mean * scale
    bias = shift if conv.bias is None else shift + conv.bias * scale
    return conv.weight * scale[:, None, None, None], bias


def conv_then_norm(conv: Any, norm: nn.Module, x: Tensor) -> Tensor:
    """`norm(conv(x))` of a Conv2d, as one convolution if the statistics are constant."""
    constant = isinstance(norm, nn.BatchNorm2d) and not norm.training
    if not constant and not isinstance(norm, FrozenBatchNorm2d):
        return norm(conv(x))
    weight, bias = folded(conv, norm)
    return conv._conv_forward(x, weight, bias)


class QuickBottleneck(Bottleneck):
    """A residual block with frozen BatchNorm folded into the convolutions.

    Under autocast, `FrozenBatchNorm2d` would also convert every feature map to float32.
    """

    def forward(self, x: Tensor) -> Tensor:
        """As the base class."""
        inner = self.relu(conv_then_norm(self.conv1, self.bn1, x))
        inner = self.relu(conv_then_norm(self.conv2, self.bn2, inner))
        if self.downsample is not None:
            conv, norm = self.downsample
            x = conv_then_norm(conv, norm, x)
        return self.relu(conv_then_norm(self.conv3, self.bn3, inner).add_(x))


class QuickRoIAlign(MultiScaleRoIAlign):
    """`roi_align.py` on a CPU, and for inference on a GPU with CUDA.

    Torchvision's RoIAlign uses one core of a CPU, and waits for a GPU at each level.
    """

    def forward(
        self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Tensor:
        """As the base class."""
        kind = boxes[0].device.type
        if kind != "cpu" and (kind != "cuda" or torch.is_grad_enabled()):
            return super().forward(x, boxes, image_shapes)
        return PyramidRoIAlign(tuple(self.featmap_names), self.output_size[0])(
            x, boxes, image_shapes
        )


class QuickMaskPredictor(MaskRCNNPredictor):
    """Computes a transposed 2x2 convolution of stride 2 as a matrix product."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, M, M) -> (N, classes, 2M, 2M) logits."""
        return _mask_logits(self, x)


class QuickSharedMaskPredictor(SharedMaskPredictor):
    """The same for a channel that all classes share."""

    def masks(self, x: Tensor) -> Tensor:
        """(N, C, M, M) -> (N, 1, 2M, 2M) logits."""
        return _mask_logits(self, x)


def _mask_logits(predictor: MaskRCNNPredictor, x: Tensor) -> Tensor:
    """(N, C, M, M) -> (N, outputs, 2M, 2M) logits of torchvision's two layers."""
    count, _, height, width = x.shape
    weight = predictor.conv5_mask.weight  # [C,O,2,2]
    channels = weight.shape[1]
    dense = weight.permute(2, 3, 1, 0).flatten(0, 2)  # [4*O,C]
    cells = F.linear(x.permute(0, 2, 3, 1), dense, predictor.conv5_mask.bias.repeat(4))
    cells = F.relu(cells, inplace=True).view(count, height, width, 2, 2, channels)
    doubled = cells.transpose(2, 3).reshape(count, 2 * height, 2 * width, channels)
    return predictor.mask_fcn_logits(doubled.permute(0, 3, 1, 2))


class QuickRPNHead(RPNHead):
    """Propagates gradients only from cells with sampled anchors; its outputs are float32.

    The losses use 256 of about 200,000 anchors per image: elsewhere the gradient is zero, and is
    not computed.

    Torchvision decodes boxes in the type of the deltas. In bfloat16, which autocast gives them,
    coordinates above 256 px come in steps of 2 and above 512 px in steps of 4, and so would
    proposals, and ground truth matched to them.
    """

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """For each level logits (B, A, H, W) and deltas (B, 4 * A, H, W), float32."""
        if torch.is_grad_enabled():
            weights = tuple(self.parameters())
            found = [_SparseHead.apply(self, level, *weights) for level in x]
        else:
            found = list(zip(*super().forward(x), strict=True))
        return [logits.float() for logits, _ in found], [deltas.float() for _, deltas in found]


class _SparseHead(torch.autograd.Function):
    """The head on one level: forward everywhere, backward where there is a gradient."""

    @staticmethod
    def forward(ctx: Any, head: RPNHead, level: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, A, H, W) and deltas (B, 4 * A, H, W) of a level (B, C, H, W)."""
        ctx.save_for_backward(level, *weights)
        (logits,), (deltas,) = RPNHead.forward(head, [level])
        return logits, deltas

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the level and of all weights."""
        level, *weights = ctx.saved_tensors
        batch, channels, height, width = level.shape
        image, row, column = torch.where(torch.cat(slopes, 1).ne(0).any(1))  # M cells
        reach = len(weights) // 2 - 2  # of as many 3x3 convolutions
        steps = torch.arange(-reach, reach + 1, device=level.device)
        rows = (row[:, None] + steps)[:, :, None]  # [M,K,1], K = 2 * reach + 1
        columns = (column[:, None] + steps)[:, None, :]
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        where = (image[:, None, None], rows.clamp(0, height - 1), columns.clamp(0, width - 1))
        mask = inside[:, None].to(slopes[0].dtype)
        pull = torch.func.vjp(
            lambda patches, *weights: _head_at(patches, mask, *weights),
            level[where[0], :, where[1], where[2]].permute(0, 3, 1, 2),
            *weights,
        )[1]
        of_patches, *of_weights = pull(tuple(slope[image, :, row, column] for slope in slopes))
        cells = ((where[0] * height + where[1]) * width + where[2]).flatten()  # [M*K*K]
        of_cells = of_patches.permute(0, 2, 3, 1).reshape(-1, channels)
        of_level = level.new_zeros(batch * height * width, channels).index_add_(0, cells, of_cells)
        of_level = of_level.view(batch, height, width, channels).permute(0, 3, 1, 2)
        return None, of_level, *of_weights


def _head_at(patches: Tensor, inside: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
    """The head at the middle of patches.

    Args:
        patches: (M, C, K, K), K = 1 and 2 more for each 3x3 convolution.
        inside: (M, 1, K, K), 1 in the map and 0 beyond it, in the dtype of the computation.
        weights: Weights of the head, in its order.

    Returns:
        Logits (M, A) and deltas (M, 4 * A).
    """
    *convs, logits, logits_bias, deltas, deltas_bias = (w.to(inside.dtype) for w in weights)
    x = patches.to(inside.dtype)
    for weight, bias in zip(convs[::2], convs[1::2], strict=True):
        x = F.relu(F.conv2d(x * inside, weight, bias))
        inside = inside[:, :, 1:-1, 1:-1]
    x = x.flatten(1)
    return F.linear(x, logits.flatten(1), logits_bias), F.linear(x, deltas.flatten(1), deltas_bias)


QUICK_LAYERS: Layers = {
    Bottleneck: QuickBottleneck,
    MaskRCNNPredictor: QuickMaskPredictor,
    MultiScaleRoIAlign: QuickRoIAlign,
    RPNHead: QuickRPNHead,
    SharedMaskPredictor: QuickSharedMaskPredictor,
}
