"""Annotations and results of a dataset as columns, read once for all metrics of a kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.evaluation.shapes import Kind, Shapes

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Record = Mapping[str, Any]


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
        annotations: The records that `truth` numbers.
        truth: All annotations.
        crowd: bool, of these.
        results: All results.
    """

    kind: Kind
    image_ids: Ints
    listed: Ints
    category_ids: Ints
    annotations: Sequence[Record]
    truth: Table
    crowd: Bools
    results: Table

    @classmethod
    def read(cls, truth: Record, results: Sequence[Record], kind: Kind) -> Tables:
        """From COCO records.

        Args:
            truth: A COCO document: images, annotations, categories.
            results: `image_id`, `category_id`, `score`, and `bbox` or `segmentation`.
            kind: Boxes, masks or boundaries.
        """
        (image_ids, listed), (category_ids, _) = (
            np.unique(np.array([each["id"] for each in truth[key]], np.int64), return_index=True)
            for key in ("images", "categories")
        )
        sizes_hw = {i["id"]: (i["height"], i["width"]) for i in truth["images"] if kind != "bbox"}
        annotations = truth["annotations"]
        table = _read(
            annotations, np.zeros(len(annotations)), image_ids, category_ids, kind, sizes_hw
        )
        crowd = [bool(annotations[i].get("iscrowd")) for i in table.rows.tolist()]
        scores = np.fromiter(map(itemgetter("score"), results), np.float64, len(results))
        return cls(
            kind=kind,
            image_ids=image_ids,
            listed=listed,
            category_ids=category_ids,
            annotations=annotations,
            truth=table,
            crowd=np.array(crowd, dtype=bool),
            results=_read(results, scores, image_ids, category_ids, kind, sizes_hw),
        )


def _read(
    records: Sequence[Record],
    score: Floats,
    image_ids: Ints,
    category_ids: Ints,
    kind: Kind,
    sizes_hw: Mapping[Any, Any],
) -> Table:
    """The records of known images and classes."""
    image, class_ = (
        _place(np.fromiter(map(itemgetter(key), records), np.int64, len(records)), ids)
        for key, ids in (("image_id", image_ids), ("category_id", category_ids))
    )
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
        shapes=Shapes.read(records, kind, sizes_hw).take(order),
    )


def _place(ids: Ints, known: Ints) -> Ints:
    """The place of each id among the known ones, ascending; -1 for others."""
    place = np.searchsorted(known, ids)
    return np.where(np.append(known, -1)[place] == ids, place, -1) if len(known) else place - 1


def ranks(group: Ints) -> Ints:
    """The place of each of ascending groups (N,) among those that are equal, from 0."""
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return np.arange(len(group)) - np.repeat(starts, np.diff(starts, append=len(group)))
