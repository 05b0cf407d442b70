"""Semantic models: built from a card, read from weights, and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from instseg.core.errors import InputError
from instseg.files.exported_file import is_exported
from instseg.files.model_card import ModelCard
from instseg.files.model_file import load_model_file, save_model_file
from instseg.files.weights import NAMED, locate
from instseg.models import registry
from instseg.models.registry import UNETS, is_segmenter
from instseg.models.state import load_weights

__all__ = ["UNETS"]

PREPROCESSING: dict[str, Any] = {
    "min_size": None,
    "max_size": None,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}
"""Photos at their own resolution, normalised as for ImageNet."""


def usual_preprocessing(architecture: str) -> dict[str, Any]:
    """The preprocessing of photos for a new network of this name: see `PREPROCESSING`."""
    known = registry.find(architecture)
    return {**PREPROCESSING, **(known.preprocessing if known else {})}


@dataclass(frozen=True, kw_only=True, repr=False)
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

    def __repr__(self) -> str:
        return f"SegmenterModel({self.card.in_words()})"

    @property
    def in_channels(self) -> int:
        """Number of input channels."""
        return len(self.card.preprocessing["mean"])

    def normalise(self, images: Tensor) -> Tensor:
        """Normalise images as in training.

        Args:
            images: (..., C, H, W). uint8 is scaled to 0..1; other types are used unchanged, and
                `mean` and `std` are in their units. RGB is converted to grey for a network of one
                channel.

        Returns:
            float32 (..., C, H, W).
        """
        pixels = channels_as_trained(images, self.in_channels)
        prepare = self.card.preprocessing
        mean, std = (pixels.new_tensor(prepare[k])[:, None, None] for k in ("mean", "std"))
        return (pixels - mean) / std

    def input_size(self, size_hw: tuple[int, int]) -> tuple[int, int]:
        """Height and width to which images of this size are resized."""
        return input_size(self.card.preprocessing, size_hw)

    def save(self, path: Path, dtype: torch.dtype | None = None) -> None:
        """Write a model file; `dtype` is that of the stored floating-point weights."""
        save_model_file(path, self.network.state_dict(), self.card, dtype=dtype)


def input_size(preprocessing: Mapping[str, Any], size_hw: tuple[int, int]) -> tuple[int, int]:
    """Height and width to which images of this size are resized; see `SegmenterModel.card`."""
    min_size, max_size = (preprocessing[k] for k in ("min_size", "max_size"))
    scale = min_size / min(size_hw) if min_size else 1.0
    if max_size:
        scale = min(scale, max_size / max(size_hw))
    height, width = (max(round(side * scale), 1) for side in size_hw)
    return height, width


def channels_as_trained(images: Tensor, channels: int) -> Tensor:
    """Images (..., C, H, W) in float32, uint8 scaled to 0..1, and grey for a single channel."""
    pixels = images.float() / 255 if images.dtype == torch.uint8 else images.float()
    if channels != 1 or pixels.shape[-3] != 3:
        return pixels
    from torchvision.transforms.v2.functional import rgb_to_grayscale  # loads torch's compiler

    return rgb_to_grayscale(pixels)


def fresh_segmenter(
    architecture: str,
    class_names: tuple[str, ...],
    category_ids: tuple[int, ...],
    *,
    encoder_weights: str = "none",
    preprocessing: Mapping[str, Any] | None = None,
    **options: Any,
) -> SegmenterModel:
    """A network to be trained; random numbers come from torch's generator.

    Args:
        architecture: A key of `registry.SEGMENTERS`, or `smp:NAME:ENCODER`, with a network and an
            encoder of segmentation-models-pytorch.
        class_names: Class id to name; the first is "BG".
        category_ids: Class id to the dataset's category id; the first is 0.
        encoder_weights: `none`; `imagenet`, which comes from a package for
            `unet_efficientnet_lite0` and is downloaded by the library for others; for some encoders
            of segmentation-models-pytorch others too, and for `unet_efficientnet_lite0` a model
            file with such a backbone.
        preprocessing: As the card holds it; the number of channels is that of `mean`. By default
            `usual_preprocessing`.
        options: Further arguments of the architecture, such as `skips` of a U-Net.

    Raises:
        InputError: for an unknown name, a missing library, or weights that are not available.
    """
    preprocessing = preprocessing or usual_preprocessing(architecture)
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
    return build_segmenter(card, encoder_weights)


def build_segmenter(card: ModelCard, encoder_weights: str = "none") -> SegmenterModel:
    """The network that a card describes, in evaluation mode, its memory laid out channels last.

    Raises:
        InputError: as `fresh_segmenter`.
    """
    architecture = registry.segmenter(card.architecture, encoder_weights)
    registry.check_card(card, architecture)
    network = architecture.build(encoder_weights, **card.architecture_args)
    network = network.eval().to(memory_format=torch.channels_last)
    return SegmenterModel(network=network, card=card)


def load_segmenter(
    weights: str | Path, *, progress: Callable[[int, int], None] | None = None
) -> SegmenterModel:
    """Find a model file and build its network.

    Args:
        weights: A name of `instseg.files.weights.NAMED`, or the path of a model file.
        progress: Called with the bytes downloaded and the total.

    Raises:
        InputError: It is not available, damaged, or not a semantic network's.
    """
    named = NAMED.get(str(weights))
    if named:  # before anything is downloaded
        check_semantic(weights, named.architecture)
    path = locate(weights, semantic=True, progress=progress)
    if is_exported(path):
        raise InputError(
            f"{path}: an exported file, which cannot be trained; give the model file that it was "
            "made of"
        )
    card, state = load_model_file(path)
    check_semantic(path, card.architecture)
    try:
        model = build_segmenter(card)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    load_weights(model.network, state, path)
    return model


def check_semantic(weights: str | Path, architecture: str) -> None:
    """Raise InputError unless it is a semantic network's architecture."""
    if not is_segmenter(architecture):
        raise InputError(
            f"{weights} holds {architecture}, which predicts instances; "
            "give a semantic model, as train-unet writes it"
        )
