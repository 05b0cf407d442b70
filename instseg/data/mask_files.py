"""Images and label maps as they are stored: pictures, and arrays of one or of many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.files.image import read_image
from instseg.files.stored_values import read_stored


def read_pixels(path: Path, row: int | None) -> NDArray[np.generic]:
    """An image of any kind: uint8, uint16 or float32 (H, W, C), without NaN."""
    if path.suffix.lower() != ".npy":
        return read_image(path)
    array = _read_npy(path, row)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.dtype.kind not in "buif" or not array.size:
        raise InputError(
            f"{path}: holds {array.dtype} of shape {array.shape}, where an image is of numbers "
            "(height, width) or (height, width, channels)"
        )
    kind = array.dtype.newbyteorder("=")
    with np.errstate(over="ignore"):  # values beyond float32 become infinite, and are refused
        image = array.astype(kind if kind in (np.uint8, np.uint16) else np.float32)
    strange = np.count_nonzero(~np.isfinite(image))
    if strange:
        place = path if row is None else f"{path}[{row}]"
        raise InputError(f"{place}: holds NaN or infinity {strange} times; replace it by numbers")
    return image


def read_values(path: Path, row: int | None = None) -> NDArray[np.int64]:
    """The stored values of a semantic map: int64 (H, W).

    Args:
        path: A PNG, GIF, TIFF or BMP, indexed or grey, of up to 16 bits; or an .npy of integers.
        row: Index in an array of many.

    Raises:
        InputError: It is unreadable or something else.
    """
    values = _read_npy(path, row) if path.suffix.lower() == ".npy" else _read_picture(path)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.dtype.kind not in "bui" or values.ndim != 2 or not values.size:
        raise InputError(
            f"{path}: holds {values.dtype} of shape {values.shape}, "
            "where a mask is of integers (height, width); save the class of each pixel"
        )
    return values.astype(np.int64)


def _read_npy(path: Path, row: int | None) -> NDArray[np.generic]:
    array = open_npy(path)
    return np.array(array if row is None else array[row])


def open_npy(path: Path, *, many: bool = False) -> NDArray[np.generic]:
    """An array on disk, memory-mapped; pickles are refused."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the name")
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a damaged header raises all kinds
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: not an array of numbers ({reason}); save it by np.save"
        ) from error
    if many and (array.ndim < 3 or not len(array)):
        raise InputError(
            f"{path}: is of shape {array.shape}; expected (N, height, width), "
            "or (N, height, width, channels)"
        )
    return array


def _read_picture(path: Path) -> NDArray[np.generic]:
    """The stored values of a grey or indexed picture."""
    stored = read_stored(path)
    if stored.values.ndim > 2:
        raise InputError(
            f"{path}: is a {stored.mode} picture, where a mask has one channel; "
            "save the class of each pixel as a grey or indexed PNG"
        )
    return stored.values
