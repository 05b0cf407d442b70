"""Masks of one image as a few label maps, which are transformed faster than each mask alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from instseg.core.masks import Masks

MOST_PIXELS = 2**23  # of label maps at once: 32 MB as float32; transforms make copies


def to_label_maps(masks: Masks) -> tuple[NDArray[np.uint8], dict[int, tuple[int, int]]]:
    """Combine masks into few label maps, which geometric transforms change as they do the masks.

    Returns:
        uint8 (P, H, W), P >= 1, each plane with masks that do not overlap; and by row of the mask
        its plane and its label there, 1..255. Masks that would need more than MOST_PIXELS of planes
        are missing, but never all of them.
    """
    most = max(MOST_PIXELS // max(masks.size_hw[0] * masks.size_hw[1], 1), 1)
    planes = [np.zeros(masks.size_hw, dtype=np.uint8)]
    last = [0]
    places = {}
    for row, (crop, window) in enumerate(zip(masks.crops, masks.windows(), strict=True)):
        free = (
            number
            for number, plane in enumerate(planes)
            if last[number] < 255 and not plane[window][crop].any()
        )
        number = next(free, len(planes))
        if number == most:
            continue
        if number == len(planes):
            planes.append(np.zeros(masks.size_hw, dtype=np.uint8))
            last.append(0)
        last[number] += 1
        planes[number][window][crop] = last[number]
        places[row] = (number, last[number])
    return np.stack(planes), places


def from_label_maps(planes: NDArray[np.uint8], places: Mapping[int, tuple[int, int]]) -> Masks:
    """The masks of label maps, in the order of `places`."""
    windows = [ndimage.find_objects(plane, max_label=255) for plane in planes]
    crops, offsets = [], []
    for number, label in places.values():
        window = windows[number][label - 1] or (slice(0, 0), slice(0, 0))
        crops.append(planes[number][window] == label)
        offsets.append((window[0].start, window[1].start))
    return Masks.from_crops(crops, offsets, (planes.shape[1], planes.shape[2]))
