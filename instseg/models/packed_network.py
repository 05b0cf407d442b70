"""A Mask R-CNN of packed layers: blocks whose activations and sums are part of the convolutions."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.ops import FeaturePyramidNetwork

from instseg.models import compact, efficientnet_lite
from instseg.models.compact import BasicBlock, DenseMaskPredictor
from instseg.models.efficientnet_lite import InvertedResidual, SameConv2d
from instseg.models.efficientnet_lite_fpn import ContextRoIAlign
from instseg.models.packed import PackedConv2d, PackedLinear, PackedSameConv2d
from instseg.models.quick import Layers, QuickBottleneck, with_layers
from instseg.models.roi_align import PyramidRoIAlign
from instseg.models.winograd import WinogradConv2d, suits_winograd

ACTIVATION_LAYERS = {nn.ReLU: "relu", nn.ReLU6: "relu6"}
Packed = PackedConv2d | PackedLinear | WinogradConv2d


def packed_network(network: GeneralizedRCNN, dtype: torch.dtype) -> GeneralizedRCNN:
    """A network for inference on a CPU with the layers of `packed.py` and `winograd.py`.

    Args:
        network: Without BatchNorm, as `fold_batch_norms` leaves it. Its tree of modules is not
            changed.
        dtype: Type of the computation. The last layers of the box head compute in float32.
    """
    network = with_layers(network, BLOCKS)
    heads = network.roi_heads
    heads.mask_predictor = PackedMaskPredictor(heads.mask_predictor, dtype)
    _take_cells_last(heads, dtype)
    _pack_children(heads.box_predictor, torch.float32)
    _pack_children(network, dtype)
    for module in network.modules():
        if isinstance(module, FUSING):
            module.fuse()
    return network


def _take_cells_last(heads: Any, dtype: torch.dtype) -> None:
    """Let the first dense layer of the box head take cells in their order in memory.

    Torchvision's takes all cells of a channel after one another, for which they would be copied.
    """
    if isinstance(heads.box_roi_pool, ContextRoIAlign):
        return  # its result is flat
    box_head: Any = heads.box_head
    if isinstance(box_head, TwoMLPHead):
        box_head.fc6 = _cells_last(box_head.fc6, heads.box_roi_pool, dtype)
        return
    for i, layer in enumerate(box_head):
        if isinstance(layer, nn.Flatten):
            box_head[i] = FlatCells()
            box_head[i + 1] = _cells_last(box_head[i + 1], heads.box_roi_pool, dtype)
            box_head[i + 2] = nn.Identity()
            return


def _cells_last(layer: nn.Linear, pool: Any, dtype: torch.dtype) -> PackedLinear:
    bins = pool.bins if isinstance(pool, PyramidRoIAlign) else pool.output_size[0]
    weight = layer.weight.unflatten(1, (-1, bins * bins)).transpose(1, 2).flatten(1)
    return PackedLinear(weight, layer.bias, dtype, "relu")


def _pack_children(parent: nn.Module, dtype: torch.dtype) -> None:
    """Replace the layers below a module, with the activations that follow them in a sequence."""
    before: Packed | None = None
    for name, child in list(parent.named_children()):
        layer = packed_layer(child, dtype)
        in_sequence = isinstance(parent, nn.Sequential | IntermediateLayerGetter)
        activation = ACTIVATION_LAYERS.get(type(child))
        if layer is not None:
            setattr(parent, name, layer)
            before = layer
        elif in_sequence and activation and before is not None:
            before.activation = activation
            setattr(parent, name, nn.Identity())
        elif not isinstance(child, nn.Identity):
            before = None
            _pack_children(child, dtype)


def packed_layer(layer: Any, dtype: torch.dtype) -> Packed | None:
    """The layer that replaces one, if any does."""
    match layer:
        case efficientnet_lite.ConvNorm():
            return PackedSameConv2d(layer[0], dtype, "relu6" if layer.activate else "none")
        case compact.ConvNorm():
            return PackedConv2d(layer[0], dtype)
        case SameConv2d():
            return PackedSameConv2d(layer, dtype)
        case nn.Conv2d() if suits_winograd(layer):
            return WinogradConv2d(layer, dtype)
        case nn.Conv2d():
            return PackedConv2d(layer, dtype)
        case nn.Linear():
            return PackedLinear(layer.weight, layer.bias, dtype)
    return None


class PackedBottleneck(QuickBottleneck):
    """Torchvision's residual block of ResNet-50."""

    conv1: Any
    conv2: Any
    conv3: Any

    def fuse(self) -> None:
        """Make the activations part of the packed layers."""
        for conv in (self.conv1, self.conv2, self.conv3):
            conv.activation = "relu"

    def forward(self, x: Tensor) -> Tensor:
        """As the base class; overwrites `x` if there is no `downsample`."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.conv3.added_to(shortcut, self.conv2(self.conv1(x)))


class PackedBasicBlock(BasicBlock):
    """The residual block of `compact`."""

    conv1: Any
    conv2: Any

    def fuse(self) -> None:
        """Make the activations part of the packed layers."""
        for conv in (self.conv1, self.conv2):
            conv.activation = "relu"

    def forward(self, x: Tensor) -> Tensor:
        """As the base class; overwrites `x` if the shortcut is the identity."""
        return self.conv2.added_to(self.shortcut(x), self.conv1(x))


class PackedInvertedResidual(InvertedResidual):
    """The block of EfficientNet-Lite."""

    project: Any

    def forward(self, x: Tensor) -> Tensor:
        """As the base class; overwrites `x` if it is added to the result."""
        inner = self.depthwise(self.expand(x))
        return self.project.added_to(x, inner) if self.residual else self.project(inner)


class PackedPyramid(FeaturePyramidNetwork):
    """Torchvision's feature pyramid."""

    def forward(self, x: dict[str, Tensor]) -> dict[str, Tensor]:
        """As the base class."""
        maps = list(x.values())
        merged = [self.inner_blocks[-1](maps[-1])]
        for block, each in zip(reversed(self.inner_blocks[:-1]), reversed(maps[:-1]), strict=True):
            up = F.interpolate(merged[0], size=each.shape[-2:])
            merged.insert(0, block[0].added_to(up, each))
        levels = [block(each) for block, each in zip(self.layer_blocks, merged, strict=True)]
        levels, names = self.extra_blocks(levels, maps, list(x))
        return OrderedDict(zip(names, levels, strict=True))


class FlatCells(nn.Flatten):
    """(N, C, M, M) -> (N, M * M * C), without a copy if channels last."""

    def forward(self, x: Tensor) -> Tensor:
        """As described above."""
        return x.permute(0, 2, 3, 1).flatten(1)


class PackedMLPHead(TwoMLPHead):
    """Torchvision's box head."""

    def fuse(self) -> None:
        """Make the activations part of the packed layers."""
        for layer in (self.fc6, self.fc7):
            layer.activation = "relu"

    def forward(self, x: Tensor) -> Tensor:
        """As the base class."""
        flat = x.permute(0, 2, 3, 1).flatten(1) if x.dim() == 4 else x
        return self.fc7(self.fc6(flat))


class PackedMaskPredictor(nn.Module):
    """The masks of each detection for its own class, from any of the mask predictors.

    A transposed 2x2 convolution of stride 2 is a dense layer on each cell.

    Args:
        predictor: Torchvision's, or that of `compact`.
        dtype: Type of the computation.
    """

    def __init__(self, predictor: MaskRCNNPredictor | DenseMaskPredictor, dtype: torch.dtype):
        super().__init__()
        if isinstance(predictor, DenseMaskPredictor):
            up, last = predictor.upsample, predictor.logits
            weight, bias = up.weight, up.bias
        else:
            up, last = predictor.conv5_mask, predictor.mask_fcn_logits
            weight, bias = up.weight.permute(2, 3, 1, 0).flatten(0, 2), up.bias.repeat(4)
        self.upsample = PackedLinear(weight, bias, dtype, "relu")
        self.weight = last.weight.detach().flatten(1).to(dtype)  # [outputs,C]
        self.bias = last.bias.detach()

    def forward(self, x: Tensor, outputs: Tensor) -> Tensor:
        """(N, C, M, M) and the output of each -> (N, 2M, 2M) float32 logits."""
        count, _, side, _ = x.shape
        if len(self.bias) == 1:  # which all classes share
            outputs = torch.zeros_like(outputs)
        weight = self.weight[outputs][:, :, None]  # [N,C,1]
        cells = self.upsample(x.permute(0, 2, 3, 1)).view(count, -1, weight.shape[1])
        logits = (cells @ weight).float() + self.bias[outputs][:, None, None]  # [N,M*M*4,1]
        doubled = logits.view(count, side, side, 2, 2).transpose(2, 3)
        return doubled.reshape(count, 2 * side, 2 * side)


FUSING = (PackedBottleneck, PackedBasicBlock, PackedMLPHead)
BLOCKS: Layers = {
    QuickBottleneck: PackedBottleneck,
    BasicBlock: PackedBasicBlock,
    InvertedResidual: PackedInvertedResidual,
    FeaturePyramidNetwork: PackedPyramid,
    TwoMLPHead: PackedMLPHead,
}
