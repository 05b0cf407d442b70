"""The semantic networks by name, and how their model files are read and written."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import segmentation
from torchvision.transforms.v2.functional import rgb_to_grayscale

from instseg.core.errors import InputError
from instseg.files.model_file import ModelCard, load_model_file, save_model_file
from instseg.files.weights import NAMED, locate
from instseg.models.mask_rcnn import load_weights
from instseg.models.unet import UNet, pad_to_multiple, unet_64, unet_dropout, unet_small

UNETS: dict[str, Callable[..., UNet]] = {
    "unet": UNet,
    "unet_small": unet_small,
    "unet_dropout": unet_dropout,
    "unet_64": unet_64,
}
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
SMP_MULTIPLE = 32  # suits the strides of all its encoders

PREPROCESSING: dict[str, Any] = {
    "min_size": None,
    "max_size": None,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}
"""Photos at their own resolution, normalised as for ImageNet."""


class AnySize(nn.Module):
    """A library's network, made to take images of any size and to give nothing but logits.

    Args:
        network: (B, C, H, W) to logits of that size, or to a dict that holds them as `out`.
        multiple: Of what H and W must be.
    """

    def __init__(self, network: nn.Module, multiple: int) -> None:
        super().__init__()
        self.network = network
        self.multiple = multiple

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> logits (B, K, H, W)."""
        if self.training and len(images) == 1:  # a norm after global pooling needs two values
            return self(images.expand(2, -1, -1, -1))[:1]
        height, width = images.shape[-2:]
        found = self.network(pad_to_multiple(images, self.multiple))
        logits = found["out"] if isinstance(found, dict) else found
        return logits[..., :height, :width]


@dataclass(frozen=True, kw_only=True)
class SegmenterModel:
    """A semantic network and the card that describes it.

    Attributes:
        network: Normalised float32 images (B, C, H, W) of any size to logits (B, K, H, W).
        card: Architecture, classes, preprocessing: `mean` and `std` of each channel; `min_size` to
            which the shorter side is resized, None for none; `max_size` that the longer side may
            then have, None for any.
    """

    network: nn.Module
    card: ModelCard

    @property
    def in_channels(self) -> int:
        """Channels that the network sees."""
        return len(self.card.preprocessing["mean"])

    def normalise(self, images: Tensor) -> Tensor:
        """Make images what the network was trained on.

        Args:
            images: (..., C, H, W). uint8 counts as 0..1; numbers of every other type are taken as
                they are, and `mean` and `std` are in their units. RGB is made grey for a network
                of one channel.

        Returns:
            float32 (..., C, H, W).
        """
        pixels = images.float() / 255 if images.dtype == torch.uint8 else images.float()
        if self.in_channels == 1 and pixels.shape[-3] == 3:
            pixels = rgb_to_grayscale(pixels)
        prepare = self.card.preprocessing
        mean, std = (pixels.new_tensor(prepare[k])[:, None, None] for k in ("mean", "std"))
        return (pixels - mean) / std

    def input_size(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        """Height and width at which the network sees an image of this size."""
        min_size, max_size = (self.card.preprocessing[k] for k in ("min_size", "max_size"))
        scale = min_size / min(size_hw) if min_size else 1.0
        if max_size:
            scale = min(scale, max_size / max(size_hw))
        height, width = (max(round(side * scale), 1) for side in size_hw)
        return height, width

    def save(self, path: Path, dtype: torch.dtype | None = None) -> None:
        """Write a model file; `dtype` is how floating-point weights are stored."""
        save_model_file(path, self.network.state_dict(), self.card, dtype=dtype)


def is_segmenter(architecture: str) -> bool:
    """Whether this is the name of a semantic network, not of a Mask R-CNN."""
    return architecture in {*UNETS, *TORCHVISION} or architecture.startswith("smp:")


def fresh_segmenter(
    architecture: str,
    class_names: tuple[str, ...],
    category_ids: tuple[int, ...],
    *,
    encoder_weights: str = "none",
    preprocessing: Mapping[str, Any] = PREPROCESSING,
    **options: Any,
) -> SegmenterModel:
    """A network to be trained; random numbers come from torch's generator.

    Args:
        architecture: A key of `UNETS` or `TORCHVISION`, or `smp:NAME:ENCODER`, with a name of `SMP`
            and an encoder of segmentation-models-pytorch.
        class_names: Class id to name; the first is "BG".
        category_ids: Class id to the dataset's category id; the first is 0.
        encoder_weights: `none`, or weights that the library itself downloads: `imagenet`; for some
            encoders of segmentation-models-pytorch others too.
        preprocessing: As the card holds it; the number of channels is that of `mean`.
        options: Further arguments of the architecture, such as `skips` of a U-Net.

    Raises:
        InputError: for an unknown name, a missing library, or weights that cannot be had.
    """
    channels = len(preprocessing["mean"])
    card = ModelCard(
        architecture=architecture,
        architecture_args={"num_classes": len(class_names), "in_channels": channels, **options},
        class_names=class_names,
        category_ids=category_ids,
        preprocessing=dict(preprocessing),
        thresholds={},
        provenance={},
    )
    return build(card, encoder_weights)


def build(card: ModelCard, encoder_weights: str = "none") -> SegmenterModel:
    """The network that a card describes, in evaluation mode, its memory laid out channels last.

    Raises:
        InputError: as `fresh_segmenter`.
    """
    name = card.architecture
    if name in UNETS:
        if encoder_weights != "none":
            raise InputError(f"{name} has no pretrained encoder; use encoder weights none")
        network: nn.Module = UNETS[name](**card.architecture_args)
    elif name in TORCHVISION:
        network = torchvision_network(name, encoder_weights, **card.architecture_args)
    elif name.startswith("smp:"):
        network = smp_network(name, encoder_weights, **card.architecture_args)
    else:
        known = ", ".join([*UNETS, *TORCHVISION])
        raise InputError(
            f"semantic network {name!r} is unknown; use one of {known}, or smp:NAME:ENCODER"
        )
    network = network.eval().to(memory_format=torch.channels_last)
    return SegmenterModel(network=network, card=card)


def torchvision_network(
    name: str, encoder_weights: str, *, num_classes: int, in_channels: int
) -> AnySize:
    """A semantic network of torchvision, without its auxiliary head."""
    if in_channels != 3:
        raise InputError(f"{name} takes 3 channels, not {in_channels}; use a U-Net or an smp: name")
    if encoder_weights not in TORCHVISION_WEIGHTS:
        known = ", ".join(TORCHVISION_WEIGHTS)
        raise InputError(f"{name}: encoder weights {encoder_weights!r} are none of {known}")
    weights = TORCHVISION_WEIGHTS[encoder_weights]
    try:
        network = TORCHVISION[name](
            weights=None, weights_backbone=weights, num_classes=num_classes, aux_loss=False
        )
    except (OSError, RuntimeError) as error:  # no connection, or a download cut off
        raise cannot_build(name, encoder_weights, error) from error
    return AnySize(network, 1)


def smp_network(
    name: str, encoder_weights: str, *, num_classes: int, in_channels: int, **options: Any
) -> AnySize:
    """A network of segmentation-models-pytorch, by `smp:NAME:ENCODER`."""
    try:
        smp = importlib.import_module("segmentation_models_pytorch")
    except ImportError as error:
        raise InputError(
            f'{name} needs segmentation-models-pytorch: pip install "instseg[semantic]"'
        ) from error
    _, kind, encoder = (*name.split(":", 2), "")[:3]
    if kind not in SMP or not encoder:
        raise InputError(
            f"{name}: expected smp:NAME:ENCODER, such as smp:FPN:resnet34; "
            f"the names are {', '.join(SMP)}"
        )
    wanted: Any = None if encoder_weights == "none" else encoder_weights
    if wanted and encoder.startswith("tu-"):  # timm's encoders have their weights in their names
        wanted = True
    try:
        network = getattr(smp, kind)(
            encoder, encoder_weights=wanted, in_channels=in_channels, classes=num_classes, **options
        )
        with torch.no_grad():  # some encoders take one size only, and say so when they see another
            network.eval()(torch.zeros(1, in_channels, 2 * SMP_MULTIPLE, 2 * SMP_MULTIPLE))
    except Exception as error:  # it raises all kinds for names, combinations and connections
        raise cannot_build(name, encoder_weights, error) from error
    return AnySize(network, SMP_MULTIPLE)


def cannot_build(name: str, encoder_weights: str, error: Exception) -> InputError:
    """What to tell the user when a library cannot give a network, in one line."""
    reason = textwrap.shorten(str(error).strip("\"'"), 160)
    return InputError(
        f"{name} with encoder weights {encoder_weights!r} cannot be built ({reason}); "
        "check the names" + (", or use encoder weights none" if encoder_weights != "none" else "")
    )


def load_segmenter(
    weights: str | Path, *, progress: Callable[[int, int], None] | None = None
) -> SegmenterModel:
    """Find a model file and build its network.

    Args:
        weights: A name of `instseg.files.weights.NAMED`, or the path of a model file.
        progress: Called with bytes done and bytes in all while downloading.

    Raises:
        InputError: when it cannot be had, is damaged, or is no semantic network's.
    """
    named = NAMED.get(str(weights))
    if named:  # said before anything is downloaded
        check_semantic(weights, named.architecture)
    path = locate(weights, progress=progress)
    card, state = load_model_file(path)
    check_semantic(path, card.architecture)
    model = build(card)
    load_weights(model.network, state, path)
    return model


def check_semantic(weights: str | Path, architecture: str) -> None:
    """Raise InputError unless it is a semantic network's architecture."""
    if not is_segmenter(architecture):
        raise InputError(
            f"{weights} holds {architecture}, which finds instances; "
            "give a semantic model, such as train_unet writes"
        )
