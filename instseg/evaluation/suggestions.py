"""Likely label errors as changes of the dataset, which people accept or refuse in a report."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pycocotools import mask as coco_mask

from instseg.core.json_types import Json
from instseg.core.rle import to_rle
from instseg.data.coco import CocoData
from instseg.evaluation.label_errors import LabelError
from instseg.files.coco_json import read_content
from instseg.report.components import TRUTH, Suggestion

Record = Mapping[str, Any]

SUGGESTION = "suggestion"  # name of the layer
TAG = "with likely label errors"
MOST = 500  # in a report
MOST_DATASET_BYTES = 30_000_000  # of a dataset in a report; of a larger one people give the file


@dataclass(frozen=True, kw_only=True, eq=False)
class Suggested:
    """The likely label errors of a dataset that can be corrected.

    Attributes:
        data: The dataset.
        errors: The most likely first.
        results: The results that they refer to, masks as RLE.
    """

    data: CocoData
    errors: Sequence[LabelError]
    results: Sequence[Record]

    @cached_property
    def ambiguous(self) -> frozenset[int]:
        """Annotation ids that occur twice, so that it is open what to change."""
        counts = Counter(each.id for each in self.data.dataset.annotations)
        return frozenset(number for number, times in counts.items() if times > 1)

    @cached_property
    def chosen(self) -> list[LabelError]:
        """Those in the report."""
        return [each for each in self.errors if self._can_be_corrected(each)][:MOST]

    @cached_property
    def _has_masks(self) -> bool:
        return any(each.has_outline for each in self.data.dataset.annotations)

    def _can_be_corrected(self, error: LabelError) -> bool:
        if error.annotation_id in self.ambiguous:
            return False
        if error.kind in ("spurious", "wrong class"):
            return True
        return bool(self._record(error).get("segmentation")) or not self._has_masks

    def _record(self, error: LabelError) -> Record:
        assert error.result is not None
        return self.results[error.result]

    @cached_property
    def shown(self) -> Mapping[int, Sequence[tuple[str, Record]]]:
        """By image id, the predictions that are suggested, each with its key in their layer."""
        shown = defaultdict(list)
        for number, error in enumerate(self.chosen):
            if error.result is not None:
                shown[error.image_id].append((_key(number), self._record(error)))
        return shown

    @property
    def image_ids(self) -> set[int]:
        """The photos that have any."""
        return {each.image_id for each in self.chosen}

    def suggestions(self, photo_names: Mapping[int, str]) -> list[Suggestion]:
        """The changes.

        Args:
            photo_names: The name in the report of each image id.
        """
        return [
            self._suggestion(number, error, photo_names[error.image_id])
            for number, error in enumerate(self.chosen)
            if error.image_id in photo_names
        ]

    def _suggestion(self, number: int, error: LabelError, photo: str) -> Suggestion:
        remove: list[int] = []
        change: dict[int, Json] = {}
        add: list[Json] = []
        layer = SUGGESTION
        key: str | int = _key(number)
        if error.annotation_id is None:
            record = self._record(error)
            known = {name: record[name] for name in ("image_id", "category_id")}
            add = [{**known, **_geometry(record), "iscrowd": 0}]
            text = f"{error.suggested_category} without an annotation"
        elif error.kind == "spurious":
            remove = [error.annotation_id]
            layer, key = TRUTH, error.annotation_id
            text = f"no {error.category} here"
        elif error.kind == "wrong class":
            change = {error.annotation_id: {"category_id": self._record(error)["category_id"]}}
            text = f"{error.suggested_category}, not {error.category}"
        else:
            change = {error.annotation_id: _geometry(self._record(error))}
            text = f"{error.category} with the place and shape of the prediction"
        return Suggestion(
            kind=error.kind,
            photo=photo,
            score=error.score,
            text=text,
            layer=layer,
            key=key,
            remove=remove,
            change=change,
            add=add,
        )

    def dataset(self) -> Json | None:
        """The content of the dataset's file; None if it is too large for a report."""
        path = self.data.coco_json
        if not path.is_file() or path.stat().st_size > MOST_DATASET_BYTES:
            return None
        content: Json = json.loads(read_content(path))
        return content


def _key(number: int) -> str:
    return f"s{number + 1}"


def _geometry(record: Record) -> Json:
    """Segmentation, box and area of a prediction, as annotations have them."""
    if mask := record.get("segmentation"):
        rle = to_rle(mask, tuple(mask["size"]))
        counts = rle["counts"]
        counts = counts.decode("ascii") if isinstance(counts, bytes) else counts
        box = [float(side) for side in coco_mask.toBbox(rle)]
        size = [int(side) for side in rle["size"]]
        return {
            "segmentation": {"size": size, "counts": counts},
            "bbox": box,
            "area": int(coco_mask.area(rle)),
        }
    box = [float(side) for side in record["bbox"]]
    return {"segmentation": [], "bbox": box, "area": box[2] * box[3]}
