"""`efficientnet_lite0_fpn`: a small Mask R-CNN for photos of about 320 px, quick on any processor.

The trunk is EfficientNet-Lite0, the pyramid that of `compact`. Two choices serve small datasets
of many classes: all classes share the regression of boxes; and the box head sees, besides the
pyramid's cells, the features by which the trunk tells ImageNet's classes apart, averaged over the
box and over the photo.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads
from torchvision.models.detection.rpn import RPNHead

from instseg.models.compact import (
    LEVELS,
    DenseMaskPredictor,
    PyramidBackbone,
    pyramid_rcnn,
    pyramid_rpn,
)
from instseg.models.efficientnet_lite import WIDTHS, ConvNorm, EfficientNetLite
from instseg.models.roi_align import PyramidRoIAlign, image_numbers, roi_align

CONTEXT = "context"  # stride 32, only for the box head
IMAGENET_CHANNELS = 1280  # of the features that ImageNet's classifier sees
CONTEXT_CHANNELS = 256
ANCHOR_PX = ((16, 28), (44, 68), (104, 156), (220, 330))


class EfficientNetLiteFPN(PyramidBackbone):
    """EfficientNet-Lite0, its feature pyramid, and the features that its classifier would see."""

    def __init__(self, channels: int, mask_channels: int) -> None:
        super().__init__()
        self.body = EfficientNetLite()
        self.head = ConvNorm(WIDTHS[-1], IMAGENET_CHANNELS)
        self.context = nn.Conv2d(IMAGENET_CHANNELS, CONTEXT_CHANNELS, 1)
        self.add_pyramid(WIDTHS, channels, mask_channels)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """(B, 3, H, W) -> the maps of the pyramid, of the masks and of the context."""
        stages = self.body(x)
        return {**self.pyramid(stages), CONTEXT: self.context(self.head(stages[-1]))}


class DenseRPNHead(RPNHead):
    """Torchvision's head with float32 outputs, for autocast.

    On maps as small as these, its ordinary backward pass is faster than that of `QuickRPNHead`.
    """

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """For each level logits (B, A, H, W) and deltas (B, 4 * A, H, W), float32."""
        logits, deltas = super().forward(x)
        return [each.float() for each in logits], [each.float() for each in deltas]


class ContextRoIAlign(PyramidRoIAlign):
    """Cells of the pyramid, then the mean context of the box, then that of the whole image."""

    def forward(
        self, features: dict[str, Tensor], boxes: list[Tensor], image_sizes: list[tuple[int, int]]
    ) -> Tensor:
        """As the base class -> (sum of N_i, C * bins * bins + 2 * context channels)."""
        cells = super().forward(features, boxes, image_sizes).flatten(1)
        context = features[CONTEXT]
        image_of = image_numbers(boxes)
        inside = roi_align(context, torch.cat(boxes), image_of, 1 / 32, 2).mean((2, 3))
        around = context.float().mean((2, 3))[image_of]
        return torch.cat([cells, inside, around], dim=1)


class ClassAgnosticBoxPredictor(FastRCNNPredictor):
    """Logits of each class, and one regression of the box for all classes."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C) -> (N, num_classes) logits and (N, 4 * num_classes) deltas."""
        logits = self.cls_score(x)
        return logits, self.bbox_pred(x).repeat(1, logits.shape[1])


def efficientnet_lite0_fpn(
    num_classes: int,
    *,
    channels: int = 96,
    mask_channels: int = 64,
    head_channels: int = 256,
    mask_head: tuple[int, ...] = (64, 64, 64),
    class_agnostic_mask: bool = False,
) -> GeneralizedRCNN:
    """Build the network with fresh weights.

    Args:
        num_classes: Outputs, background included.
        channels: Channels of the pyramid.
        mask_channels: Channels of the stride-4 map for masks.
        head_channels: Width of the box head's two dense layers.
        mask_head: Channels of the mask head's convolutions.
        class_agnostic_mask: Predict one mask for all classes.

    Returns:
        A torchvision detection model: lists of (3, H, W) images in, dicts out.
    """
    return pyramid_rcnn(
        EfficientNetLiteFPN(channels, mask_channels),
        pyramid_rpn(
            channels, anchor_px=ANCHOR_PX, head=DenseRPNHead, training_proposals=(200, 200)
        ),
        nms_thresh=0.4,  # fewer parts of large objects beside the whole, at the same AP
        box_roi_pool=ContextRoIAlign(LEVELS[:3], 7, finest_stride=8, finest_px=48),
        box_head=TwoMLPHead(channels * 7 * 7 + 2 * CONTEXT_CHANNELS, head_channels),
        box_predictor=ClassAgnosticBoxPredictor(head_channels, num_classes),
        mask_head=MaskRCNNHeads(mask_channels, mask_head, 1),
        mask_predictor=DenseMaskPredictor(
            mask_head[-1], num_classes, class_agnostic=class_agnostic_mask
        ),
    )
