"""Every kind of image that is predicted, as one array."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instseg.core.errors import ArgumentError, InputError
from instseg.files.image import read_image
from instseg.files.listing import list_images

ImageLike = str | Path | NDArray[np.uint8] | Tensor
SLIVER_PIXELS = 4_000_000  # very narrow photos that would be enlarged to more are thinned


def name_of(number: int, image: object) -> str:
    """The path of an image, or else its number."""
    return str(image) if isinstance(image, str | Path) else f"images[{number}]"


def as_array(image: ImageLike, *, copy: bool = True) -> NDArray[np.uint8]:
    """Any accepted image as uint8 RGB (H, W, 3), contiguous and writable, as torch requires.

    Args:
        image: A path, an array or a tensor.
        copy: Copy an array also where it is so already, since its owner may change it.

    Raises:
        InputError: A file cannot be read; an array or tensor has another shape or type.
    """
    if isinstance(image, str | Path):
        return read_image(image)
    if isinstance(image, Tensor):
        known_type = image.dtype == torch.uint8 or image.is_floating_point()
        if not known_type or image.ndim != 3 or image.shape[0] != 3:
            raise InputError(
                "image tensor: expected uint8 or float (3, H, W), "
                f"got {image.dtype} {tuple(image.shape)}"
            )
        if image.is_floating_point():
            image = (image.clamp(0, 1) * 255).round().to(torch.uint8)
        return image.cpu().permute(1, 2, 0).numpy()
    if not isinstance(image, np.ndarray):
        raise ArgumentError("{image} must be a path, an array or a tensor", image=image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise InputError(f"image array: expected uint8 (H, W, 3), got {image.dtype} {image.shape}")
    return image.copy() if copy else np.require(image, requirements=["C", "W"])


def as_arrays(images: str | Path | Sequence[ImageLike]) -> list[NDArray[np.uint8]]:
    """The images of a list, or all of a folder or glob; see `as_array`."""
    if isinstance(images, str | Path):
        images = list_images([images])
    return [as_array(image) for image in images]


def shortened(image: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    """Drop rows or columns of a photo so narrow that the network would enlarge it to gigabytes.

    Args:
        image: (H, W, 3).
        longest: Size to which the network resizes the longer side; nothing that it sees is lost.
    """
    sides = image.shape[:2]
    widened = max(sides) // longest + 1  # the least that the detector makes the shorter side
    if min(sides) >= widened or widened * max(sides) <= SLIVER_PIXELS:
        return image
    step = max(max(sides) // (4 * longest), 1)
    return np.ascontiguousarray(image[::step] if sides[0] > sides[1] else image[:, ::step])
