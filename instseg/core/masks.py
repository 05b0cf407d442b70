"""Masks of one image, each stored as a small crop with its position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pycocotools import mask as coco_mask

from instseg.core import rle
from instseg.core.outlines import exact_polygons
from instseg.core.windows import Window

Index = int | slice | Sequence[int] | Sequence[bool] | NDArray[Any]


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The array, or a copy if the array or its base is writable."""
    owner: object = array
    while isinstance(owner, np.ndarray) and not owner.flags.writeable:
        owner = owner.base
    return given_up(array.copy()) if isinstance(owner, np.ndarray) else array


def given_up(array: NDArray[Any]) -> NDArray[Any]:
    """Make an unshared array read-only, so that `read_only` need not copy it."""
    array.setflags(write=False)
    return array


def chosen_rows(index: Index, count: int) -> NDArray[np.int64]:
    """The rows of `count` that an index means; TypeError for one value in place of a list.

    numpy would take True, False and None for new axes.
    """
    if index is None or isinstance(index, bool | np.bool_ | str):
        raise TypeError(
            f"index: expected numbers, a slice, or a list of True and False, got {index!r}; "
            'instances of a class are x[[name == "chair" for name in x.names]]'
        )
    return np.atleast_1d(np.arange(count)[index])


_NOTHING = given_up(np.zeros((0, 0), dtype=bool))


@dataclass(frozen=True, eq=False, repr=False)
class Masks:
    """N binary masks of one image, without an N x H x W array.

    Every operation equals that of pycocotools; holes and several parts are kept. Arrays are
    read-only: writable ones are copied.

    Attributes:
        size_hw: height and width of the image.
        crops: N bool arrays (h_i, w_i) inside the image, not always tight; an empty mask is (0, 0).
        offsets_yx: int64 (N, 2), the image pixel of each crop's first pixel.
    """

    size_hw: tuple[int, int]
    crops: tuple[NDArray[np.bool_], ...]
    offsets_yx: NDArray[np.int64]

    def __post_init__(self) -> None:
        height, width = (int(side) for side in self.size_hw)
        offsets = read_only(np.asarray(self.offsets_yx, dtype=np.int64))
        if offsets.shape != (len(self.crops), 2):
            raise ValueError(
                f"offsets_yx: expected shape {(len(self.crops), 2)}, got {offsets.shape}"
            )
        for crop, (y, x) in zip(self.crops, offsets.tolist(), strict=True):
            if crop.dtype != np.bool_ or crop.ndim != 2:
                raise ValueError(
                    f"crop: expected a bool array (h, w), got {crop.dtype} {crop.shape}"
                )
            if min(y, x) < 0 or y + crop.shape[0] > height or x + crop.shape[1] > width:
                raise ValueError(
                    f"crop: expected a place inside the {height} x {width} image, "
                    f"got {crop.shape} at (y, x) = ({y}, {x})"
                )
        object.__setattr__(self, "size_hw", (height, width))
        object.__setattr__(self, "crops", tuple(read_only(crop) for crop in self.crops))
        object.__setattr__(self, "offsets_yx", offsets)

    @classmethod
    def empty(cls, size_hw: tuple[int, int]) -> Masks:
        """No masks of an image of this size."""
        return cls(size_hw, (), np.zeros((0, 2), dtype=np.int64))

    @classmethod
    def from_crops(
        cls, crops: Sequence[NDArray[np.bool_]], offsets_yx: ArrayLike, size_hw: tuple[int, int]
    ) -> Masks:
        """Masks from crops that may extend beyond the image; what is outside is cut off.

        Args:
            crops: N bool arrays (h_i, w_i); those that are read-only are not copied.
            offsets_yx: integers (N, 2), the image pixel of each crop's first pixel, any sign.
            size_hw: the image.
        """
        height, width = size_hw
        places = np.array(offsets_yx, dtype=np.int64).reshape(-1, 2)
        kept = []
        for crop, place in zip(crops, places, strict=True):
            y, x = place.tolist()
            top, left = max(y, 0), max(x, 0)
            inside = crop[top - y : max(height - y, 0), left - x : max(width - x, 0)]
            has_pixels = bool(inside.any())
            kept.append(inside if has_pixels else _NOTHING)
            place[:] = (top, left) if has_pixels else (0, 0)
        return cls(size_hw, tuple(kept), places)

    @classmethod
    def from_dense(cls, dense: NDArray[np.bool_] | NDArray[np.uint8]) -> Masks:
        """Masks from bool or uint8 (N, H, W), where non-zero is mask."""
        if dense.ndim != 3 or dense.dtype not in (np.bool_, np.uint8):
            raise ValueError(
                f"dense masks: expected bool or uint8 (N, H, W), got {dense.dtype} {dense.shape}"
            )
        crops, offsets = [], []
        for mask in dense:
            top, left, bottom, right = _tight_window(mask)
            crops.append(given_up(mask[top:bottom, left:right].astype(bool)))
            offsets.append((top, left))
        return cls.from_crops(crops, offsets, (dense.shape[1], dense.shape[2]))

    @classmethod
    def from_rle(
        cls, rles: Sequence[dict[str, Any]], size_hw: tuple[int, int] | None = None
    ) -> Masks:
        """Masks from COCO RLE dicts (`size`, `counts`), compressed or not.

        Args:
            rles: one dict per mask; counts are str, bytes or a list of run lengths.
            size_hw: the image; needed only when there are no masks.

        Raises:
            ValueError: when sizes differ, or runs do not fit the image.
        """
        if size_hw is None:
            if not rles:
                raise ValueError("size_hw: expected (height, width) with an empty list, got None")
            height, width = rles[0]["size"]
            size_hw = (height, width)
        for coded in rles:
            if tuple(coded["size"]) != tuple(size_hw):
                raise ValueError(f"RLE size: expected {list(size_hw)}, got {coded['size']}")
        decoded = [rle.decode_crop(coded["counts"], size_hw) for coded in rles]
        crops = [given_up(crop) for crop, _ in decoded]
        return cls.from_crops(crops, [yx for _, yx in decoded], size_hw)

    @classmethod
    def from_polygons(
        cls, objects: Sequence[Sequence[Sequence[float]]], size_hw: tuple[int, int]
    ) -> Masks:
        """Masks from COCO polygons, rasterised by pycocotools.

        Args:
            objects: one per mask: its polygons, each flat [x0, y0, x1, y1, ...] in pixels. Parts
                are joined, so a polygon cannot cut a hole. No polygons: an empty mask.
            size_hw: the image.
        """
        coded = [rle.polygons_to_rle(polygons, size_hw) for polygons in objects]
        return cls.from_rle(coded, size_hw)

    @classmethod
    def concatenate(cls, parts: Sequence[Masks]) -> Masks:
        """The masks of all parts, in order: one or more parts, of equal image size."""
        sizes = {part.size_hw for part in parts}
        if len(sizes) != 1:
            raise ValueError(f"masks to join: expected one image size, got {sorted(sizes)}")
        crops = tuple(crop for part in parts for crop in part.crops)
        return cls(sizes.pop(), crops, np.concatenate([part.offsets_yx for part in parts]))

    def __len__(self) -> int:
        return len(self.crops)

    def __repr__(self) -> str:
        return f"Masks({len(self)} of {self.size_hw[0]} x {self.size_hw[1]})"

    def __getitem__(self, index: Index) -> Masks:
        """The chosen masks, as Masks: an int gives one of length 1."""
        rows = chosen_rows(index, len(self))
        return Masks(self.size_hw, tuple(self.crops[i] for i in rows), self.offsets_yx[rows])

    def dense(self, index: int | None = None) -> NDArray[np.bool_]:
        """Full-size masks: bool (N, H, W), or bool (H, W) of the one at `index`."""
        chosen = self if index is None else self[index]
        full = np.zeros((len(chosen), *self.size_hw), dtype=bool)
        for mask, crop, window in zip(full, chosen.crops, chosen.windows(), strict=True):
            mask[window] = crop
        return full if index is None else full[0]

    def windows(self) -> list[Window]:
        """Where each crop lies: `image[windows[i]]` has the shape of `crops[i]`."""
        return [
            (slice(y, y + crop.shape[0]), slice(x, x + crop.shape[1]))
            for crop, (y, x) in zip(self.crops, self.offsets_yx.tolist(), strict=True)
        ]

    def areas(self) -> NDArray[np.int64]:
        """Pixels in each mask: int64 (N,)."""
        return np.array([np.count_nonzero(crop) for crop in self.crops], dtype=np.int64)

    def crop_boxes(self) -> NDArray[np.int64]:
        """The place of each crop, right and bottom exclusive: int64 (N, 4), x0 y0 x1 y1."""
        shapes = np.array([crop.shape for crop in self.crops], dtype=np.int64).reshape(-1, 2)
        starts = self.offsets_yx
        return np.concatenate([starts, starts + shapes], axis=1)[:, [1, 0, 3, 2]]

    def pixels_inside(self, index: int, window: Window) -> int:
        """Pixels of one mask in a window of the image."""
        return int(np.count_nonzero(self._part(index, window)))

    def shared_pixels(self, one: int, other: int) -> int:
        """Pixels that two of the masks have in common."""
        (y, x), crop = self.offsets_yx[other].tolist(), self.crops[other]
        part = self._part(one, (slice(y, y + crop.shape[0]), slice(x, x + crop.shape[1])))
        top, left = np.maximum(self.offsets_yx[one] - (y, x), 0).tolist()
        rest = crop[top : top + part.shape[0], left : left + part.shape[1]]
        return int(np.count_nonzero(part & rest)) if part.size else 0

    def _part(self, index: int, window: Window) -> NDArray[np.bool_]:
        """The part of a crop that lies in a window of the image."""
        starts = self.offsets_yx[index].tolist()
        y, x = (
            slice(max(part.start - start, 0), max(part.stop - start, 0))
            for part, start in zip(window, starts, strict=True)
        )
        return self.crops[index][y, x]

    def boxes_xyxy(self) -> NDArray[np.float32]:
        """Tight boxes in pixels, right and bottom exclusive: float32 (N, 4); empty masks zeros."""
        boxes = np.zeros((len(self), 4), dtype=np.float32)
        for box, crop, (y, x) in zip(boxes, self.crops, self.offsets_yx.tolist(), strict=True):
            if crop.size:
                top, left, bottom, right = _tight_window(crop)
                box[:] = (x + left, y + top, x + right, y + bottom)
        return boxes

    def to_rle(self) -> list[dict[str, Any]]:
        """COCO RLE, ready for JSON: N dicts `{"size": [H, W], "counts": str}`."""
        return rle.encode_crops(self.crops, self.offsets_yx, self.size_hw)

    def to_polygons(self) -> list[list[list[int]] | None]:
        """COCO polygons of each mask, exact to the pixel; None for a mask with a hole."""
        places = self.offsets_yx.tolist()
        return [
            exact_polygons(crop, (y, x)) for crop, (y, x) in zip(self.crops, places, strict=True)
        ]

    def iou(self, other: Masks, iscrowd: ArrayLike | None = None) -> NDArray[np.float64]:
        """Intersection over union of each mask with each of `other`: float64 (N, M), 0..1.

        Args:
            other: M masks of the same image.
            iscrowd: (M,) of 0 and 1; against a crowd the union is this mask's own area.
        """
        if self.size_hw != other.size_hw:
            raise ValueError(f"other: expected masks of {self.size_hw}, got {other.size_hw}")
        if not len(self) or not len(other):
            return np.zeros((len(self), len(other)))
        crowd = np.zeros(len(other)) if iscrowd is None else np.asarray(iscrowd)
        overlaps = coco_mask.iou(self.to_rle(), other.to_rle(), crowd.astype(np.uint8))
        return np.asarray(overlaps, dtype=np.float64)

    def placed(self, offset_yx: tuple[int, int], size_hw: tuple[int, int]) -> Masks:
        """The masks on another canvas, such as those of a tile in its photo; the rest is cut off.

        Args:
            offset_yx: where this image's first pixel lies on the canvas.
            size_hw: the canvas.
        """
        return Masks.from_crops(self.crops, self.offsets_yx + np.array(offset_yx), size_hw)

    def flipped(self) -> Masks:
        """The masks of the image mirrored left to right."""
        crops = tuple(crop[:, ::-1] for crop in self.crops)
        offsets = self.offsets_yx.copy()
        offsets[:, 1] = [
            self.size_hw[1] - x - crop.shape[1] if crop.size else 0
            for crop, x in zip(crops, offsets[:, 1].tolist(), strict=True)
        ]
        return Masks(self.size_hw, crops, offsets)

    def union(self) -> Masks:
        """One mask that covers them all; of no masks, an empty one."""
        windows = [(ys, xs) for ys, xs in self.windows() if ys.start < ys.stop]
        if not windows:
            return Masks.from_crops([_NOTHING], [(0, 0)], self.size_hw)
        top, bottom = min(y.start for y, _ in windows), max(y.stop for y, _ in windows)
        left, right = min(x.start for _, x in windows), max(x.stop for _, x in windows)
        joined = np.zeros((bottom - top, right - left), dtype=bool)
        for crop, (y, x) in zip(self.crops, (self.offsets_yx - (top, left)).tolist(), strict=True):
            joined[y : y + crop.shape[0], x : x + crop.shape[1]] |= crop
        return Masks.from_crops([given_up(joined)], [(top, left)], self.size_hw)


def _tight_window(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of what is non-zero, the last two exclusive; zeros for nothing."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return (0, 0, 0, 0)
    columns = np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
