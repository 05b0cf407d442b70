"""The interface of Matterport's `model.detect`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.classes import COCO_CLASSES
from instseg.core.instances import Instances


def as_result(found: Instances) -> dict[str, NDArray[Any]]:
    """The instances of one image as `detect` returns them; see `Predictor.detect`."""
    return {
        "rois": np.rint(found.boxes[:, [1, 0, 3, 2]]).astype(np.int32),
        "class_ids": found.class_ids.astype(np.int32),
        "scores": found.scores,
        "masks": found.masks.dense().transpose(1, 2, 0),
    }


def warn_of_other_classes(class_names: Sequence[str]) -> None:
    """Warn, where `detect` is called, of classes that are not those of the tutorials."""
    if tuple(class_names) != COCO_CLASSES:
        warnings.warn(
            f"these weights have {len(class_names)} class names; draw with the "
            "predictor's class_names, as COCO's list of 81 names would misname what is found",
            stacklevel=3,
        )


def described(images: Sequence[NDArray[np.uint8]]) -> Iterator[str]:
    """The lines that `detect` prints if it is verbose."""
    yield f"Processing {len(images)} images\n"
    yield from map(_line, images)


def _line(image: NDArray[np.uint8]) -> str:
    low, high = (f"{value:10.5f}" if image.size else " " * 10 for value in _extremes(image))
    shape = f"shape: {image.shape!s:20}  min: {low}  max: {high}"
    return f"{'image':25}{shape}  {image.dtype}\n"


def _extremes(image: NDArray[np.uint8]) -> tuple[float, float]:
    return (float(image.min()), float(image.max())) if image.size else (0.0, 0.0)
