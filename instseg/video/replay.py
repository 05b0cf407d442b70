"""Frames that an earlier run has finished, read from its journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from instseg.core.boxes import corners_of, xywh_of
from instseg.core.instances import Instances, Masks
from instseg.core.json_types import Json

TIME_DIGITS = 6  # of times in journals and tables
XYWH_DIGITS = 3  # as `coco_annotations` writes boxes


@dataclass(frozen=True, eq=False)
class StoredFrame:
    """What was found in a frame.

    Attributes:
        index: Its number.
        time_s: Its time.
        found: Its N instances, in order.
        track_ids: int64 (N,).
    """

    index: int
    time_s: float
    found: Instances
    track_ids: NDArray[np.int64]


def as_stored(found: Instances) -> Instances:
    """Instances as a journal gives them back, so that a replay is exact: boxes are rounded."""
    boxes_xywh = xywh_of(found.boxes).round(XYWH_DIGITS)
    return replace(found, boxes=corners_of(boxes_xywh).astype(np.float32))


def frames_of_records(
    class_names: tuple[str, ...], category_ids: tuple[int, ...]
) -> Callable[[Json], StoredFrame]:
    """What reads a record of a journal.

    Args:
        class_names: Of the model.
        category_ids: Likewise.
    """
    numbers = {category_id: number for number, category_id in enumerate(category_ids)}
    return lambda record: _frame(record, class_names, numbers)


def _frame(record: Json, class_names: tuple[str, ...], numbers: Mapping[int, int]) -> StoredFrame:
    image, annotations = record["image"], record["annotations"]
    size_hw = (image["height"], image["width"])
    coded = [each.get("rle", each["segmentation"]) for each in annotations]
    boxes_xywh = np.array([each["bbox"] for each in annotations]).reshape(-1, 4)
    found = Instances(
        boxes=corners_of(boxes_xywh).astype(np.float32),
        class_ids=np.array([numbers[each["category_id"]] for each in annotations], np.int64),
        scores=np.array([each["score"] for each in annotations], np.float32),
        masks=Masks.from_rle(coded, size_hw),
        class_names=class_names,
    )
    track_ids = np.array([each["track_id"] for each in annotations], np.int64)
    return StoredFrame(image["frame_index"], image["time_s"], found, track_ids)
