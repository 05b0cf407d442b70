"""The pseudo-labels of an epoch, as compact as in a results file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from instseg.core.instances import Instances
from instseg.core.masks import Masks


class _Found(msgspec.Struct, frozen=True):
    """The detections in a photo: class ids, scores and RLE."""

    class_ids: list[int]
    scores: list[float]
    masks: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class PseudoLabelled:
    """The pseudo-labels of a photo.

    Attributes:
        objects: What is learnt.
        ignored: Regions that are neither objects nor background.
    """

    objects: Instances
    ignored: Masks


@dataclass(kw_only=True)
class EpochLabels:
    """Pseudo-labels of the photos of one epoch, kept in checkpoints.

    Args:
        scores: Detections are objects from the second score on, and ignored from the first.

    Attributes:
        epoch: The epoch, from 0; -1 before the first.
        slots: The photo of each slot.
        failed: Photos that could not be read.
        learnt: Number of objects in all photos.
        ignored: Number of ignored regions.
    """

    scores: tuple[float, float]
    epoch: int = field(init=False, default=-1)
    slots: list[int] = field(init=False, default_factory=list)
    failed: list[int] = field(init=False, default_factory=list)
    learnt: int = field(init=False, default=0)
    ignored: int = field(init=False, default=0)
    _found: dict[int, str] = field(init=False, default_factory=dict)

    def replace(self, epoch: int, drawn: Sequence[int], found: Mapping[int, str | None]) -> None:
        """Take the labels of a new epoch.

        Args:
            epoch: The epoch.
            drawn: The photo for each slot; another takes the place of one that failed.
            found: For each photo what `encoded` made of its detections, or None if it failed.
        """
        self._found = {photo: text for photo, text in found.items() if text is not None}
        self.failed = sorted({*self.failed, *(p for p, text in found.items() if text is None)})
        good = [photo for photo in drawn if photo in self._found]
        self.slots = [
            photo if photo in self._found else good[slot % len(good)]
            for slot, photo in enumerate(drawn)
            if good
        ]
        self.epoch = epoch
        scores = np.array([s for text in self._found.values() for s in _decoded(text).scores])
        self.learnt = int((scores >= self.scores[1]).sum())
        self.ignored = len(scores) - self.learnt

    @property
    def photos(self) -> int:
        """Number of different photos."""
        return len(self._found)

    def photo_in(self, slot: int) -> int:
        """The photo of a slot."""
        return self.slots[slot]

    def of(
        self, photo: int, size_hw: tuple[int, int], class_names: tuple[str, ...]
    ) -> PseudoLabelled:
        """The pseudo-labels of a photo.

        Args:
            photo: Its number.
            size_hw: Height and width.
            class_names: Of the network that has found them.
        """
        found = _decoded(self._found[photo])
        masks = Masks.from_rle(found.masks, size_hw)
        instances = Instances(
            boxes=masks.boxes_xyxy(),
            class_ids=np.array(found.class_ids, dtype=np.int64),
            scores=np.array(found.scores, dtype=np.float32),
            masks=masks,
            class_names=class_names,
        )
        sure = np.array(found.scores) >= self.scores[1]
        return PseudoLabelled(objects=instances[sure], ignored=masks[~sure])

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "epoch": self.epoch,
            "slots": self.slots,
            "failed": self.failed,
            "counts": [self.learnt, self.ignored],
            "found": self._found,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.epoch, self.slots, self.failed = state["epoch"], state["slots"], state["failed"]
        self.learnt, self.ignored = state["counts"]
        self._found = state["found"]


def encoded(found: Instances) -> str:
    """Detections as JSON; those without a pixel are left out."""
    there = found[found.masks.areas() > 0]
    scores = [float(str(score)) for score in there.scores]  # 0.7, not float32's 0.69999999
    record = _Found(there.class_ids.tolist(), scores, there.masks.to_rle())
    return msgspec.json.encode(record).decode()


def _decoded(text: str) -> _Found:
    return msgspec.json.decode(text, type=_Found)
