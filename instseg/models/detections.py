"""What a detector is asked for, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Detections:
    """The detections of the network in one image.

    Attributes:
        boxes: float32 (N, 4) xyxy in pixels of the original image.
        class_ids: int64 (N,), 1..K.
        scores: float32 (N,), in descending order.
        soft_masks: float32 (N, 28, 28), probabilities inside the box; those of a GPU stay there.
    """

    boxes: Tensor
    class_ids: Tensor
    scores: Tensor
    soft_masks: Tensor


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What one look at an image finds without masks.

    Attributes:
        class_ids: int64 (N,), 1..K.
        scores: float32 (N,), in descending order.
        features: float32 (C,), the means of the maps of the backbone.
    """

    class_ids: Tensor
    scores: Tensor
    features: Tensor


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which detections are kept.

    Attributes:
        score_threshold: Only higher scores are kept.
        max_detections: At most this many detections per image.
        class_ids: Only these classes; None for all.
    """

    score_threshold: float = 0.05
    max_detections: int = 100
    class_ids: frozenset[int] | None = None


class Kept(NamedTuple):
    """What is kept in one image.

    Attributes:
        boxes: float32 (N, 4) xyxy in pixels of the network's input.
        outputs: int64 (N,), outputs of the network.
        scores: float32 (N,), in descending order.
    """

    boxes: Tensor
    outputs: Tensor
    scores: Tensor
