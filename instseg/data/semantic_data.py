"""Data for semantic segmentation: images with semantic maps, of any source."""

from __future__ import annotations

import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.instances import Instances
from instseg.core.overlap_rule import Rule
from instseg.core.semantic import IGNORE, to_semantic
from instseg.data.coco import CocoData
from instseg.system.ahead import map_ahead

Labels = NDArray[np.uint8]


class SemanticData(Protocol):
    """Images and their semantic maps."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by class id, [0] is "BG"; at most 254 after it."""

    @property
    def category_ids(self) -> tuple[int, ...]:
        """The dataset's own id of each class."""

    def __len__(self) -> int:
        """Number of images."""

    def name(self, index: int) -> str:
        """Name of an image; a split keeps images of equal names together."""

    def load(self, index: int) -> tuple[NDArray[Any], Labels]:
        """An image, uint8, uint16 or float32 (H, W, C), and its labels: uint8 (H, W), 0..K or 255.

        Raises:
            InputError: One of them is invalid; the message begins with the file and ": ".
        """


@dataclass(frozen=True, kw_only=True)
class CocoSemantic:
    """The photos of a COCO dataset, with objects merged into semantic maps; crowds are 255.

    Ground truth has no scores to say which of two objects is in front; "smallest-on-top" keeps a
    tie visible on a person, and a cup on a table. Each semantic map is computed once and stored
    compressed, in about 5 kB for a photo of COCO.

    Attributes:
        data: The dataset.
        rule: Which object is on top where several overlap: see `to_semantic`.
        priority: For "class-priority", class names from highest to lowest.

    Raises:
        InputError: There are no images, more than 254 classes, or the rule does not fit.
    """

    data: CocoData
    rule: Rule = "smallest-on-top"
    priority: Sequence[str] | None = None
    _kept: dict[int, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not len(self.data):
            raise InputError(f"{self.data.coco_json}: has no images; give a dataset with photos")
        try:
            self._collapse(Instances.empty((1, 1), self.class_names))
        except ValueError as error:
            raise InputError(f"{self.data.coco_json}: {error}") from error

    @property
    def class_names(self) -> tuple[str, ...]:
        """Those of the dataset."""
        return self.data.class_names

    @property
    def category_ids(self) -> tuple[int, ...]:
        """Those of the dataset."""
        return self.data.category_ids

    def __len__(self) -> int:
        return len(self.data)

    def name(self, index: int) -> str:
        """The file name of the photo, as in the JSON."""
        return self.data.images[index].file_name

    def load(self, index: int) -> tuple[NDArray[np.uint8], Labels]:
        """A photo, uint8 RGB (H, W, 3), and its labels, uint8 (H, W), 0..K or 255.

        Raises:
            InputError: As `CocoData.load`.
        """
        photo = self.data.photo(index)
        if index not in self._kept:
            labels = self._collapse(self.data.objects(index), ignore=self.data.crowds(index))
            self._kept[index] = zlib.compress(labels.tobytes(), 1)
        flat = np.frombuffer(bytearray(zlib.decompress(self._kept[index])), dtype=np.uint8)
        return photo, flat.reshape(photo.shape[:2])

    def _collapse(self, objects: Instances, **ignore: Any) -> Labels:
        return to_semantic(objects, rule=self.rule, priority=self.priority, **ignore)


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Some images of other data.

    Attributes:
        data: The other data.
        rows: Indices of its images.
    """

    data: SemanticData
    rows: tuple[int, ...]

    @classmethod
    def named(cls, data: SemanticData, names: Iterable[str]) -> Subset:
        """The images with these names."""
        wanted = set(names)
        rows = tuple(row for row in range(len(data)) if data.name(row) in wanted)
        return cls(data=data, rows=rows)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Those of the other data."""
        return self.data.class_names

    @property
    def category_ids(self) -> tuple[int, ...]:
        """Those of the other data."""
        return self.data.category_ids

    def __len__(self) -> int:
        return len(self.rows)

    def name(self, index: int) -> str:
        """Name of an image."""
        return self.data.name(self.rows[index])

    def load(self, index: int) -> tuple[NDArray[Any], Labels]:
        """An image and its labels, as the other data has them."""
        return self.data.load(self.rows[index])


@dataclass(frozen=True, eq=False, kw_only=True)
class Statistics:
    """Statistics of N images; indexing selects images.

    Attributes:
        pixels: int64 (N,), number of pixels of each image.
        means: float64 (N, C), mean of each image and channel, in the units of the images.
        variances: float64 (N, C), variance of each image and channel.
        class_pixels: int64 (N, K+1), number of pixels of each class; ignored ones are not counted.
    """

    pixels: NDArray[np.int64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    class_pixels: NDArray[np.int64]

    def __getitem__(self, rows: Sequence[int] | NDArray[Any] | slice) -> Statistics:
        return Statistics(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})

    @property
    def ignored_share(self) -> float:
        """Share of ignored pixels, 0..1."""
        return float(1 - self.class_pixels.sum() / self.pixels.sum())

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of all pixels, per channel: (C,)."""
        return np.average(self.means, axis=0, weights=self.pixels)

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation of all pixels, per channel: (C,)."""
        within_and_between = self.variances + (self.means - self.mean) ** 2
        return np.sqrt(np.average(within_and_between, axis=0, weights=self.pixels))


def statistics(data: SemanticData, rows: Iterable[int] | None = None) -> Statistics:
    """Load all images once, to check them and compute their statistics.

    Args:
        data: The data, loaded in threads.
        rows: Indices of images, at least one; all if None.

    Raises:
        InputError: Some cannot be loaded, or differ from the others in channels or dtype: one line
            with the count, and an example and a few names of each kind of problem.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        chosen = range(len(data)) if rows is None else rows
        measured = list(map_ahead(pool, partial(_measure, data), chosen))
    kinds = Counter(kind for _, kind, found in measured if found is not None)
    usual = max(kinds, key=kinds.__getitem__, default="")
    problems = [
        (name, kind if found is None else f"{name}: is {kind}, most are {usual}; save all alike")
        for name, kind, found in measured
        if found is None or kind != usual
    ]
    if problems:
        raise InputError(
            f"{len(problems)} of {len(measured)} images cannot be used: {_in_short(problems)}"
        )
    every = [found for _, _, found in measured if found is not None]
    return Statistics(
        **{f.name: np.concatenate([getattr(e, f.name) for e in every]) for f in fields(Statistics)}
    )


def kind_of(image: NDArray[Any]) -> str:
    """The properties that all training images must share."""
    return f"{image.dtype} of {image.shape[2]} channels"


def _measure(data: SemanticData, row: int) -> tuple[str, str, Statistics | None]:
    """The name of an image, its kind, and its statistics; or its name, an error, and None."""
    try:
        image, labels = data.load(row)
    except InputError as error:
        return data.name(row), str(error), None
    planes = (plane.astype(np.float64) for plane in np.moveaxis(image, 2, 0))
    means, variances = zip(*((plane.mean(), plane.var()) for plane in planes), strict=True)
    counts = np.bincount(labels.ravel(), minlength=IGNORE + 1)[: len(data.class_names)]
    found = Statistics(
        pixels=np.array([labels.size]),
        means=np.array([means]),
        variances=np.array([variances]),
        class_pixels=counts[None],
    )
    return data.name(row), kind_of(image), found


def _in_short(problems: Sequence[tuple[str, str]]) -> str:
    """Each kind of problem once, the most frequent first, with the names of affected images.

    Messages are of the same kind if they differ only in numbers and in the part before ": ".
    """
    kinds: dict[str, list[tuple[str, str]]] = {}
    for name, message in problems:
        kind = re.sub(r"\d+(, \d+)*", "0", message.partition(": ")[2])
        kinds.setdefault(kind, []).append((name, message))
    parts = [
        found[0][1] + (f" ({len(found)} such: {_few([n for n, _ in found])})" if found[1:] else "")
        for found in sorted(kinds.values(), key=len, reverse=True)
    ]
    return " | ".join([*parts[:8], *(["..."] if parts[8:] else [])])


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
