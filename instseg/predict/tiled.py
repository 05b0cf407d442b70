"""A photo in tiles, and as a whole for objects that are larger than a tile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from instseg.core.instances import Instances
from instseg.core.windows import Window, whole_window
from instseg.files.windows import TiffWindows
from instseg.predict.detector_memory import DetectorPlan
from instseg.predict.large import Photo, as_windows
from instseg.predict.pipeline import look_ahead, raised
from instseg.predict.tiles import join_tiles, tile_windows
from instseg.system.ahead import batched
from instseg.system.threads import Workers, workers_for

Predict = Callable[[list[NDArray[np.uint8]], Sequence[tuple[int, int]] | None], list[Instances]]


def predict_tiled(
    photo: Photo, predict: Predict, plan: DetectorPlan, overlap: float, device: torch.device
) -> Instances:
    """Predict each tile of a photo, and the photo as a whole, and join what was found.

    Args:
        photo: An array, or a file of which windows are read.
        predict: The network, called with images and the sizes of the photos that they show, or
            None if they are not shrunk.
        plan: Says how many tiles go through the network together.
        overlap: Of neighbouring tiles, as a share of their size.
        device: Of the network.
    """
    assert plan.tile is not None
    source = as_windows(photo)
    size_hw = source.size_hw
    windows = tile_windows(size_hw, plan.tile, overlap)
    if len(windows) == 1:
        return predict([source.read(whole_window(size_hw))], None)[0]
    factor = plan.preview_factor(size_hw)
    if isinstance(photo, TiffWindows):
        parts = _of_file(photo, windows, predict, plan, device)
        preview = photo.whole(factor)
    else:
        batches = batched(map(source.read, windows), plan.batch_of_tiles(size_hw))
        parts = [found for batch in batches for found in predict(batch, None)]
        preview = source.read(whole_window(size_hw), factor)
    (whole,) = predict([preview], None if factor == 1 else [size_hw])
    return join_tiles(parts, windows, whole)


def _of_file(
    photo: TiffWindows,
    windows: Sequence[Window],
    predict: Predict,
    plan: DetectorPlan,
    device: torch.device,
) -> list[Instances]:
    """The instances of each window; those to come are read while the network works."""
    most = plan.tiles_in_windows(photo.size_hw)
    batch_size = min(plan.batch_size, most)
    workers = workers_for(device, -(-len(windows) // batch_size))
    count = min(workers.count, max(most // batch_size, 1))
    threads = max(workers.count * workers.threads // count, 1)
    looks = look_ahead(
        windows,
        photo.read,
        lambda images: predict(images, None),
        batch_size=batch_size,
        workers=Workers(count, threads),
    )
    return list(raised(looks, lambda number, _: f"{photo.path}, tile {number + 1}"))
