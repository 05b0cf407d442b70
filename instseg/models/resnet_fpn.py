"""Torchvision's Mask R-CNNs with a ResNet-50 and a feature pyramid."""

from __future__ import annotations

from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn_v2
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.ops import FrozenBatchNorm2d

from instseg.models.shared_mask import share_masks


def resnet50_fpn(num_classes: int, *, class_agnostic_mask: bool = False) -> GeneralizedRCNN:
    """Torchvision's `maskrcnn_resnet50_fpn`, as it is built with its COCO weights.

    Its BatchNorm is frozen with eps 0, which is not part of the state dict: with `weights=None`,
    torchvision's builder gives trainable BatchNorm and other results.
    """
    backbone = resnet_fpn_backbone(
        backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=3
    )
    model = MaskRCNN(backbone, num_classes)
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = 0.0
    return share_masks(model, num_classes) if class_agnostic_mask else model


def resnet50_fpn_v2(num_classes: int, *, class_agnostic_mask: bool = False) -> GeneralizedRCNN:
    """Torchvision's `maskrcnn_resnet50_fpn_v2`: trainable BatchNorm, deeper heads."""
    model = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=num_classes)
    return share_masks(model, num_classes) if class_agnostic_mask else model
