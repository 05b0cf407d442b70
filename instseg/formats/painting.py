"""Objects as the numbers of pixels, where each pixel has one, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from instseg.formats.labels import Record
from instseg.formats.notes import Notes
from instseg.formats.shapes import has_mask, mask_of, of_mask

_MOST_LISTED = 2**17  # a list of places as long as the highest number is made up to here


@dataclass(frozen=True, eq=False)
class Region:
    """The pixels of one number.

    Attributes:
        crop: bool (h, w), tight.
        offset_yx: The picture's pixel of the crop's first one.
    """

    crop: NDArray[np.bool_]
    offset_yx: tuple[int, int]

    @property
    def box(self) -> list[float]:
        """x, y, width, height, in pixels."""
        (y, x), (height, width) = self.offset_yx, self.crop.shape
        return [float(x), float(y), float(width), float(height)]

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(np.count_nonzero(self.crop))

    def record(self, size_hw: tuple[int, int]) -> dict[str, Any]:
        """The segmentation, box and area of an annotation."""
        return {
            "segmentation": of_mask(self.crop, self.offset_yx, size_hw),
            "bbox": self.box,
            "area": float(self.area),
        }

    def parts(self) -> list[Region]:
        """The connected parts; pixels that touch at a corner are connected."""
        labels, number = ndimage.label(self.crop, structure=np.ones((3, 3), dtype=bool))
        if number == 1:
            return [self]
        top, left = self.offset_yx
        return [
            Region(each.crop, (each.offset_yx[0] + top, each.offset_yx[1] + left))
            for each in regions(labels).values()
        ]


@dataclass(frozen=True, eq=False)
class Painted:
    """Which object each pixel shows.

    Attributes:
        places: Unsigned integers (H, W): 0 for none, n + 1 for annotation n.
        regions: The pixels that each annotation has left; None for none.
        order: The annotations with a mask, from the back to the front.
    """

    places: NDArray[np.unsignedinteger[Any]]
    regions: tuple[Region | None, ...]
    order: tuple[int, ...]

    def numbered(self, numbers: Sequence[int]) -> NDArray[np.unsignedinteger[Any]]:
        """The picture with a number for each annotation, and 0 where there is none.

        Its dtype is the smallest that holds them: uint8, uint16 and so on.
        """
        table = np.array([0, *numbers])
        smallest: NDArray[np.unsignedinteger[Any]] = table.astype(np.min_scalar_type(table.max()))
        return smallest[self.places]


def painted(
    annotations: Sequence[Record],
    size_hw: tuple[int, int],
    notes: Notes,
    *,
    stuff: AbstractSet[int] = frozenset(),
    front: Literal["smaller", "later"] = "smaller",
    otherwise: str = "left out",
) -> Painted:
    """Paint masks over each other, the smaller in front, stuff and crowds at the back.

    Args:
        annotations: Those without a mask, or with a broken one, stay without pixels.
        size_hw: Of their photo.
        notes: Told what is hidden or broken.
        stuff: The ids of categories that are no things.
        front: What is in front; for "later" nothing else counts.
        otherwise: What becomes of hidden objects, for the note.
    """
    masks = []
    for place, each in enumerate(annotations):
        if has_mask(each):
            try:
                mask = mask_of(each, size_hw)
            except ValueError as problem:
                notes.add(f"objects with {problem}: {otherwise}", f"id {each['id']}")
                continue
            masks.append((place, each, mask, int(mask.areas()[0])))
    if front == "smaller":
        masks.sort(key=lambda m: (m[1]["category_id"] not in stuff, not m[1].get("iscrowd"), -m[3]))
    places = np.zeros(size_hw, dtype=np.min_scalar_type(len(annotations)))
    for place, _, mask, _ in masks:
        places[mask.windows()[0]][mask.crops[0]] = place + 1
    left: list[Region | None] = [None] * len(annotations)
    for place, each, mask, area in masks:
        window = mask.windows()[0]
        region = _tight(places[window] == place + 1, (window[0].start, window[1].start))
        left[place] = region
        if area and region is None:
            notes.add(f"objects hidden by others: {otherwise}", f"id {each['id']}")
        elif region is not None and region.area < area:
            notes.add("objects partly hidden by others: cut", f"id {each['id']}")
    return Painted(places, tuple(left), tuple(place for place, *_ in masks))


def _tight(crop: NDArray[np.bool_], offset_yx: tuple[int, int]) -> Region | None:
    """What is set in a crop; None if nothing is."""
    rows = np.flatnonzero(crop.any(axis=1))
    if not len(rows):
        return None
    columns = np.flatnonzero(crop.any(axis=0))
    top, left = int(rows[0]), int(columns[0])
    tight = crop[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    return Region(tight, (offset_yx[0] + top, offset_yx[1] + left))


def regions(numbers: NDArray[Any]) -> Mapping[int, Region]:
    """The pixels of each number in a picture (H, W) of integers, but for 0 and below."""
    if not numbers.size:
        return {}
    highest = int(numbers.max())
    if highest <= _MOST_LISTED:
        values: Sequence[int] = range(1, highest + 1)
        windows = ndimage.find_objects(numbers, max_label=highest) if highest > 0 else []
    else:
        found, labels = np.unique(numbers, return_inverse=True)
        values = found.tolist()
        windows = ndimage.find_objects(labels.reshape(numbers.shape) + 1)
    return {
        value: Region(numbers[window] == value, (window[0].start, window[1].start))
        for value, window in zip(values, windows, strict=True)
        if window is not None and value > 0
    }
