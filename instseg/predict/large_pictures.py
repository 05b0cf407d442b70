"""Pictures of photos that are read in windows: small ones, with the instances at their size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.instances import Instances
from instseg.core.masks import Masks, given_up
from instseg.files.windows import TiffWindows
from instseg.predict.large import Photo
from instseg.predict.photos import NamedPhoto
from instseg.predict.pictures import Pictures, write_crop

MOST_DRAWN = 2000  # instances of a small picture: the largest
MOST_LABELS = 100  # as labels would cover a small picture of more


def write_pictures(
    pictures: Pictures,
    out: Path,
    photo: NamedPhoto,
    image: Photo,
    found: Instances,
    weights: str,
    factor: int,
) -> None:
    """As `Pictures.write`, also for photos that are read in windows.

    Of those, overlay and semantic map are smaller by `factor`; crops have full size.
    """
    if not isinstance(image, TiffWindows):
        pictures.write(out, photo, image, found, weights)
        return
    if pictures.overlay or pictures.semantic_map:
        largest = np.argsort(-found.masks.areas(), kind="stable")[:MOST_DRAWN]
        small = reduced(found[np.sort(largest)], factor)
        few = len(found) <= MOST_LABELS
        without_crops = replace(pictures, crops=False)
        small_photo = image.whole(factor)
        without_crops.write(out, photo, small_photo, small, weights, show_labels=few)
    if pictures.crops:
        for number, instance in enumerate(found):
            write_crop(out / "crops" / photo.picture, number, image, instance)


def reduced_in_words(
    pictures: Pictures, photo: NamedPhoto, image: Photo | None, found: Instances, factor: int
) -> str | None:
    """How the pictures of a photo differ from those of others; None if they do not."""
    if not isinstance(image, TiffWindows) or not (pictures.overlay or pictures.semantic_map):
        return None
    text = f"{photo.name}: its pictures have 1/{factor} of the photo's width and height"
    if len(found) > MOST_DRAWN:
        text += f" and show the {MOST_DRAWN:,} largest of {len(found):,} instances"
    return text


def reduced(found: Instances, factor: int) -> Instances:
    """Instances of a photo that is `factor` times smaller; a pixel of a mask stands for squares.

    Args:
        found: N instances.
        factor: Side of the squares of pixels that become one; its mask has it if it has any.
    """
    height, width = (-(-side // factor) for side in found.size_hw)
    starts = found.masks.offsets_yx
    crops = [
        _any_in_squares(crop, y % factor, x % factor, factor)
        for crop, (y, x) in zip(found.masks.crops, starts.tolist(), strict=True)
    ]
    masks = Masks.from_crops(crops, starts // factor, (height, width))
    return replace(found, boxes=found.boxes / np.float32(factor), masks=masks)


def _any_in_squares(crop: NDArray[np.bool_], y: int, x: int, factor: int) -> NDArray[np.bool_]:
    """Which squares of a grid hold a pixel of a crop, whose first one lies at (y, x) in it."""
    if not crop.size:
        return crop
    rows, columns = (
        np.concatenate([[0], np.arange(factor - first, side, factor)])
        for first, side in zip((y, x), crop.shape, strict=True)
    )
    some = np.logical_or.reduceat(np.logical_or.reduceat(crop, rows, axis=0), columns, axis=1)
    return given_up(some)
