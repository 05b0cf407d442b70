"""Mask R-CNN as a task: batches in, torchvision's five losses out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.image_list import ImageList

from instseg.models.quick import with_layers
from instseg.training.box_supervision import with_photos
from instseg.training.crowds import Target, scale_crowds
from instseg.training.layers import TRAINING_LAYERS
from instseg.training.point_supervision import scale_points
from instseg.training.scope import (
    backbone_weights,
    freeze_batch_norms,
    rest_frozen_norms,
    train_only,
)


@dataclass
class Detection:
    """A Mask R-CNN in training.

    Args:
        network: Any torchvision R-CNN with masks. Its weights are trained; its layers do not
            change, because losses are computed by `TRAINING_LAYERS` that share its weights.
        resize: Resize images to the network's input size. Otherwise they are not resized, and must
            have equal sizes within a batch.
        frozen_norms: Freeze BatchNorm: neither its weights nor its statistics change.
        pairwise: Returns the current weight of BoxInst's pairwise loss, 0..1; objects with neither
            a mask nor points then train masks by their boxes. None: they train no masks.
    """

    network: GeneralizedRCNN
    resize: bool = False
    frozen_norms: bool = False
    pairwise: Callable[[], float] | None = None

    def enter_stage(self, scope: str) -> None:
        """Training mode, in which only the layers of the scope are trained."""
        self.network.train()
        train_only(self.network, scope)
        rest_frozen_norms(self.network)
        if self.frozen_norms:
            freeze_batch_norms(self.network)

    def backbone_weights(self) -> list[nn.Parameter]:
        """The weights of the backbone's stages."""
        return backbone_weights(self.network)

    def for_validation(self, network: GeneralizedRCNN) -> Detection:
        """The same task with another network, on images at its inference size."""
        return replace(self, network=network, resize=True)

    def losses(self, images: list[Tensor], targets: list[Target]) -> dict[str, Tensor]:
        """Losses of one batch, in training mode.

        Args:
            images: Each uint8 (3, H, W), on the CPU.
            targets: As `to_sample` returns them.

        Returns:
            Scalars by torchvision's names.
        """
        batch, moved = self.to_batch(images, targets)
        if self.pairwise is not None:
            mean, std = self.network.transform.image_mean, self.network.transform.image_std
            moved = with_photos(moved, batch, mean, std, self.pairwise())
        network = with_layers(self.network, TRAINING_LAYERS)
        features = network.backbone(batch.tensors)
        proposals, proposal_losses = network.rpn(batch, features, moved)
        _, head_losses = network.roi_heads(features, proposals, batch.image_sizes, moved)
        return {**proposal_losses, **head_losses}

    def to_batch(
        self, images: list[Tensor], targets: list[Target]
    ) -> tuple[ImageList, list[Target]]:
        """Normalise images, resize them with their targets if requested, and move both."""
        device = next(self.network.parameters()).device
        sizes = [(image.shape[-2], image.shape[-1]) for image in images]
        scaled = [image.to(device).float() / 255 for image in images]
        moved = [{k: v.to(device) for k, v in target.items()} for target in targets]
        if not self.resize:
            return ImageList(self.network.transform.normalize(torch.stack(scaled)), sizes), moved
        masks = [target.pop("masks") for target in moved]  # torchvision only resizes dense masks
        batch, resized = self.network.transform(scaled, moved)
        moved = scale_crowds(resized or [], sizes, batch.image_sizes)
        moved = scale_points(moved, sizes, batch.image_sizes)
        for target, each, size_hw in zip(moved, masks, batch.image_sizes, strict=True):
            target["masks"] = each.resized(size_hw)
        return batch, moved
