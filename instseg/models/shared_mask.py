"""A mask predictor with one channel for all classes, in torchvision's Mask R-CNNs."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor


class SharedMaskPredictor(MaskRCNNPredictor):
    """Torchvision's mask predictor with one logit for all classes (class-agnostic).

    Args:
        in_channels: Channels of its input.
        hidden: Channels at double resolution.
        num_classes: Outputs, background included, that share the logit.
    """

    def __init__(self, in_channels: int, hidden: int, num_classes: int) -> None:
        super().__init__(in_channels, hidden, 1)
        self.num_classes = num_classes

    def masks(self, x: Tensor) -> Tensor:
        """(N, C, M, M) -> (N, 1, 2M, 2M) logits."""
        return super().forward(x)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, M, M) -> (N, num_classes, 2M, 2M) logits, all equal: a view."""
        return self.masks(x).expand(-1, self.num_classes, -1, -1)


def share_masks(network: GeneralizedRCNN, num_classes: int) -> GeneralizedRCNN:
    """Replace torchvision's mask predictor by a shared one with fresh weights, in place."""
    hidden = network.roi_heads.mask_predictor.conv5_mask
    network.roi_heads.mask_predictor = SharedMaskPredictor(
        hidden.in_channels, hidden.out_channels, num_classes
    )
    return network


def mask_channels(predictor: nn.Module, x: Tensor) -> Tensor:
    """The mask logits that a predictor really computes.

    Args:
        predictor: Any mask predictor.
        x: (N, C, M, M).

    Returns:
        (N, 1, 2M, 2M) if all classes share a channel, else (N, num_classes, 2M, 2M).
    """
    found: Tensor = getattr(predictor, "masks", predictor)(x)
    return found
