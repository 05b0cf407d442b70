"""Pixels of any depth as 8-bit RGB, in strips that need little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

STRIP_PIXELS = 2**18  # pixels that are converted at once
_WHITES = 1.0, 255.0, 65535.0  # of numbers without an agreed one


def to_rgb8(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Convert pixels of any depth to 8-bit RGB.

    Bool, 8-bit and 16-bit unsigned numbers are scaled by their depth. Other numbers have no agreed
    white: it is the smallest of 1, 255 and 65535 that no pixel exceeds, else the brightest pixel.
    Negative and non-finite numbers become 0.

    Args:
        array: (H, W) or (H, W, C); C is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha).

    Returns:
        uint8 (H, W, 3), 0..255, contiguous, alpha blended with white; the array itself if no
        conversion is needed.

    Raises:
        ValueError: The shape is another, or the array is not numeric.
    """
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 2, 3, 4) or array.dtype.kind not in "buif":
        raise ValueError(
            "expected numbers of shape (H, W) or (H, W, 1 to 4), "
            f"got {array.dtype} of shape {array.shape}"
        )
    if array.dtype == np.uint8 and channels == 3:
        return np.ascontiguousarray(array, dtype=np.uint8)
    height, width = array.shape[:2]
    bands = array.reshape(height, width, channels)
    white = white_of(bands[rows] for rows in strips(height, width))
    rgb = np.empty((height, width, 3), np.uint8)
    for rows in strips(height, width):
        rgb[rows] = _in_rgb(to_uint8(bands[rows], white))
    return rgb


def strips(height: int, width: int) -> Iterator[slice]:
    """Rows of an image, a few at a time, from the top."""
    step = max(STRIP_PIXELS // max(width, 1), 1)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def has_white(dtype: np.dtype[np.generic]) -> bool:
    """Whether the largest number of a type is white."""
    return dtype == np.uint8 or dtype == np.uint16 or dtype == np.bool_


def white_of(pieces: Iterable[NDArray[np.generic]]) -> float:
    """What is white in an image of numbers without an agreed white, given in pieces."""
    brightest = 0.0
    for piece in pieces:
        if has_white(piece.dtype):
            break
        brightest = max(brightest, float(_finite(piece).max(initial=0)))
    return next((white for white in _WHITES if brightest <= white), brightest)


def to_uint8(array: NDArray[np.generic], white: float) -> NDArray[np.uint8]:
    """Numbers as 0..255; `white` is that of the image, for types without an agreed one."""
    if array.dtype == np.uint8:
        return array.astype(np.uint8, copy=False)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return (array.astype(np.uint16, copy=False) >> 8).astype(np.uint8)
    numbers = _finite(array)
    np.maximum(numbers, 0.0, out=numbers)
    numbers *= 255.0 / white
    return np.rint(numbers, out=numbers).astype(np.uint8)


def over_white(image: Image.Image) -> Image.Image:
    """An RGBA image blended with white, as RGB."""
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas


def _finite(array: NDArray[np.generic]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", over="ignore"):  # broken floats: NaN that "signals"
        numbers = array.astype(np.float64)
    return np.nan_to_num(numbers, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


def _in_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (h, w, C) as something that broadcasts to (h, w, 3)."""
    if pixels.shape[2] in (1, 3):
        return pixels
    rgba = pixels[..., [0, 0, 0, 1]] if pixels.shape[2] == 2 else pixels
    return np.asarray(over_white(Image.fromarray(np.ascontiguousarray(rgba))))
