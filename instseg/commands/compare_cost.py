"""What an image costs each side of `instseg compare-unet`: time and memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instseg.system.fresh_process import in_fresh_process
from instseg.core.semantic import to_semantic
from instseg.files.image import read_image
from instseg.system.memory import highest_memory_bytes

if TYPE_CHECKING:
    import torch

    from instseg.commands.compare_unet import CompareUnetConfig

Json = dict[str, Any]
LabelMapper = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

MOST_IMAGES = 8


def costs(config: CompareUnetConfig, photos: Sequence[Path]) -> dict[str, Json]:
    """What `cost` says of each side on the first few photos, each in a process of its own.

    Raises:
        InputError: One of them is killed.
    """
    first = photos[:MOST_IMAGES]
    return {side: in_fresh_process(cost, side, config, first) for side in ("unet", "mask_rcnn")}


def cost(side: str, config: CompareUnetConfig, photos: Sequence[Path]) -> Json:
    """What it takes from a photo to its label map, in a process that has done nothing else.

    Returns:
        `seconds` of an image (`median`, `fastest`, `slowest`); `memory_mb` that the model and its
        work add to the process at their peak; on a GPU also `gpu_memory_mb`, the peak there.
    """
    import torch

    from instseg.predict import segmenter  # noqa: F401  what is loaded once does not count

    images = [read_image(path) for path in photos]
    before = highest_memory_bytes()
    label_map, device = label_mapper(side, config)
    seconds = []
    for image in [images[0], *images]:  # the first only warms up
        start = time.perf_counter()
        label_map(image)
        seconds.append(time.perf_counter() - start)
    found: Json = {
        "seconds": {
            "median": statistics.median(seconds[1:]),
            "fastest": min(seconds[1:]),
            "slowest": max(seconds[1:]),
        },
        "memory_mb": (highest_memory_bytes() - before) / 2**20,
    }
    if device.type == "cuda":
        found["gpu_memory_mb"] = torch.cuda.max_memory_allocated(device) / 2**20
    return found


def label_mapper(side: str, config: CompareUnetConfig) -> tuple[LabelMapper, torch.device]:
    """What makes a label map of a photo, in all the classes of its model, and where it runs."""
    from instseg.commands.compare_unet import (
        load_mask_rcnn,
        load_predictor,
        load_unet,
        priority,
    )

    if side == "unet":
        segmenter = load_unet(config)
        return segmenter, segmenter.device
    model = load_mask_rcnn(config)
    predictor = load_predictor(config, model, score_threshold=config.score_threshold)
    order = priority(config, model.card.class_names)

    def label_map(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return to_semantic(predictor(photo), rule=config.rule, priority=order)

    return label_map, predictor.device
