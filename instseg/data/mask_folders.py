"""Images with semantic maps, from two folders of files or from two arrays."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import Notice, OnEvent, ignore
from instseg.core.map_values import MAP_EXAMPLE
from instseg.core.semantic import IGNORE
from instseg.core.wording import count
from instseg.data.mask_files import open_npy, read_pixels, read_values
from instseg.data.mask_pairs import Pair, pair_folders
from instseg.system.ahead import map_ahead

MOST_UNNAMED = 20  # maximum number of classes; smoothed edges have more values
_VALUES = 2**16  # of the deepest PNG


@dataclass(frozen=True, kw_only=True)
class MaskData:
    """Images and their semantic maps; see `read`.

    Attributes:
        pairs: In the order of their names.
        values: Meaning of each value in the semantic maps: a class, or "ignore".
        class_names: "BG", then the others in the order of `values`.
        category_ids: 0 for "BG", and of each class the first value but 0; a free one if it has
            none.
    """

    pairs: tuple[Pair, ...]
    values: Mapping[int, str]
    class_names: tuple[str, ...]
    category_ids: tuple[int, ...]

    @classmethod
    def read(
        cls,
        images: Path,
        masks: Path,
        *,
        values: Mapping[int, str] | None = None,
        mask_name: str | None = None,
        on_event: OnEvent = ignore,
    ) -> MaskData:
        """List the pairs of two folders, matched by name, or of two arrays.

        Images are photos, or arrays (H, W) or (H, W, C) of any numbers as .npy; semantic maps are
        indexed or grey .png, .gif, .tif or .bmp of up to 16 bits, or integers (H, W) as .npy. Two
        .npy files in place of folders hold N of them, (N, H, W[, C]) and (N, H, W). Files are
        read, and checked, when they are loaded; `statistics` loads them all.

        Args:
            images: A folder, or one .npy.
            masks: A folder, or one .npy.
            values: The class name of each value in the semantic maps, "BG" for background, "ignore"
                for ignored pixels. 255 is ignored unless it is named here. Without them 0 is
                background, and every other value that occurs is a class, "class 7".
            mask_name: Pattern of the names of masks, such as "segm_{}.npy"; see `pair_folders`.
            on_event: Called with how files were paired if their stems differ, and how much is
                ignored.

        Raises:
            InputError: Files cannot be paired, or classes are invalid.
        """
        pairs, words = _list_pairs(images, masks, mask_name)
        if words:
            on_event(Notice(text=f"{masks}: {words}; {count(len(pairs), 'pair')}"))
        if values is None:
            values = _found(pairs, masks, on_event)
        strange = [value for value in values if not 0 <= value < _VALUES]
        first_values = {name: value for value, name in [*values.items()][::-1] if value}
        free = next(value for value in itertools.count(1) if value not in values)
        names = [name for name in dict.fromkeys(values.values()) if name not in ("BG", "ignore")]
        if strange or not 0 < len(names) < IGNORE:
            raise InputError(
                f"{masks}: expected values of 0..{_VALUES - 1} for 1 to {IGNORE - 1} classes "
                f"besides BG, such as 0=BG,{IGNORE}=object; got {len(names)} classes"
                + (f" and the value {strange[0]}" if strange else "")
            )
        return cls(
            pairs=pairs,
            values=values,
            class_names=("BG", *names),
            category_ids=(0, *(first_values.get(name, free) for name in names)),
        )

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        """The file name of an image, or that of the array with the row, as "images.npy[3]"."""
        return self.pairs[index].name

    def load(self, index: int) -> tuple[NDArray[np.generic], NDArray[np.uint8]]:
        """An image and its semantic map.

        Returns:
            uint8, uint16 or float32 (H, W, C), of a photo uint8 RGB, of an array with other
            numbers float32; and uint8 (H, W), 0..K or 255.

        Raises:
            InputError: One of them is missing or unreadable, their sizes differ, or there are NaN
                pixels or values without a class.
        """
        pair = self.pairs[index]
        if pair.mask is None:
            raise InputError(f"{pair.image}: has no mask of its name; add it or remove the image")
        if pair.image is None:
            raise InputError(f"{pair.mask}: has no image of its name; add it or remove the mask")
        image, labels = read_pixels(pair.image, pair.row), self._labels(pair.mask, pair.row)
        if image.shape[:2] != labels.shape:
            (height, width), (mask_height, mask_width) = image.shape[:2], labels.shape
            raise InputError(
                f"{pair.image}: is {width} x {height} pixels, its mask {mask_width} x "
                f"{mask_height}; save both in one size, upright, with channels last"
            )
        return image, labels

    @cached_property
    def _class_of(self) -> NDArray[np.int16]:
        """The class id of each value; -1 for values without one, and in the end for all others."""
        ids = {name: i for i, name in enumerate(self.class_names)} | {"ignore": IGNORE}
        table = np.full(_VALUES + 1, -1, dtype=np.int16)
        table[IGNORE] = IGNORE
        for value, name in self.values.items():
            table[value] = ids[name]
        return table

    def _labels(self, path: Path, row: int | None) -> NDArray[np.uint8]:
        values = read_values(path, row)
        labels = self._class_of[np.where((values >= 0) & (values < _VALUES), values, _VALUES)]
        if labels.min() < 0:
            found = np.unique(values[labels < 0])
            more = ", ..." if len(found) > 5 else ""
            raise InputError(
                f"{path}: holds {', '.join(map(str, found[:5]))}{more}, of no class; "
                f"say what each value is, such as {MAP_EXAMPLE}"
            )
        return labels.astype(np.uint8)


def _list_pairs(images: Path, masks: Path, mask_name: str | None) -> tuple[tuple[Pair, ...], str]:
    """The pairs, and a description of how they were matched."""
    if images.suffix.lower() == masks.suffix.lower() == ".npy":
        counts = [len(open_npy(path, many=True)) for path in (images, masks)]
        if counts[0] != counts[1]:
            raise InputError(
                f"{images}: holds {counts[0]} images, {masks} {counts[1]} masks; "
                "save as many of each, in the same order"
            )
        rows = range(counts[0])
        return tuple(
            Pair(name=f"{images.name}[{row}]", image=images, mask=masks, row=row) for row in rows
        ), ""
    return pair_folders(images, masks, mask_name)


def _found(pairs: Sequence[Pair], masks: Path, on_event: OnEvent) -> dict[int, str]:
    """The classes of the values in semantic maps; reports how much is ignored."""

    def counts_of(pair: Pair) -> Counter[int]:
        try:
            stored = read_values(pair.mask, pair.row) if pair.mask else np.zeros(0, dtype=np.int64)
        except InputError:  # loading it reports this, together with all other problems
            return Counter({1: 0})
        values, times = np.unique(stored, return_counts=True)
        return Counter(dict(zip(values.tolist(), times.tolist(), strict=True)))

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        counts: Counter[int] = Counter()
        for each in map_ahead(pool, counts_of, pairs):
            counts.update(each)
    values = counts.keys() - {0, IGNORE}
    if len(values) > MOST_UNNAMED:
        raise ArgumentError(
            f"{masks}: holds {len(values)} values from {min(values)} to {max(values)}; say what "
            f"each means with {{values}} {MAP_EXAMPLE}, or save masks without smoothed edges"
        )
    if ignored := counts[IGNORE]:
        share = f"{ignored / counts.total():.1%} of the pixels have the value {IGNORE}"
        if values and ignored > sum(counts[value] for value in values):
            example = ",".join(f"{v}={'BG' if not v else f'name{v}'}" for v in sorted({0, *values}))
            raise ArgumentError(
                f"{masks}: {share}, which is ignored unless it is named, more than have a class; "
                f"say what each of the values means: {{values}} {example:.200},{IGNORE}=..., where "
                "BG is background and ignore what does not count"
            )
        on_event(Notice(text=f"{masks}: {share} and are ignored, unless they are named"))
    return {0: "BG"} | {value: f"class {value}" for value in sorted(values)}
