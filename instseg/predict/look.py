"""One pass of the network over photos, or parts of photos, of any sizes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from instseg.core.instances import Instances
from instseg.models.detections import Choice, Detections
from instseg.predict.detector_memory import WHOLE_MASKS, DetectorPlan
from instseg.predict.engine import Detects
from instseg.predict.images import shortened
from instseg.predict.instances import all_to_instances
from instseg.system.ahead import batched

Size = tuple[int, int]


@dataclass(frozen=True)
class Look:
    """Runs a network.

    Attributes:
        detector: The network.
        class_names: Names by class id.
        plan: Predicts memory.
        on_left_out: Called with the number of objects whose masks are too large for the memory.
    """

    detector: Detects
    class_names: tuple[str, ...]
    plan: DetectorPlan
    on_left_out: Callable[[int], None]

    def __call__(
        self,
        images: Sequence[NDArray[np.uint8]],
        choice: Choice,
        sizes_hw: Sequence[Size] | None = None,
    ) -> list[Instances]:
        """The instances of photos, which share a batch only where padding changes none of them.

        Args:
            images: Each uint8 RGB (H, W, 3).
            choice: Which detections are kept.
            sizes_hw: The size of the photo that each image shows, if it is shrunk.
        """
        sizes = [(e.shape[0], e.shape[1]) for e in images] if sizes_hw is None else sizes_hw
        looks = [shortened(image, self.plan.max_size) for image in images]
        groups: dict[tuple[int, ...], list[int]] = {}
        for i, look in enumerate(looks):
            groups.setdefault(look.shape, []).append(i)
        found: dict[int, Instances] = {}
        parts = [
            part
            for (height, width, _), rows in groups.items()
            for part in batched(rows, self.plan.batch((height, width), len(rows)))
        ]
        for rows in parts:
            tensors = [torch.from_numpy(looks[i]).permute(2, 0, 1) for i in rows]
            results = self.detector(tensors, choice)
            for k, i in enumerate(rows):
                (height, width), (seen_h, seen_w) = sizes[i], looks[i].shape[:2]
                if (height, width) != (seen_h, seen_w):
                    factors = torch.tensor([width / seen_w, height / seen_h])
                    results[k] = replace(results[k], boxes=results[k].boxes * factors.repeat(2))
                if sizes_hw is not None:
                    results[k] = self._fitting(results[k])
            of_rows = [sizes[i] for i in rows]
            found |= zip(rows, all_to_instances(results, of_rows, self.class_names), strict=True)
        return [found[i] for i in range(len(images))]

    def _fitting(self, found: Detections) -> Detections:
        """The best detections whose masks fit into the memory together."""
        sides = found.boxes[:, 2:] - found.boxes[:, :2]
        kept = sides.prod(1).cumsum(0) <= WHOLE_MASKS
        if bool(kept.all()):
            return found
        self.on_left_out(int((~kept).sum()))
        return Detections(
            boxes=found.boxes[kept],
            class_ids=found.class_ids[kept],
            scores=found.scores[kept],
            soft_masks=found.soft_masks[kept.to(found.soft_masks.device)],
        )
