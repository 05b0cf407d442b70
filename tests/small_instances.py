"""Instances of tiny photos, for tests of files."""

import numpy as np

from instseg.core.instances import Instances, Masks

NAMES = ("BG", "cat", "dog")
IDS = (0, 17, 3)


def found(*class_ids: int, score: float = 0.1) -> Instances:
    """Instances of 8 x 10 photos, each a rectangle of 2 x 3 pixels at y 1, x 2."""
    dense = np.zeros((len(class_ids), 8, 10), dtype=bool)
    dense[:, 1:3, 2:5] = True
    return Instances(
        boxes=np.tile([2.0, 1.0, 5.0, 3.0], (len(class_ids), 1)),
        class_ids=class_ids,
        scores=[score] * len(class_ids),
        masks=Masks.from_dense(dense),
        class_names=NAMES,
    )
