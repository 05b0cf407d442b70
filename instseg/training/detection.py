"""Mask R-CNN as a task: batches in, torchvision's five losses out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.image_list import ImageList

from instseg.models.quick import quicken
from instseg.training.crowds import ignore_crowds, scale_crowds
from instseg.training.scope import freeze_batch_norms, train_only


@dataclass
class Detection:
    """A Mask R-CNN in training.

    Args:
        network: Any torchvision R-CNN with masks; changed in place to heed crowds and be quick.
        resize: Resize images to the network's input size; else they are taken as they are, and
            must be of one size within a batch.
        frozen_norms: Keep the batch norms as they are.
    """

    network: GeneralizedRCNN
    resize: bool = False
    frozen_norms: bool = False

    def __post_init__(self) -> None:
        ignore_crowds(quicken(self.network))

    def enter_stage(self, scope: str) -> None:
        """Training mode, in which only the part of `SCOPES` learns, norms included."""
        self.network.train()
        train_only(self.network, scope)
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
                module.eval()
        if self.frozen_norms:
            freeze_batch_norms(self.network)

    def losses(self, images: list[Tensor], targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Losses of one batch, in training mode.

        Args:
            images: uint8 (3, H, W) each, on the CPU.
            targets: As `to_sample` gives them.

        Returns:
            Scalars by torchvision's names.
        """
        batch, moved = self.to_batch(images, targets)
        features = self.network.backbone(batch.tensors)
        proposals, proposal_losses = self.network.rpn(batch, features, moved)
        _, head_losses = self.network.roi_heads(features, proposals, batch.image_sizes, moved)
        return {**proposal_losses, **head_losses}

    def to_batch(
        self, images: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[ImageList, list[dict[str, Tensor]]]:
        """Normalise images, resize them with their targets if asked to, and move all of it."""
        device = next(self.network.parameters()).device
        sizes = [(image.shape[-2], image.shape[-1]) for image in images]
        scaled = [image.to(device).float() / 255 for image in images]
        moved = [{k: v.to(device) for k, v in target.items()} for target in targets]
        if self.resize:
            batch, resized = self.network.transform(scaled, moved)
            moved = scale_crowds(resized or [], sizes, batch.image_sizes)
        else:
            batch = ImageList(self.network.transform.normalize(torch.stack(scaled)), sizes)
        return batch, moved
