"""Photos, read whole or in windows, as the memory allows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from instseg.core.errors import ArgumentError, InputError
from instseg.core.rle import MOST_PIXELS
from instseg.files.image import read_image
from instseg.files.windows import ArrayWindows, TiffWindows, Windows, is_tiff
from instseg.predict.detector_memory import DetectorPlan
from instseg.predict.images import ImageLike, as_array
from instseg.predict.memory import NOTHING
from instseg.system.budget import Need

Photo = NDArray[np.uint8] | TiffWindows  # as it goes through the network

LARGE_PIXELS = 64_000_000  # photos of more are read in windows where there are tiles
TILES = "--tile 1024 (tile=1024 in Python)"


def as_windows(photo: Photo) -> Windows:
    """A photo of which windows are read."""
    return photo if isinstance(photo, TiffWindows) else ArrayWindows(photo)


def need_of_photo(path: Path, plan: DetectorPlan, *, pictures: bool = False) -> Need:
    """The memory that the photo of a file needs, read as `read_photo` does."""
    try:
        windows = _windows_of(path, plan, pictures=pictures)
    except InputError:  # which is raised again when it is read
        windows = None
    if windows is None:
        return plan.need_of_file(path, pictures=pictures)
    return plan.need_in_windows(windows.size_hw, pictures=pictures)


def read_photo(path: Path, plan: DetectorPlan, *, pictures: bool = False) -> Photo:
    """Read a photo, or open it to be read in windows.

    Windows are read of a TIFF that is large, or too large for the memory, if there are tiles.

    Args:
        path: The file.
        plan: Predicts memory, and has the size of tiles.
        pictures: Whether an overlay or a semantic map is drawn.

    Raises:
        InputError: It cannot be read, or needs too much memory.
    """
    windows = _windows_of(path, plan, pictures=pictures)
    if windows is not None:
        plan.require(path, plan.need_in_windows(windows.size_hw, pictures=pictures))
        return windows
    mend = f"save it as a tiled TIFF and use {TILES}"
    if is_tiff(path):
        mend = f"use {TILES}"
    need = plan.need_of_file(path, pictures=pictures)
    plan.require(path, need, mend=f"{mend}, make the photo smaller or raise the memory limit")
    return read_image(path)


def need_of_image(image: ImageLike | TiffWindows, plan: DetectorPlan) -> Need:
    """The memory that any accepted image needs; nothing if it is refused later."""
    if isinstance(image, str | Path):
        return need_of_photo(Path(image), plan)
    if isinstance(image, TiffWindows):
        return plan.need_in_windows(image.size_hw)
    shape = np.shape(image) if isinstance(image, np.ndarray | Tensor) else ()
    if len(shape) != 3:
        return NOTHING
    height, width = shape[:2] if isinstance(image, np.ndarray) else shape[1:]
    return plan.need((height, width), decoder=0)


def as_photo(image: ImageLike | TiffWindows, plan: DetectorPlan, *, copy: bool = True) -> Photo:
    """Any accepted image, read as `read_photo` does, or made an array as `as_array` does.

    Raises:
        ArgumentError: Windows are given, and there are no tiles.
        InputError: As from both.
    """
    if isinstance(image, str | Path):
        return read_photo(Path(image), plan)
    if not isinstance(image, TiffWindows):
        return as_array(image, copy=copy)
    if plan.tile is None:
        raise ArgumentError(f"{image.path}: windows are for {{tile}}, such as {{tile}}=1024")
    return image


def _windows_of(path: Path, plan: DetectorPlan, *, pictures: bool) -> TiffWindows | None:
    """The file to be read in windows; None if it is read whole."""
    if plan.tile is None or not is_tiff(path):
        return None
    fits = plan.fits(plan.need_of_file(path, pictures=pictures))
    try:
        windows = TiffWindows(path)
    except InputError:
        if fits:
            return None
        raise
    height, width = windows.size_hw
    if height * width > MOST_PIXELS:
        raise InputError(
            f"{path}: {width} x {height} pixels are more than masks can have in COCO's RLE, "
            f"{MOST_PIXELS:,}; cut it into several files"
        )
    has_tiles = max(height, width) > plan.tile
    return windows if has_tiles and (height * width > LARGE_PIXELS or not fits) else None
