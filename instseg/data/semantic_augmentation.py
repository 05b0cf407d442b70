"""Augmentation of images with semantic maps, by the same names as in augmentation.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from instseg.core.errors import InputError
from instseg.core.semantic import IGNORE
from instseg.data.augmentation import DEFAULT_STEPS, parse_augmentations
from instseg.data.augmentation_steps import Step, apply_steps
from instseg.data.copy_paste import CopyPaste


@dataclass(frozen=True, kw_only=True)
class SemanticAugmentation:
    """Augments an image and its semantic map: a pure function of its arguments and the seed.

    Attributes:
        steps: Torchvision's transforms, applied in order.
    """

    steps: tuple[Step, ...]

    def __call__(
        self, image: NDArray[Any], labels: NDArray[np.uint8], *, seed: int | Sequence[int]
    ) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """The augmented image and its labels; without steps, the arguments.

        Borders that a transform leaves empty are ignored in the labels. With the same seed, an
        image changes as in `Augmentation`. Torch's global random state is restored.

        Args:
            image: uint8, uint16 or float32 (H, W, C) of any range, of the channels and dtype that
                the steps were parsed for; not modified. Unless it is uint8, each channel is scaled
                to 0..1, from its lowest to its highest value, for the transforms.
            labels: uint8 (H, W).
            seed: Integers of 0 or more that determine all random numbers.

        Returns:
            Both in their original dtypes, contiguous.
        """
        if not self.steps:
            return image, labels
        pixels, low, span = image, np.zeros(1), np.ones(1)
        if image.dtype != np.uint8:
            low = image.min(axis=(0, 1)).astype(np.float64)
            span = image.max(axis=(0, 1)) - low
            span[span == 0] = 1
            pixels = ((image - low) / span).astype(np.float32)
        (state,) = np.random.SeedSequence(seed).generate_state(1).tolist()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(state)
            # inverted, so that pixels filled with 0 are ignored
            pixels, planes, _ = apply_steps(self.steps, pixels, IGNORE - labels[None])
        if image.dtype != np.uint8:
            pixels = pixels * span + low
            pixels = (pixels.round() if image.dtype == np.uint16 else pixels).astype(image.dtype)
        return pixels, IGNORE - planes[0]


def parse_semantic_augmentations(
    steps: Sequence[Any], *, channels: int = 3, dtype: DTypeLike = np.uint8
) -> SemanticAugmentation:
    """The augmentation of images with semantic maps that a config describes.

    Args:
        steps: As `parse_augmentations` takes them, but for CopyPaste. Borders of what is not uint8
            RGB are by default the image's lowest values.
        channels: Of the images.
        dtype: Of the images: uint8, uint16 or float32.

    Raises:
        InputError: A step is unknown, has wrong arguments, or does not support such images; most
            colour transforms of torchvision need 1 or 3 channels.
    """
    seen = torch.uint8 if np.dtype(dtype) == np.uint8 else torch.float32
    stages = parse_augmentations(steps, channels=channels, dtype=seen).stages
    transforms: list[Step] = []
    for stage in stages:
        if isinstance(stage, CopyPaste):
            raise InputError(
                "augmentation CopyPaste: semantic maps contain no objects to paste; leave it out"
            )
        transforms += stage
    return SemanticAugmentation(steps=tuple(transforms))


def default_steps(channels: int) -> tuple[Mapping[str, Mapping[str, Any]], ...]:
    """DEFAULT_STEPS, without colour transforms for images that are neither grey nor RGB."""
    return tuple(s for s in DEFAULT_STEPS if channels in (1, 3) or "ColorJitter" not in s)
