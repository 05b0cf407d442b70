"""Prediction of a whole dataset, in one process or in several that torchrun has started."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from instseg.core.events import OnEvent, ignore, told
from instseg.core.instances import Instances
from instseg.core.json_types import Json
from instseg.files.results import coco_annotations
from instseg.predict.pipeline import look_within, raised
from instseg.system.budget import Need
from instseg.system.processes import process_count, process_rank, to_first

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from instseg.data.coco import CocoData
    from instseg.predict.predictor import Predictor

Item = TypeVar("Item")


def predict_dataset(
    predictor: Predictor, data: CocoData, *, on_event: OnEvent = ignore
) -> list[Json] | None:
    """Predict all photos, divided between the processes; the first process gets all results.

    Only RLE is kept of each photo. Classes are matched with those of the dataset by name.

    Args:
        predictor: Its classes are classes of the dataset.
        data: The dataset.
        on_event: Called with the progress of this process.

    Returns:
        COCO results in the order of the photos; None in every process but the first.

    Raises:
        InputError: A photo is missing, cannot be read, or has another size than the dataset says;
            or another process has failed.
    """
    found = [
        coco_records(instances, data, row)
        for row, instances in predicted_instances(predictor, data, on_event=on_event)
    ]
    parts = in_order(found, len(data))
    return None if parts is None else [record for part in parts for record in part]


def predicted_instances(
    predictor: Predictor, data: CocoData, *, on_event: OnEvent = ignore
) -> Iterator[tuple[int, Instances]]:
    """The instances in this process's share of the photos, one photo after another.

    Args:
        predictor: As for `predict_dataset`.
        data: The dataset.
        on_event: Called with the progress of this process.

    Yields:
        The index of a photo in the dataset, and its instances.

    Raises:
        InputError: As for `predict_dataset`.
    """
    data.require_photos()
    mine = range(process_rank(), len(data), process_count())
    workers, plan = predictor.workers(len(mine)), predictor.plan

    def need(row: int) -> Need:
        return plan.need_of_file(data.folder / data.images[row].file_name)

    def read(row: int) -> NDArray[np.uint8]:
        plan.require(data.images[row].file_name, need(row))
        return data.photo(row)

    budget, seen = look_within(
        plan,
        mine,
        need,
        read,
        predictor.predict_batch,
        batch_size=predictor.batch_size,
        workers=workers,
    )
    found = raised(seen, lambda _, row: data.images[row].file_name, budget)
    yield from zip(mine, told(found, on_event, "predicting", total=len(mine)), strict=True)


def coco_records(instances: Instances, data: CocoData, row: int) -> list[Json]:
    """The instances of a photo as COCO results; classes are matched by name."""
    ids = dict(zip(data.class_names, data.category_ids, strict=True))
    category_ids = [ids.get(name, 0) for name in instances.class_names]
    records = coco_annotations(instances, category_ids)
    return [{"image_id": data.images[row].id, **record} for record in records]


def in_order(mine: Sequence[Item], count: int) -> list[Item] | None:
    """The items of all processes, in the order of the photos, in the first process.

    Args:
        mine: One item for each photo of this process's share.
        count: Number of photos in the dataset.

    Returns:
        None in every process but the first.

    Raises:
        InputError: Another process has failed.
    """
    parts = to_first(mine)
    if parts is None:
        return None
    processes = len(parts)
    return [parts[i % processes][i // processes] for i in range(count)]
