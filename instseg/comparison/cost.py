"""Time and memory per image of each model, measured in a new process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instseg.comparison.load import load_unet
from instseg.core.json_types import Json
from instseg.core.overlap_rule import Rule
from instseg.core.semantic import to_semantic
from instseg.files.image import read_image
from instseg.system.memory import highest_memory_bytes

if TYPE_CHECKING:
    import torch

SemanticMapper = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

MOST_IMAGES = 8


def cost_of_unet(
    side: str,
    photos: Sequence[Path],
    weights: str,
    *,
    device: str,
    engine: str,
    precision: str,
) -> Json:
    """Time and memory from a photo to the U-Net's semantic map; see `measured`."""

    def load() -> tuple[SemanticMapper, torch.device]:
        segmenter = load_unet(weights, device=device, engine=engine, precision=precision)
        return segmenter, segmenter.device

    return measured(load, photos)


def cost_of_mask_rcnn(
    side: str,
    photos: Sequence[Path],
    weights: str,
    *,
    architecture: str | None,
    device: str,
    engine: str,
    precision: str,
    score_threshold: float,
    rule: Rule,
    priority: Sequence[str],
) -> Json:
    """Time and memory from a photo to Mask R-CNN's semantic map; see `measured`."""

    def load() -> tuple[SemanticMapper, torch.device]:
        from instseg.predict.predictor import Predictor

        predictor = Predictor(
            weights,
            architecture=architecture,
            device=device,
            engine=engine,
            precision=precision,
            score_threshold=score_threshold,
        )

        def semantic_map(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return to_semantic(predictor(photo), rule=rule, priority=priority)

        return semantic_map, predictor.device

    return measured(load, photos)


def measured(
    load: Callable[[], tuple[SemanticMapper, torch.device]], photos: Sequence[Path]
) -> Json:
    """Load a model and predict the first few photos, in a process that has done nothing else.

    Returns:
        `seconds` of an image (`median`, `fastest`, `slowest`); `memory_mb` that the model and its
        work add to the process at their peak; on a GPU also `gpu_memory_mb`, the peak there.
    """
    import torch

    from instseg.predict import segmenter  # noqa: F401  what is loaded once does not count

    images = [read_image(path) for path in photos[:MOST_IMAGES]]
    before = highest_memory_bytes()
    semantic_map, device = load()
    seconds = []
    for image in [images[0], *images]:  # the first is a warm-up
        start = time.perf_counter()
        semantic_map(image)
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
