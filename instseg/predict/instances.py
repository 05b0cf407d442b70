"""What a network finds, as `Instances`."""

from __future__ import annotations

from collections.abc import Sequence

from instseg.core.instances import Instances
from instseg.models.detections import Detections
from instseg.predict.paste import paste_batch


def to_instances(
    found: Detections, size_hw: tuple[int, int], class_names: tuple[str, ...]
) -> Instances:
    """Paste the soft masks and convert torch to numpy."""
    return all_to_instances([found], [size_hw], class_names)[0]


def all_to_instances(
    found: Sequence[Detections], sizes_hw: Sequence[tuple[int, int]], class_names: tuple[str, ...]
) -> list[Instances]:
    """The same for several photos, whose masks may be on a GPU."""
    pasted = paste_batch([e.soft_masks for e in found], [e.boxes for e in found], sizes_hw)
    return [
        Instances(
            boxes=each.boxes.numpy(),
            class_ids=each.class_ids.numpy(),
            scores=each.scores.numpy(),
            masks=masks,
            class_names=class_names,
        )
        for each, masks in zip(found, pasted, strict=True)
    ]
