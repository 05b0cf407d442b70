"""`compact`: a Mask R-CNN small enough for the repository, and quick on any processor.

A ResNet of basic blocks (He et al. 2016) with a feature pyramid (Lin et al. 2017) on strides 8 to
64, for images of about 320 px. Masks are predicted from a separate feature map at stride 4, where
thin parts are still visible.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from instseg.models.quick import conv_then_norm
from instseg.models.roi_align import PyramidRoIAlign

LEVELS = ("p3", "p4", "p5", "p6")  # strides 8, 16, 32, 64
MASK_LEVEL = "mask"  # stride 4, only for masks
ANCHOR_PX = ((16, 26), (40, 60), (84, 120), (168, 240))
ASPECT_RATIOS = (0.5, 1.0, 2.0)
BN_MOMENTUM = 0.03


class ConvNorm(nn.Sequential):
    """A convolution without bias, followed by BatchNorm."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1):
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(out_channels, momentum=BN_MOMENTUM),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride)."""
        conv, norm = self
        return conv_then_norm(conv, norm, x)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = ConvNorm(in_channels, out_channels, 3, stride)
        self.conv2 = ConvNorm(out_channels, out_channels)
        same = in_channels == out_channels and stride == 1
        self.shortcut = nn.Identity() if same else ConvNorm(in_channels, out_channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H / stride, W / stride)."""
        inner = F.relu(self.conv1(x), inplace=True)
        return F.relu(self.conv2(inner) + self.shortcut(x), inplace=True)


class PyramidBackbone(nn.Module):
    """A trunk with a feature pyramid on strides 8 to 64, and a map at stride 4 for masks.

    Subclasses build their trunk, then call `add_pyramid`.

    Attributes:
        out_channels: Channels of the pyramid's levels.
    """

    def add_pyramid(self, widths: Sequence[int], channels: int, mask_channels: int) -> None:
        """Add the layers of the pyramid.

        Args:
            widths: Channels of the trunk's maps at strides 4, 8, 16 and 32.
            channels: Channels of the pyramid's levels.
            mask_channels: Channels of the stride-4 map for masks.
        """
        self.out_channels = channels
        self.lateral = nn.ModuleList(nn.Conv2d(c, channels, 1) for c in widths[1:])
        self.smooth = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3))
        self.mask_lateral = nn.Conv2d(widths[0], mask_channels, 1)
        self.mask_reduce = nn.Conv2d(channels, mask_channels, 1)

    def pyramid(self, stages: Sequence[Tensor]) -> dict[str, Tensor]:
        """The trunk's maps at strides 4 to 32 -> those named in `LEVELS` and `MASK_LEVEL`."""
        merged = [self.lateral[2](stages[3])]
        for i in (1, 0):
            up = F.interpolate(merged[0], size=stages[i + 1].shape[-2:])
            merged.insert(0, self.lateral[i](stages[i + 1]) + up)
        levels = [smooth(m) for smooth, m in zip(self.smooth, merged, strict=True)]
        levels.append(F.max_pool2d(levels[-1], 1, 2))
        out = OrderedDict(zip(LEVELS, levels, strict=True))
        up = F.interpolate(self.mask_reduce(levels[0]), size=stages[0].shape[-2:])
        out[MASK_LEVEL] = self.mask_lateral(stages[0]) + up
        return out


class CompactBackbone(PyramidBackbone):
    """A trunk of basic blocks and its feature pyramid.

    Args:
        width: Channels at stride 4; doubled at each further stage.
        channels: Channels of the pyramid's levels.
        mask_channels: Channels of the stride-4 map for masks.
    """

    def __init__(self, width: int = 32, channels: int = 96, mask_channels: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            ConvNorm(3, width // 2, stride=2),
            nn.ReLU(inplace=True),
            ConvNorm(width // 2, width, stride=2),
            nn.ReLU(inplace=True),
        )
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.stages = nn.ModuleList(
            nn.Sequential(
                BasicBlock(widths[i], widths[i + 1], 1 if i == 0 else 2),
                BasicBlock(widths[i + 1], widths[i + 1]),
            )
            for i in range(4)
        )
        self.add_pyramid(widths[1:], channels, mask_channels)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> the maps named in `LEVELS` and `MASK_LEVEL`."""
        x = self.stem(x)
        stages = []
        for stage in self.stages:
            x = stage(x)
            stages.append(x)
        return self.pyramid(stages)


class DenseMaskPredictor(nn.Module):
    """Doubles the resolution and gives one mask logit for each class, or one for all.

    A 2x2 transposed convolution of stride 2 is a dense layer on each cell: as matrix products it
    trains three times faster on a CPU.
    """

    def __init__(self, channels: int, num_classes: int, *, class_agnostic: bool = False) -> None:
        super().__init__()
        self.channels = channels
        self.num_classes = num_classes
        self.upsample = nn.Linear(channels, 4 * channels)
        self.logits = nn.Linear(channels, 1 if class_agnostic else num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, M, M) -> (N, num_classes, 2M, 2M) logits; a view if all classes share one."""
        return self.masks(x).expand(-1, self.num_classes, -1, -1)

    def masks(self, x: Tensor) -> Tensor:
        """(N, C, M, M) -> (N, 1 or num_classes, 2M, 2M) logits."""
        cells = F.relu(self.upsample(x.permute(0, 2, 3, 1)), inplace=True)  # [N,M,M,4C]
        n, m = cells.shape[:2]
        logits = self.logits(cells.view(n, m, m, 2, 2, self.channels))  # [N,M,M,2,2,K]
        return logits.permute(0, 5, 1, 3, 2, 4).reshape(n, logits.shape[-1], 2 * m, 2 * m)


class PyramidRPN(RegionProposalNetwork):
    """Region proposals from the pyramid, without the map for masks."""

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """As the base class, without `MASK_LEVEL`."""
        return super().forward(images, {name: features[name] for name in LEVELS}, targets)


def compact(
    num_classes: int,
    *,
    width: int = 32,
    channels: int = 96,
    mask_channels: int = 64,
    head_channels: int = 256,
    mask_head: tuple[int, ...] = (64, 64, 64),
    class_agnostic_mask: bool = False,
) -> GeneralizedRCNN:
    """Build the network with fresh weights.

    Args:
        num_classes: Outputs, background included.
        width: Channels of the trunk at stride 4.
        channels: Channels of the pyramid.
        mask_channels: Channels of the stride-4 map for masks.
        head_channels: Width of the box head's two dense layers.
        mask_head: Channels of the mask head's convolutions.
        class_agnostic_mask: Predict one mask for all classes.

    Returns:
        A torchvision detection model: lists of (3, H, W) images in, dicts out.
    """
    return pyramid_rcnn(
        CompactBackbone(width, channels, mask_channels),
        pyramid_rpn(channels),
        box_roi_pool=PyramidRoIAlign(LEVELS[:3], 7, finest_stride=8, finest_px=48),
        box_head=TwoMLPHead(channels * 7 * 7, head_channels),
        box_predictor=FastRCNNPredictor(head_channels, num_classes),
        mask_head=MaskRCNNHeads(mask_channels, mask_head, 1),
        mask_predictor=DenseMaskPredictor(
            mask_head[-1], num_classes, class_agnostic=class_agnostic_mask
        ),
    )


def pyramid_rpn(
    channels: int,
    *,
    anchor_px: tuple[tuple[int, ...], ...] = ANCHOR_PX,
    head: type[RPNHead] = RPNHead,
    training_proposals: tuple[int, int] = (400, 300),
) -> PyramidRPN:
    """The proposal network of such a pyramid.

    Args:
        channels: Channels of the pyramid's levels.
        anchor_px: Sizes of the anchors on each level.
        head: Its head.
        training_proposals: In training, proposals of each level before their suppression, and of
            the image after it.
    """
    anchors = AnchorGenerator(anchor_px, (ASPECT_RATIOS,) * len(anchor_px))
    before, after = training_proposals
    return PyramidRPN(
        anchors,
        head(channels, anchors.num_anchors_per_location()[0]),
        fg_iou_thresh=0.6,
        bg_iou_thresh=0.3,
        batch_size_per_image=128,
        positive_fraction=0.5,
        pre_nms_top_n={"training": before, "testing": 500},
        post_nms_top_n={"training": after, "testing": 300},
        nms_thresh=0.7,
    )


def pyramid_rcnn(
    backbone: PyramidBackbone, rpn: PyramidRPN, *, nms_thresh: float = 0.5, **heads: nn.Module
) -> GeneralizedRCNN:
    """A Mask R-CNN of such a backbone, for images of about 320 px.

    Args:
        backbone: The backbone.
        rpn: The proposal network.
        nms_thresh: IoU above which the lower-scoring of two detections of a class is dropped.
        heads: `box_roi_pool`, `box_head`, `box_predictor`, `mask_head` and `mask_predictor` of
            torchvision's `RoIHeads`.
    """
    roi_heads = RoIHeads(
        fg_iou_thresh=0.5,
        bg_iou_thresh=0.5,
        batch_size_per_image=64,
        positive_fraction=0.25,
        bbox_reg_weights=None,
        score_thresh=0.05,
        nms_thresh=nms_thresh,
        detections_per_img=100,
        mask_roi_pool=PyramidRoIAlign((MASK_LEVEL,), 14, finest_stride=4),
        **heads,
    )
    transform = GeneralizedRCNNTransform(320, 544, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    return GeneralizedRCNN(backbone, rpn, roi_heads, transform)
