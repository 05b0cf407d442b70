"""Colours, masks and boxes painted into arrays, with the calls of Matterport's Mask R-CNN."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from instseg.core.instances import Instances
from instseg.core.masks import Masks
from instseg.core.matterport_arrays import packed
from instseg.visualize.checks import check_array

Color = tuple[float, float, float]  # r, g, b, 0 to 1

DIM = 0.7  # value of colours that are not bright
LINE_PX = 2  # of `draw_box`


def random_colors(N: int, bright: bool = True) -> list[Color]:  # noqa: N803
    """Colours of evenly spread hues, in mixed order; the same for each N.

    Args:
        N: How many.
        bright: Full brightness, rather than 70% of it.

    Returns:
        N of (r, g, b), 0 to 1.
    """
    order = np.random.default_rng(N).permutation(N).tolist()
    return [colorsys.hsv_to_rgb(i / N, 1.0, 1.0 if bright else DIM) for i in order]


def apply_mask(
    image: NDArray[Any], mask: ArrayLike, color: Sequence[float], alpha: float = 0.5
) -> NDArray[Any]:
    """Blend a colour into the pixels of a mask. The image is changed in place.

    Args:
        image: numbers (H, W, 3), 0 to 255.
        mask: bool or 0/1 (H, W).
        color: r, g, b, 0 to 1.
        alpha: How strongly, 0 to 1.

    Returns:
        The same image.

    Raises:
        ValueError: The mask has another size than the image.
    """
    inside = np.asarray(mask) > 0.5
    if inside.shape != image.shape[:2]:
        raise ValueError(f"mask: expected shape {image.shape[:2]} as the image, got {inside.shape}")
    blended = image[inside] * (1 - alpha) + alpha * 255 * np.asarray(color, np.float64)[:3]
    image[inside] = blended.round() if image.dtype.kind in "iu" else blended
    return image


def draw_box(image: NDArray[Any], box: ArrayLike, color: ArrayLike) -> NDArray[Any]:
    """Draw the outline of a box, 2 pixels wide. The image is changed in place.

    Args:
        image: numbers (H, W, 3).
        box: numbers (4,), y1 x1 y2 x2; what lies outside of the image is left out.
        color: r, g, b in the range of the image, as 0 to 255.

    Returns:
        The same image.
    """
    y1, x1, y2, x2 = np.asarray(box)[:4].astype(int).tolist()
    far_y, far_x = y2 + LINE_PX, x2 + LINE_PX
    for top, left, bottom, right in (
        (y1, x1, y1 + LINE_PX, far_x),
        (y2, x1, far_y, far_x),
        (y1, x1, far_y, x1 + LINE_PX),
        (y1, x2, far_y, far_x),
    ):
        image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = color
    return image


def color_splash(image: NDArray[Any], mask: Instances | ArrayLike) -> NDArray[np.uint8]:
    """The image in grey, except inside the masks.

    Args:
        image: uint8 (H, W, 3), RGB; not modified.
        mask: `Instances` of the image, or bool or 0/1 (H, W, N).

    Returns:
        uint8 (H, W, 3).

    Raises:
        ValueError: The masks have another size than the image.
    """
    check_array(image)
    masks: Masks = mask.masks if isinstance(mask, Instances) else packed(mask, "mask")
    if masks.size_hw != image.shape[:2]:
        raise ValueError(f"mask: expected size {image.shape[:2]} as the image, got {masks.size_hw}")
    photo = as_uint8(image)
    grey = np.asarray(Image.fromarray(photo).convert("L"))[..., None]
    return np.where(masks.union().dense(0)[..., None], photo, grey)


def as_uint8(image: ArrayLike) -> NDArray[np.uint8]:
    """An image as uint8: floats up to 1 are shares of 255, and other numbers are cut to 0..255."""
    given = np.asarray(image)
    if given.dtype == np.uint8:
        return given
    if given.dtype == np.bool_ or (given.dtype.kind == "f" and given.max(initial=0) <= 1):
        given = given * 255.0
    whole: NDArray[np.uint8] = np.nan_to_num(given).clip(0, 255).round().astype(np.uint8)
    return whole
