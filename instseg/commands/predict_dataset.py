"""A model over a whole dataset, in one process or in several that torchrun has started."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from instseg.ahead import map_ahead
from instseg.commands.terminal import progress
from instseg.errors import InputError
from instseg.results import coco_annotations

if TYPE_CHECKING:
    from instseg.data.coco import CocoData
    from instseg.predict import Predictor

THREADS = 2  # that read photos

Json = dict[str, Any]


def process_rank() -> int:
    """Which of the processes this is; the first, 0, is the one that evaluates and writes."""
    return int(os.environ.get("RANK", "0"))


def process_count() -> int:
    """How many processes torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def process_device(name: str) -> str:
    """`auto` takes, of several GPUs, the one of this process."""
    import torch

    if name == "auto" and process_count() > 1 and torch.cuda.is_available():
        return f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"
    return name


def predict_dataset(predictor: Predictor, data: CocoData) -> list[Json] | None:
    """Predict every photo; each process takes its share, and the first gets them all.

    Only RLE is kept of each photo. Classes are matched with the dataset's by name.

    Args:
        predictor: Of classes that the dataset has.
        data: Whose photos are read.

    Returns:
        COCO results in the order of the photos; None in every process but the first.

    Raises:
        InputError: A photo is missing, cannot be read, or has another size than stated;
            or another process has failed.
    """
    missing = [i.file_name for i in data.images if not (data.folder / i.file_name).is_file()]
    if missing:  # better now than after an hour
        raise InputError(
            f"{data.folder}: {len(missing)} of {len(data)} photos are not there, the first is "
            f"{missing[0]}; `instseg doctor` lists them"
        )
    rank, count = process_rank(), process_count()
    ids = dict(zip(data.class_names, data.category_ids, strict=True))
    category_ids = [ids.get(name, 0) for name in predictor.class_names]
    mine = range(rank, len(data), count)
    found: list[list[Json]] = []
    if count > 1:
        import torch.distributed as dist

        dist.init_process_group("gloo", timeout=timedelta(days=1))  # shares may differ by hours
    with ThreadPoolExecutor(THREADS) as pool:
        photos = map_ahead(pool, data.photo, mine)
        for row, instances in zip(
            mine, progress(predictor.stream(photos), len(mine), "predicting"), strict=True
        ):
            image_id = data.images[row].id
            records = coco_annotations(instances, category_ids)
            found.append([{"image_id": image_id, **record} for record in records])
    if count == 1:
        return [record for records in found for record in records]
    parts: list[Any] | None = [None] * count if rank == 0 else None
    try:
        dist.gather_object(found, parts)
    except RuntimeError as error:
        raise InputError("another process has failed; its own message says why") from error
    dist.destroy_process_group()
    if parts is None:
        return None
    return [record for i in range(len(data)) for record in parts[i % count][i // count]]
