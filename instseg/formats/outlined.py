"""Objects as tools draw them that have no holes in polygons: outlines, or a mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from instseg.core.masks import Masks
from instseg.formats.rings import Loop
from instseg.formats.shapes import mask_of, parts_of


def rings_or_mask(
    annotation: Mapping[str, Any], size_hw: tuple[int, int], tolerance: float = 0.0
) -> list[Loop] | Masks:
    """The outlines of an annotation's parts; if they have holes, its mask, which stays exact.

    Args:
        annotation: With a segmentation.
        size_hw: Of its image.
        tolerance: See `parts_of`.

    Raises:
        ValueError: The segmentation is broken.
    """
    if isinstance(annotation.get("segmentation"), Mapping):
        mask = mask_of(annotation, size_hw)
        polygons = mask.to_polygons()[0]
        if polygons is None:
            return mask if mask.crops[0].size else []
        annotation = {"segmentation": polygons}
    return [part.outer for part in parts_of(annotation, size_hw, tolerance)]
