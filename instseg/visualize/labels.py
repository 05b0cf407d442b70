"""Label maps drawn over what they label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.classes import palette
from instseg.core.semantic import IGNORE
from instseg.files.image import to_rgb8

OPACITY = 0.65
IGNORED = (255, 255, 255)


def draw_labels(
    photo: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    class_names: Sequence[str],
    *,
    opacity: float = OPACITY,
) -> NDArray[np.uint8]:
    """Colour each pixel by its class; background stays as it is, what is ignored turns white.

    Args:
        photo: uint8 RGB (H, W, 3); not modified.
        labels: uint8 (H, W), 0..K or 255.
        class_names: By label, [0] the background.
        opacity: Of the colours, 0 to 1.

    Returns:
        uint8 RGB (H, W, 3).
    """
    colors = np.zeros((IGNORE + 1, 3), dtype=np.float32)
    colors[: len(class_names)] = palette(class_names)
    colors[IGNORE] = IGNORED
    blended = photo * np.float32(1 - opacity) + colors[labels] * np.float32(opacity)
    return np.where(labels[..., None] > 0, blended.round().astype(np.uint8), photo)


def as_photo(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Any image (H, W, C) as uint8 RGB (H, W, 3), to be looked at.

    What is not uint8 is stretched from its lowest to its highest value; of channels other than
    RGB, the first is shown in grey.
    """
    shown = image if image.shape[2] == 3 else image[..., :1]
    if shown.dtype != np.uint8:
        low, high = float(shown.min()), float(shown.max())
        scaled = (shown.astype(np.float64) - low) / (high - low or 1)
        shown = (255 * scaled).round().astype(np.uint8)
    return to_rgb8(shown)
