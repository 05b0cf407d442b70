"""The display matrix of a video: how its frames are turned to be upright."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def matrix_of(frame: Any) -> NDArray[np.int32] | None:
    """The display matrix of a decoded frame, int32 (9,), or None."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            return np.frombuffer(bytes(data), np.int32)
    return None


def turned(image: NDArray[np.uint8], matrix: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Turn and mirror a frame by quarters, as its display matrix has it.

    Args:
        image: uint8 (H, W, 3).
        matrix: int32 (9,): column x, y of the frame is shown at a x + c y, b x + d y; a, b are the
            first and second number, c, d the fourth and fifth.
    """
    a, b, c, d = (int(matrix[place]) for place in (0, 1, 3, 4))
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, right, down = image.swapaxes(0, 1), c, b
    else:
        right, down = a, d
    shown = image[:: -1 if down < 0 else 1, :: -1 if right < 0 else 1]
    return np.ascontiguousarray(shown)
