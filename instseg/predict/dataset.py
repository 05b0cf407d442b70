"""A model over a whole dataset, in one process or in several that torchrun has started."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from instseg.core.events import OnEvent, ignore, told
from instseg.files.results import coco_annotations
from instseg.system.ahead import batched, map_ahead
from instseg.system.processes import process_count, process_rank, to_first

if TYPE_CHECKING:
    from instseg.data.coco import CocoData
    from instseg.predict.predictor import Predictor

THREADS = 2  # that read photos

Json = dict[str, Any]


def predict_dataset(
    predictor: Predictor, data: CocoData, *, on_event: OnEvent = ignore
) -> list[Json] | None:
    """Predict every photo; each process takes its share, and the first gets them all.

    Only RLE is kept of each photo. Classes are matched with the dataset's by name.

    Args:
        predictor: Of classes that the dataset has.
        data: Whose photos are read.
        on_event: Told of the progress of this process.

    Returns:
        COCO results in the order of the photos; None in every process but the first.

    Raises:
        InputError: A photo is missing, cannot be read, or has another size than stated;
            or another process has failed.
    """
    data.require_photos()
    rank, count = process_rank(), process_count()
    ids = dict(zip(data.class_names, data.category_ids, strict=True))
    category_ids = [ids.get(name, 0) for name in predictor.class_names]
    mine = range(rank, len(data), count)
    found: list[list[Json]] = []
    with ThreadPoolExecutor(THREADS) as pool:
        batches = batched(map_ahead(pool, data.photo, mine), predictor.batch_size)
        stream = (each for batch in batches for each in predictor.predict_batch(batch))
        for row, instances in zip(
            mine, told(stream, on_event, "predicting", total=len(mine)), strict=True
        ):
            image_id = data.images[row].id
            records = coco_annotations(instances, category_ids)
            found.append([{"image_id": image_id, **record} for record in records])
    parts = to_first(found)
    if parts is None:
        return None
    return [record for i in range(len(data)) for record in parts[i % count][i // count]]
