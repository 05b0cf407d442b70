"""Loads weights of any kind, by name or path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from instseg.core.options import checks_types
from instseg.files.model_file import read_model_card
from instseg.files.weights import NAMED, locate
from instseg.models import registry
from instseg.models.mask_rcnn import Model, load_detector
from instseg.models.segmenters import SegmenterModel, load_segmenter


@checks_types
@torch.random.fork_rng(devices=[])  # networks are drawn at random before they are loaded
def load_model(
    weights: str | Path,
    *,
    architecture: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Model | SegmenterModel:
    """Load a model: find its weights, download them if necessary, and build its network.

    Args:
        weights: The name of a Mask R-CNN (`coco-v2`, `coco-v1`, `photos`, `demo`) or of a U-Net
            (`photos-unet`, `unet-demo`), or the path of a model file or of a torchvision state
            dict (`.pth`).
        architecture: Architecture of a `.pth` file: `resnet50_fpn` or `resnet50_fpn_v2`. Named
            weights and model files contain it.
        progress: Called with the bytes downloaded and the total.

    Returns:
        A `Model`, for instances and `Predictor`, or a `SegmenterModel`, for semantic maps and
        `Segmenter`. Both have a `card`, a `network` and `save(path)`.

    Raises:
        InputError: when the weights are not available, are damaged, or do not fit the architecture.
    """
    path = locate(weights, progress=progress)
    named = NAMED.get(str(weights))
    if path.suffix != ".safetensors":
        return load_detector(path, architecture=named.architecture if named else architecture)
    if registry.is_segmenter(read_model_card(path).architecture):
        return load_segmenter(path)
    return load_detector(path, architecture=architecture)
