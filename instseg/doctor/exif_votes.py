"""Whether a set was annotated on its photos as they are stored, without their EXIF orientation."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from instseg.doctor.polygons import Polygons
from instseg.doctor.table import Table


def drawn_on_stored(table: Table, image_ids: Container[int]) -> bool:
    """Whether the masks of images whose stated size is that of the stored photo were drawn on it.

    The masks of all these images tell: those of an upright photo leave the stated size somewhere,
    those of the unturned one would leave the upright size. Where none of them tells, they are taken
    to be drawn on the photo whose size is stated.

    Args:
        table: The dataset.
        image_ids: Images of photos that EXIF turns by a quarter, of which the size is stated before
            that.
    """
    indices = [i for i, number in enumerate(table.image_ids.tolist()) if number in image_ids]
    votes = [_vote(table, i) for i in indices]
    return votes.count("stored") >= votes.count("upright")


def _vote(table: Table, index: int) -> str | None:
    """Whether a mask fits only the upright or only the stored photo."""
    mask = table.segmentations[index]
    width, height = table.sizes_wh[index].tolist()
    if isinstance(mask, dict):
        return {(height, width): "stored", (width, height): "upright"}.get(_size(mask))
    right, bottom = Polygons.collect([mask]).extents()[0, 2:].tolist()
    fits_stored = right <= width + 1 and bottom <= height + 1
    fits_upright = right <= height + 1 and bottom <= width + 1
    if fits_stored == fits_upright:
        return None
    return "stored" if fits_stored else "upright"


def _size(rle: dict[str, Any]) -> tuple[Any, ...]:
    size = rle.get("size")
    return tuple(size) if isinstance(size, list) and all(isinstance(s, int) for s in size) else ()
