"""The U-Net of Ronneberger et al. (MICCAI 2015), for images of any size.

Convolutions are padded, so that the logits cover the whole image; the paper's own were not and
covered only its centre. One class with a few arguments gives the networks of the literature:

================ =========== ============================ ========== ===========
preset           widths      beside two 3x3 convolutions  channels   parameters
================ =========== ============================ ========== ===========
`unet_small`     16 to 128   batch norm                   1          482,483
`unet_dropout`   32 to 512   dropout 0.2 where deepest    3          7,760,163
`unet_64`        64 to 1024  batch norm                   3          31,037,763
================ =========== ============================ ========== ===========

Parameters are counted for three classes, background included.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DEEPEST = 2  # blocks that have dropout


class UNet(nn.Module):
    """An encoder that halves the resolution step by step, and a decoder that doubles it back.

    Args:
        num_classes: Outputs, background included.
        in_channels: Channels of the image.
        widths: Channels at each resolution, the full one first.
        norm: BatchNorm after each 3x3 convolution; without it they have biases.
        dropout: Share of the values that is dropped after each of the encoder's two deepest blocks.
        skips: Skip connections: each block of the decoder also gets the encoder's features of its
            resolution.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 3,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
        norm: bool = True,
        dropout: float = 0.0,
        skips: bool = True,
    ) -> None:
        super().__init__()
        self.skips = skips
        inputs = [in_channels, *widths]
        first_dropped = len(widths) - DEEPEST
        self.encoder = nn.ModuleList(
            block(inputs[i], width, norm, dropout if i >= first_dropped else 0.0)
            for i, width in enumerate(widths)
        )
        upwards = list(zip(widths[:0:-1], widths[-2::-1], strict=True))  # [(1024, 512), ...]
        self.upsample = nn.ModuleList(nn.ConvTranspose2d(low, high, 2, 2) for low, high in upwards)
        self.decoder = nn.ModuleList(
            block(2 * high if skips else high, high, norm) for _, high in upwards
        )
        self.head = nn.Conv2d(widths[0], num_classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module is not self.head:
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")  # the paper's own

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) of any size -> logits (B, K, H, W)."""
        height, width = images.shape[-2:]
        x = self.encoder[0](pad_to_multiple(images, 2 ** len(self.upsample)))
        seen = [x]
        for encode in self.encoder[1:]:
            x = encode(F.max_pool2d(x, 2))
            seen.append(x)
        for upsample, decode, skip in zip(self.upsample, self.decoder, seen[-2::-1], strict=True):
            x = upsample(x)
            x = decode(torch.cat([skip, x], dim=1) if self.skips else x)
        return self.head(x)[..., :height, :width]


def block(in_channels: int, out_channels: int, norm: bool, dropout: float = 0.0) -> nn.Sequential:
    """Two 3x3 convolutions, each followed by BatchNorm (if `norm`) and ReLU; then dropout."""
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers.append(nn.Conv2d(channels, out_channels, 3, padding=1, bias=not norm))
        if norm:
            layers.append(nn.BatchNorm2d(out_channels))
        layers.append(nn.ReLU(inplace=True))
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until both sides are multiples.

    At least two: BatchNorm cannot train on one image of a single cell at the lowest resolution.
    """
    height, width = images.shape[-2:]
    down, right = (max(-(-side // multiple), 2) * multiple - side for side in (height, width))
    return F.pad(images, (0, right, 0, down), mode="replicate") if down or right else images


def unet_small(num_classes: int, in_channels: int = 1, skips: bool = True) -> UNet:
    """Widths 16 to 128 with BatchNorm: quick on any processor; by default for one channel."""
    return UNet(num_classes, in_channels, (16, 32, 64, 128), skips=skips)


def unet_dropout(num_classes: int, in_channels: int = 3, skips: bool = True) -> UNet:
    """Widths 32 to 512 without BatchNorm, dropout 0.2 after the two deepest blocks."""
    widths = (32, 64, 128, 256, 512)
    return UNet(num_classes, in_channels, widths, norm=False, dropout=0.2, skips=skips)


def unet_64(num_classes: int, in_channels: int = 3, skips: bool = True) -> UNet:
    """The paper's widths 64 to 1024, with BatchNorm."""
    return UNet(num_classes, in_channels, skips=skips)
