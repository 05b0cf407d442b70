"""Semantic maps drawn over what they label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.classes import palette
from instseg.core.colors import picture_colors
from instseg.core.semantic import IGNORE
from instseg.files.depth import to_rgb8

OPACITY = 0.65
IGNORED = (255, 255, 255)


def draw_labels(
    photo: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    class_names: Sequence[str],
    *,
    colors: NDArray[np.uint8] | None = None,
    opacity: float = OPACITY,
) -> NDArray[np.uint8]:
    """Colour each pixel by its class; background stays as it is, what is ignored turns white.

    Args:
        photo: uint8 RGB (H, W, 3); not modified.
        labels: uint8 (H, W), 0..K or 255.
        class_names: By label, [0] the background.
        colors: uint8 (K+1, 3), by label; those of `palette` if None.
        opacity: Of the colours, 0 to 1.

    Returns:
        uint8 RGB (H, W, 3).
    """
    table = np.zeros((IGNORE + 1, 3), dtype=np.float32)
    table[: len(class_names)] = palette(class_names) if colors is None else colors
    table[IGNORE] = IGNORED
    blended = photo * np.float32(1 - opacity) + table[labels] * np.float32(opacity)
    return np.where(labels[..., None] > 0, blended.round().astype(np.uint8), photo)


def distinct_palette(
    class_names: Sequence[str], maps: Iterable[NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """Colours of the classes on some semantic maps that are shown together, none like another.

    Args:
        class_names: By label, [0] the background.
        maps: uint8 (H, W) each, 0..K or 255. Where two classes have colours that look alike, the
            one with more pixels keeps its own.

    Returns:
        uint8 (K+1, 3), by label.
    """
    pixels = sum(np.bincount(each.ravel(), minlength=IGNORE + 1) for each in maps)
    pixels = np.broadcast_to(pixels, IGNORE + 1)[1 : len(class_names)]
    order = [int(c) + 1 for c in np.argsort(-pixels, kind="stable") if pixels[c]]
    colors = palette(class_names)
    for name, color in picture_colors([class_names[c] for c in order]).items():
        colors[list(class_names).index(name)] = color
    return colors


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
