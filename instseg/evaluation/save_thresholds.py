"""The best score threshold of each class, stored in a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from instseg.files.model_file import read_model_card, with_card
from instseg.files.weights import NAMED, locate


def save_thresholds(
    weights: str, architecture: str | None, best: Mapping[str, float], folder: Path | None
) -> Path:
    """Store score thresholds in a model file.

    Args:
        weights: A name or a path.
        architecture: Architecture of a `.pth` file.
        best: The threshold of each class.
        folder: Folder for a copy of named weights, or of a `.pth` file.

    Returns:
        The model file with the thresholds.
    """
    from instseg.models.mask_rcnn import load_detector

    source = locate(weights)
    if weights not in NAMED and source.suffix == ".safetensors":
        target = source
    else:
        assert folder is not None  # which `evaluate` checks
        target = folder / f"{Path(weights).stem}.safetensors"
    if source.suffix == ".safetensors":
        with_card(source, replace(read_model_card(source), thresholds=dict(best)), target)
    else:
        model = load_detector(weights, architecture=architecture)
        replace(model, card=replace(model.card, thresholds=dict(best))).save(target)
    return target
