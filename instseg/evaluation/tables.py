"""Annotations and results of a dataset as columns, read once for all metrics of a kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter, methodcaller
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.shapes import Field, Kind, Shapes

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
    def read(
        cls, truth: Any, results: Sequence[Any], kind: Kind, field: Field = itemgetter
    ) -> Tables:
        """From COCO records.

        Args:
            truth: A COCO document: images, annotations, categories.
            results: `image_id`, `category_id`, `score`, and `bbox` or `segmentation`.
            kind: Boxes, masks or boundaries.
            field: What gives a field of a record, by its name: `itemgetter` or `attrgetter`.
        """
        images, annotations, categories = (
            field(each)(truth) for each in ("images", "annotations", "categories")
        )
        (image_ids, listed), (category_ids, named) = (
            np.unique(_column(records, field("id"), np.int64), return_index=True)
            for records in (images, categories)
        )
        sizes_hw: dict[int, tuple[int, int]] = {}
        if kind != "bbox":
            sides = (map(field(each), images) for each in ("id", "height", "width"))
            sizes_hw = {image: (height, width) for image, height, width in zip(*sides, strict=True)}
        names = [*map(field("name"), categories)]
        known = partial(
            _read,
            image_ids=image_ids,
            category_ids=category_ids,
            kind=kind,
            sizes_hw=sizes_hw,
            field=field,
        )
        table = known(annotations, np.zeros(len(annotations)))
        is_crowd, area_of = field("iscrowd"), field("area")
        if field is itemgetter:  # these two may be missing
            is_crowd, area_of = methodcaller("get", "iscrowd"), methodcaller("get", "area", np.nan)
        crowd = _column(annotations, is_crowd, np.bool_)
        return cls(
            kind=kind,
            image_ids=image_ids,
            listed=listed,
            category_ids=category_ids,
            class_names=tuple(names[i] for i in named.tolist()),
            truth=table,
            crowd=crowd[table.rows],
            area=_column(annotations, area_of, np.float64)[table.rows],
            results=known(results, _column(results, field("score"), np.float64)),
        )


def _read(
    records: Sequence[Any],
    score: Floats,
    *,
    image_ids: Ints,
    category_ids: Ints,
    kind: Kind,
    sizes_hw: Mapping[int, tuple[int, int]],
    field: Field,
) -> Table:
    """The records of known images and classes."""
    image = _place(_column(records, field("image_id"), np.int64), image_ids)
    class_ = _place(_column(records, field("category_id"), np.int64), category_ids)
    pair = image * len(category_ids) + class_
    known = np.flatnonzero((image >= 0) & (class_ >= 0))
    if len(known) < len(records):
        records = [records[i] for i in known.tolist()]
    order = np.lexsort((-score[known], pair[known]))  # stable
    rows = known[order]
    return Table(
        rows=rows,
        image=image[rows],
        class_=class_[rows],
        pair=pair[rows],
        score=score[rows],
        shapes=Shapes.read(records, kind, sizes_hw, field).take(order),
    )


def _column(records: Sequence[Any], field: Callable[[Any], Any], dtype: type) -> NDArray[Any]:
    return np.fromiter(map(field, records), dtype, len(records))


def _place(ids: Ints, known: Ints) -> Ints:
    """The place of each id among the known ones, ascending; -1 for others."""
    place = np.searchsorted(known, ids)
    return np.where(np.append(known, -1)[place] == ids, place, -1) if len(known) else place - 1


def ranks(group: Ints) -> Ints:
    """The place of each of ascending groups (N,) among those that are equal, from 0."""
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return np.arange(len(group)) - np.repeat(starts, np.diff(starts, append=len(group)))
