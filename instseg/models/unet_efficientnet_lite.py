"""`unet_efficientnet_lite0`: a semantic network for photos, pretrained and quick on any processor.

A U-Net (Ronneberger et al. 2015) whose encoder is EfficientNet-Lite0 with the last features that
ImageNet's classifier sees, and whose decoder adds the encoder's maps as a feature pyramid does (Lin
et al. 2017), down to stride 4. The last features also vote for classes directly, and the decoder
refines these logits: few channels would lose what tells many classes apart.
"""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from instseg.core.errors import InputError
from instseg.files.model_file import load_model_file, read_model_card
from instseg.files.weights import NAMED, locate
from instseg.models import compact
from instseg.models.efficientnet_lite import WIDTHS, ConvNorm, EfficientNetLite
from instseg.models.efficientnet_lite_fpn import IMAGENET_CHANNELS
from instseg.models.imagenet import imagenet_file, load_imagenet
from instseg.models.unet import pad_to_multiple

NAME = "unet_efficientnet_lite0"
SAME_BACKBONE = ("efficientnet_lite0_fpn", NAME)  # their tensors have the same names
DECODER_WIDTHS = (96, 96, 64)  # at the strides 16, 8 and 4
MULTIPLE = 32


class EfficientNetLiteEncoder(nn.Module):
    """EfficientNet-Lite0 without its classifier; tensors are named as in `EfficientNetLiteFPN`."""

    def __init__(self) -> None:
        super().__init__()
        self.body = EfficientNetLite()
        self.head = ConvNorm(WIDTHS[-1], IMAGENET_CHANNELS)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, 3, H, W) -> maps at the strides 4, 8, 16 and 32, the last of 1280 channels."""
        *finer, last = self.body(x)
        return [*finer, self.head(last)]


class EfficientNetLiteUNet(nn.Module):
    """The encoder, and a decoder from stride 32 to stride 4.

    Args:
        num_classes: Outputs, background included.

    Attributes:
        stride: The stride of `coarse`.
    """

    stride = 4

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.backbone = EfficientNetLiteEncoder()
        self.classes = nn.Conv2d(IMAGENET_CHANNELS, num_classes, 1)
        self.context = compact.ConvNorm(IMAGENET_CHANNELS, DECODER_WIDTHS[0], 1)
        inputs = (DECODER_WIDTHS[0], *DECODER_WIDTHS[:-1])
        self.reduce = nn.ModuleList(map(_pointwise, inputs, DECODER_WIDTHS))
        self.lateral = nn.ModuleList(map(_pointwise, WIDTHS[2::-1], DECODER_WIDTHS))
        self.smooth = nn.ModuleList(map(compact.ConvNorm, DECODER_WIDTHS, DECODER_WIDTHS))
        self.logits = nn.Conv2d(DECODER_WIDTHS[-1], num_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) of any size -> logits (B, K, H, W)."""
        height, width = images.shape[-2:]
        logits = F.interpolate(self.coarse(images), scale_factor=self.stride, mode="bilinear")
        return logits[..., :height, :width]

    def coarse(self, images: Tensor) -> Tensor:
        """Logits at stride 4, for losses: at full resolution they take longer than the network.

        Args:
            images: (B, 3, H, W) of any size.

        Returns:
            (B, K, h, w). Cell (y, x) belongs to the square of 4 x 4 pixels from (4 y, 4 x); beyond
            the image, its border is repeated to a multiple of 32 pixels.
        """
        *finer, x = self.backbone(pad_to_multiple(images, MULTIPLE))
        x = x + x.mean((2, 3), keepdim=True)  # what the whole photo shows
        classes = self.classes(x)
        x = F.relu(self.context(x))
        layers = zip(self.reduce, self.lateral, self.smooth, finer[::-1], strict=True)
        for reduce, lateral, smooth, skip in layers:
            up = F.interpolate(reduce(x), scale_factor=2, mode="bilinear")
            x = F.relu(smooth(lateral(skip) + up))
        return self.logits(x) + F.interpolate(classes, size=x.shape[-2:], mode="bilinear")


def _pointwise(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 1)


def unet_efficientnet_lite0(
    encoder_weights: str, *, num_classes: int, in_channels: int
) -> EfficientNetLiteUNet:
    """Build the network.

    Args:
        encoder_weights: `none`, `imagenet`, or a model file or name, see `check_encoder_weights`.
        num_classes: Outputs, background included.
        in_channels: 3.

    Raises:
        InputError: for other than 3 channels, or weights that are not available.
    """
    if in_channels != 3:
        raise InputError(f"{NAME} takes 3 channels, not {in_channels}; use a U-Net or an smp: name")
    path = check_encoder_weights(encoder_weights)
    network = EfficientNetLiteUNet(num_classes)
    if encoder_weights == "imagenet":
        load_imagenet(network)
    elif path is not None:
        _, state = load_model_file(path)
        own = {name: state.get(f"backbone.{name}") for name in network.backbone.state_dict()}
        try:
            network.backbone.load_state_dict(own)
        except (AttributeError, RuntimeError) as error:
            raise InputError(f"{path}: does not hold EfficientNet-Lite0; save it again") from error
    return network


def check_encoder_weights(encoder_weights: str) -> Path | None:
    """The file of weights of the encoder, None for `none`; no tensor is read.

    Args:
        encoder_weights: `none`, `imagenet`, or the name or path of a model file with this encoder:
            of an `efficientnet_lite0_fpn` or of such a network.

    Raises:
        InputError: The file is missing or of another architecture, or the package with ImageNet's
            weights is not installed.
    """
    if encoder_weights == "none":
        return None
    if encoder_weights == "imagenet":
        return imagenet_file()
    named = NAMED.get(encoder_weights)
    if named:  # before anything is downloaded
        _check_backbone(encoder_weights, named.architecture)
    try:
        path = locate(encoder_weights)
        card = read_model_card(path)
    except InputError as error:
        raise InputError(
            f"{NAME}: encoder weights are none, imagenet, or a model file of "
            f"{SAME_BACKBONE[0]}; {error}"
        ) from error
    _check_backbone(encoder_weights, card.architecture)
    return path


def _check_backbone(weights: str, architecture: str) -> None:
    if architecture not in SAME_BACKBONE:
        raise InputError(
            f"{weights} holds {architecture}, whose backbone is another; {NAME} takes encoder "
            f"weights none, imagenet, or a model file of {SAME_BACKBONE[0]}"
        )
