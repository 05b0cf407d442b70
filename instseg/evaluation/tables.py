"""Annotations and results of a dataset as columns, read once for all metrics of a kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.columns import Listed, Records
from instseg.evaluation.shapes import Kind, Shapes

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """N annotations or results, sorted by image, then class, then descending score.

    Attributes:
        rows: int64 (N,), the index of each in what was read.
        image: int64 (N,), rows of `Tables.image_ids`.
        class_: int64 (N,), rows of `Tables.category_ids`.
        pair: int64 (N,), ascending; the same for those of the same image and class.
        score: float64 (N,); 0 for annotations, which stay in order.
        shapes: Their boxes or masks.
    """

    rows: Ints
    image: Ints
    class_: Ints
    pair: Ints
    score: Floats
    shapes: Shapes

    def take(self, kept: Bools) -> Table:
        """Only some of them: bool (N,)."""
        if kept.all():
            return self
        return Table(
            rows=self.rows[kept],
            image=self.image[kept],
            class_=self.class_[kept],
            pair=self.pair[kept],
            score=self.score[kept],
            shapes=self.shapes.take(np.flatnonzero(kept)),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """Truth and results of I images and K classes that the truth lists; others are left out.

    Attributes:
        kind: Boxes, masks or boundaries.
        image_ids: int64 (I,), ascending.
        listed: int64 (I,), where the truth lists each image.
        category_ids: int64 (K,), ascending.
        class_names: Of these.
        truth: All annotations.
        crowd: bool, of these.
        area: float64, likewise, in pixels; NaN if not given.
        results: All results.
    """

    kind: Kind
    image_ids: Ints
    listed: Ints
    category_ids: Ints
    class_names: tuple[str, ...]
    truth: Table
    crowd: Bools
    area: Floats
    results: Table

    @classmethod
    def read(cls, truth: Mapping[str, Any], results: Sequence[Any], kind: Kind) -> Tables:
        """From COCO records.

        Args:
            truth: A COCO document: images, annotations, categories.
            results: `image_id`, `category_id`, `score`, and `bbox` or `segmentation`.
            kind: Boxes, masks or boundaries.
        """
        images, annotations, categories = (
            Listed(truth[each]) for each in ("images", "annotations", "categories")
        )
        return cls.of(images, annotations, categories, Listed(results), kind)

    @classmethod
    def of(
        cls,
        images: Listed,
        annotations: Records,
        categories: Listed,
        results: Records,
        kind: Kind,
    ) -> Tables:
        """From the four lists of records of a truth and its results; see `read`."""
        (image_ids, listed), (category_ids, named) = (
            np.unique(each.numbers("id", np.int64), return_index=True)
            for each in (images, categories)
        )
        sizes_hw: dict[int, tuple[int, int]] = {}
        if kind != "bbox":
            ids, *sides = (images.values(each) for each in ("id", "height", "width"))
            sizes_hw = dict(zip(ids, zip(*sides, strict=True), strict=True))
        names = categories.values("name")
        known = partial(
            _read, image_ids=image_ids, category_ids=category_ids, kind=kind, sizes_hw=sizes_hw
        )
        table = known(annotations, np.zeros(len(annotations)))
        return cls(
            kind=kind,
            image_ids=image_ids,
            listed=listed,
            category_ids=category_ids,
            class_names=tuple(names[i] for i in named.tolist()),
            truth=table,
            crowd=annotations.numbers("iscrowd", np.bool_)[table.rows],
            area=annotations.numbers("area", np.float64)[table.rows],
            results=known(results, results.numbers("score", np.float64)),
        )


def _read(
    records: Records,
    score: Floats,
    *,
    image_ids: Ints,
    category_ids: Ints,
    kind: Kind,
    sizes_hw: Mapping[int, tuple[int, int]],
) -> Table:
    """The records of known images and classes."""
    image = _place(records.numbers("image_id", np.int64), image_ids)
    class_ = _place(records.numbers("category_id", np.int64), category_ids)
    known = np.flatnonzero((image >= 0) & (class_ >= 0))
    order = best_first(score[known], class_[known], image[known])
    rows = known[order]
    return Table(
        rows=rows,
        image=image[rows],
        class_=class_[rows],
        pair=image[rows] * len(category_ids) + class_[rows],
        score=score[rows],
        shapes=records.shapes(known, kind, sizes_hw).take(order),
    )


def best_first(score: Floats, *groups: Ints) -> Ints:
    """A stable order (N,): by the last of the groups, then by the one before, by falling score.

    As numpy.lexsort, three times as fast: numpy sorts keys of 16 bits by radix.

    Args:
        score: (N,).
        groups: (N,) each, 0 or more.
    """
    bits = (0.0 - score).view(np.int64)  # -0.0 is 0.0 too
    bits ^= (bits >> 63) & np.iinfo(np.int64).max  # of negative numbers; now they sort as numbers
    bits ^= np.iinfo(np.int64).min  # and without a sign too
    digits = [(bits >> shift).astype(np.uint16) for shift in (0, 16, 32, 48)]
    narrow = [each.astype(np.min_scalar_type(each.max(initial=0))) for each in groups]
    return np.lexsort((*digits, *narrow))


def _place(ids: Ints, known: Ints) -> Ints:
    """The place of each id among the known ones, ascending; -1 for others."""
    place = np.searchsorted(known, ids)
    return np.where(np.append(known, -1)[place] == ids, place, -1) if len(known) else place - 1


def ranks(group: Ints) -> Ints:
    """The place of each of ascending groups (N,) among those that are equal, from 0."""
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return np.arange(len(group)) - np.repeat(starts, np.diff(starts, append=len(group)))
