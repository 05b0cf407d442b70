"""Semantic networks of other libraries, adapted to images of any size."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import segmentation

from instseg.core.errors import InputError
from instseg.models.unet import pad_to_multiple

TORCHVISION: dict[str, Callable[..., nn.Module]] = {
    "fcn_resnet50": segmentation.fcn_resnet50,
    "deeplabv3_resnet50": segmentation.deeplabv3_resnet50,
    "deeplabv3_mobilenet_v3_large": segmentation.deeplabv3_mobilenet_v3_large,
}
TORCHVISION_WEIGHTS = {"none": None, "imagenet": "IMAGENET1K_V1"}  # as its own recipes start
SMP = (
    *("Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet"),
    *("DeepLabV3", "DeepLabV3Plus", "UPerNet", "Segformer"),
)
SMP_PREFIX = "smp:"
SMP_MULTIPLE = 32  # suits the strides of all its encoders


class AnySize(nn.Module):
    """A library's network, adapted to images of any size and to return only logits.

    Args:
        network: (B, C, H, W) to logits of that size, or to a dict that holds them as `out`.
        multiple: H and W must be multiples of this.
    """

    def __init__(self, network: nn.Module, multiple: int) -> None:
        super().__init__()
        self.network = network
        self.multiple = multiple

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> logits (B, K, H, W)."""
        if self.training and len(images) == 1:  # BatchNorm after global pooling needs two values
            return self(images.expand(2, -1, -1, -1))[:1]
        height, width = images.shape[-2:]
        found = self.network(pad_to_multiple(images, self.multiple))
        logits = found["out"] if isinstance(found, dict) else found
        return logits[..., :height, :width]


def check_torchvision(name: str, encoder_weights: str) -> None:
    """Raise InputError unless torchvision has such weights; nothing is built or downloaded."""
    if encoder_weights not in TORCHVISION_WEIGHTS:
        known = ", ".join(TORCHVISION_WEIGHTS)
        raise InputError(f"{name}: encoder weights {encoder_weights!r} are none of {known}")


def torchvision_network(
    name: str, encoder_weights: str, *, num_classes: int, in_channels: int
) -> AnySize:
    """A semantic network of torchvision, without its auxiliary head.

    Raises:
        InputError: for other than 3 channels, or weights that are not available.
    """
    check_torchvision(name, encoder_weights)
    if in_channels != 3:
        raise InputError(f"{name} takes 3 channels, not {in_channels}; use a U-Net or an smp: name")
    weights = TORCHVISION_WEIGHTS[encoder_weights]
    try:
        network = TORCHVISION[name](
            weights=None, weights_backbone=weights, num_classes=num_classes, aux_loss=False
        )
    except (OSError, RuntimeError) as error:  # no connection, or a download cut off
        raise cannot_build(name, encoder_weights, error) from error
    return AnySize(network, 1)


def check_smp(name: str, encoder_weights: str) -> tuple[str, str]:
    """The network and the encoder of `smp:NAME:ENCODER`; nothing is built or downloaded.

    Raises:
        InputError: for an unknown name, or without the library.
    """
    smp = imported_smp(name)
    _, kind, encoder = (*name.split(":", 2), "")[:3]
    if kind not in SMP or not encoder:
        raise InputError(
            f"{name}: expected smp:NAME:ENCODER, such as smp:FPN:resnet34; "
            f"the names are {', '.join(SMP)}"
        )
    if encoder.startswith("tu-"):  # timm's
        known = importlib.import_module("timm").is_model(encoder.removeprefix("tu-"))
    else:
        known = encoder in smp.encoders.get_encoder_names()
    if not known:
        raise cannot_build(name, encoder_weights, f"unknown encoder `{encoder}`")
    return kind, encoder


def smp_network(
    name: str, encoder_weights: str, *, num_classes: int, in_channels: int, **options: Any
) -> AnySize:
    """A network of segmentation-models-pytorch, by `smp:NAME:ENCODER`."""
    kind, encoder = check_smp(name, encoder_weights)
    wanted: Any = None if encoder_weights == "none" else encoder_weights
    if wanted and encoder.startswith("tu-"):  # timm's encoders have their weights in their names
        wanted = True
    try:
        network = getattr(imported_smp(name), kind)(
            encoder, encoder_weights=wanted, in_channels=in_channels, classes=num_classes, **options
        )
        with torch.no_grad():  # some encoders take one size only, and fail with another
            network.eval()(torch.zeros(1, in_channels, 2 * SMP_MULTIPLE, 2 * SMP_MULTIPLE))
    except Exception as error:  # it raises all kinds for names, combinations and connections
        raise cannot_build(name, encoder_weights, error) from error
    return AnySize(network, SMP_MULTIPLE)


def imported_smp(name: str) -> Any:
    """The library segmentation-models-pytorch, which `name` needs."""
    try:
        return importlib.import_module("segmentation_models_pytorch")
    except ImportError as error:
        raise InputError(
            f'{name} needs segmentation-models-pytorch: pip install "instseg[semantic]"'
        ) from error


def cannot_build(name: str, encoder_weights: str, error: object) -> InputError:
    """The error message for a network that a library cannot build, in one line."""
    reason = textwrap.shorten(str(error).strip("\"'"), 160)
    return InputError(
        f"{name} with encoder weights {encoder_weights!r} cannot be built ({reason}); "
        "check the names" + (", or use encoder weights none" if encoder_weights != "none" else "")
    )
