"""Training samples that are windows of large photos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.instances import Instances
from instseg.core.masks import Masks
from instseg.core.windows import Window, whole_window
from instseg.data.boxes import Boxes
from instseg.data.labels import PhotoLabels
from instseg.data.sampling import Order
from instseg.data.windows import around_objects, only_large, seen_in, without_objects
from instseg.predict.tiles import LARGE_SHARE, tile_windows
from instseg.training.samples import CocoSamples

EMPTY_SHARE = 0.2  # of windows without objects in an epoch


@dataclass(frozen=True)
class TileSamples(CocoSamples):
    """Augmented windows of the photos of a dataset.

    An epoch has as many windows as it takes to show every object whole (see `around_objects`), and
    windows without objects. A photo with objects that inference takes from the whole photo, since
    they are large for a tile, also comes whole, with its other objects ignored. Photos that are not
    larger than a window come whole, once.

    The key of a sample is its epoch, row, and number among the windows of the photo. Windows depend
    only on seed, epoch and row.

    Args:
        order: Order of the photos, with `empty_share` for the windows; that of windows has its
            batch size, repeat factors and groups.
        tile: Side of a window in pixels.
    """

    tile: int = field(kw_only=True)

    @cached_property
    def images(self) -> int:
        """Number of windows in the first epoch, of all processes."""
        _, order = self._shuffled(0)
        return sum(map(len, replace(order, rank=0, world_size=1).batches(0)))

    def batches(self, epoch: int) -> list[list[Any]]:
        """Epoch, rows and numbers of the windows of every batch of an epoch."""
        keys, order = self._shuffled(epoch)
        return [[keys[i] for i in batch.tolist()] for batch in order.batches(epoch)]

    def windows(self, epoch: int, row: int) -> tuple[list[Window], int]:
        """The windows of a photo in an epoch, and how many have objects, which come first."""
        size_hw = self._size_hw(row)
        whole = whole_window(size_hw)
        boxes, are_objects = self.labels.places(row)
        objects = boxes[are_objects]
        if not self._is_cut(row):
            return [whole], int(len(objects) > 0)
        rng = np.random.default_rng([self.order.seed, epoch, row])
        full = around_objects(objects, size_hw, self.tile, rng)
        sides = (objects[:, 2:] - objects[:, :2]).max(axis=1, initial=0)
        if (sides > LARGE_SHARE * self.tile).any():
            full.append(whole)
        tries = int(np.prod([-(-size // self.tile) for size in size_hw]))
        empty = without_objects(boxes, size_hw, self.tile, tries, rng)
        if not full and not empty:  # no objects, but ignored regions everywhere
            empty = without_objects(objects, size_hw, self.tile, 1, rng)
        return full + empty, len(full)

    def random_photo(self, seed: Sequence[int]) -> tuple[NDArray[np.uint8], Instances]:
        """A window and its objects with masks, for CopyPaste."""
        rng = np.random.default_rng(seed)
        epoch, row = seed[1], int(rng.integers(len(self.data)))
        number = int(rng.integers(len(self.windows(epoch, row)[0])))
        photo, labels = self.plain((epoch, row, number))
        return photo, labels.instances

    def plain(self, key: Any) -> tuple[NDArray[np.uint8], PhotoLabels]:
        """A window and its labels, before augmentation."""
        epoch, row, number = key
        window = self.windows(epoch, row)[0][number]
        labels = seen_in(self.labels.of(row, window=window), window)
        if self._is_cut(row) and labels.instances.size_hw == self._size_hw(row):
            labels = only_large(labels, LARGE_SHARE * self.tile)
        return self.data.window(row, window), labels

    def _shuffled(self, epoch: int) -> tuple[list[tuple[int, int, int]], Order]:
        """The keys of an epoch, and the order in which they come."""
        keys: list[tuple[int, int, int]] = []
        empty: list[bool] = []
        shapes: list[int] = []
        for row in range(len(self.data)):
            windows, full = self.windows(epoch, row)
            keys += [(epoch, row, number) for number in range(len(windows))]
            empty += [number >= full for number in range(len(windows))]
            sides = [(y.stop - y.start, x.stop - x.start) for y, x in windows]
            shapes += [int(np.sign(width - height)) for height, width in sides]
        rows, given = np.array([row for _, row, _ in keys]), self.order
        repeats = np.ones(given.images) if given.repeats is None else given.repeats
        groups = np.zeros(given.images) if given.groups is None else given.groups
        share = EMPTY_SHARE if given.empty_share is None else given.empty_share
        return keys, replace(
            given,
            images=len(keys),
            repeats=repeats[rows],
            groups=groups[rows].astype(np.int64) * 3 + shapes,
            empty=np.array(empty),
            empty_share=share,
        )

    def _size_hw(self, row: int) -> tuple[int, int]:
        record = self.data.images[row]
        return record.height, record.width

    def _is_cut(self, row: int) -> bool:
        return max(self._size_hw(row)) > self.tile


def tiles_of(
    photo: NDArray[np.uint8], instances: Instances, crowds: Masks, tile: int
) -> Iterator[tuple[NDArray[np.uint8], PhotoLabels]]:
    """Tiles that cover a photo, evenly spread, and their labels, for losses.

    Args:
        photo: uint8 RGB (H, W, 3).
        instances: Its objects.
        crowds: Its crowd regions.
        tile: Side of a tile in pixels.
    """
    labels = PhotoLabels(
        instances=instances,
        crowds=crowds,
        boxes=Boxes.empty(),
        unknown=frozenset(),
        is_open=False,
    )
    for window in tile_windows(instances.size_hw, tile, 0):
        yield photo[window], seen_in(labels, window)
