"""A semantic network as one plain function of tensors, from a prepared image to its labels."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from instseg.engines.prepare import resize
from instseg.models.semantic_networks import AnySize
from instseg.models.unet import UNet
from instseg.models.unet_efficientnet_lite import MULTIPLE


class Label(nn.Module):
    """The network behind `PrepareForSegmenter`.

    Args:
        network: Normalised images (1, C, h, w) to logits (1, K, h, w).
        resizes: Whether images are resized for it.
    """

    def __init__(self, network: nn.Module, *, resizes: bool) -> None:
        super().__init__()
        self.network, self.resizes = network, resizes

    def forward(self, inputs: Tensor, resized: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        """Label the pixels of one image.

        Args:
            inputs: float32 (1, C, h', w'), normalised and padded.
            resized: int64 (2,), height and width without the padding.
            size: int64 (2,), height and width of the photo.

        Returns:
            Labels uint8 (H, W), and their probabilities float32 (H, W).
        """
        logits = self.network(inputs)[0]
        height, width = (cast(int, size[axis].item()) for axis in (0, 1))
        if self.resizes:
            cells = resize(logits.permute(1, 2, 0), resized, size, height, width)
        else:
            rows, columns = torch.arange(height), torch.arange(width)
            cells = logits[:, rows][:, :, columns].permute(1, 2, 0)
        highest, labels = cells.max(2)
        score = 1 / (cells - highest[..., None]).exp().sum(2)  # of the softmax
        return labels.to(torch.uint8), score


def multiple_of(network: nn.Module) -> int:
    """What the sides of the input must be multiples of, so that the network need not pad it."""
    if isinstance(network, UNet):
        return 2 ** len(network.upsample)
    return network.multiple if isinstance(network, AnySize) else MULTIPLE
