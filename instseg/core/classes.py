"""The COCO classes: names, dataset ids, and one stable colour per class name."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# fmt: off
COCO_CLASSES: tuple[str, ...] = (
    "BG",
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack", "umbrella",
    "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant",
    "bed", "dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone",
    "microwave", "oven", "toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors",
    "teddy bear", "hair drier", "toothbrush",
)  # index = class id inside instseg
# fmt: on

# Each next colour is the one farthest, by CIEDE2000, from all before it, among colours neither
# dark, pale nor grey: the commonest classes differ most, and no two by less than 9.
_COCO_COLORS = bytes.fromhex("""
    000000
    e12d3c 00ff69 00b4ff ffb40f ffc3ff 5a7800 784bf0 00a596 ff1eb4 a5691e ffa596 b4c31e 3cf0ff
    9696e1 0078d2 ff690f 2da54b 965a87 87d2a5 b4964b e187a5 e178ff d21e69 f0e196 c37869 c300c3
    6969a5 c34b0f f0a569 c3f087 87964b 00ffd2 ffe100 00875a 877800 5ac300 ff4b78 a569c3 00a5c3
    5a96ff 96c3ff 00d2c3 d28700 c396d2 d2b41e 1ed2ff 00870f ff5a4b a55a4b 6978f0 ff78d2 c369a5
    a5c378 0087b4 00d278 c3f000 a578ff c36978 c3875a ffd296 3cb487 5a874b 5a9600 c3b4ff 00c3d2
    c33c96 ff8700 e13ce1 008778 f02d0f 969600 ffa5d2 d26900 87f0e1 c3b469 96783c f07878 78a569
    b44b5a 87f02d
""")

_UNUSED_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
COCO_CATEGORY_IDS: tuple[int, ...] = tuple(i for i in range(91) if i not in _UNUSED_IDS)
"""COCO's own category id of each class: 0 for the background, then 1..90 with gaps."""


def class_color(name: str) -> tuple[int, int, int]:
    """The colour of a class: RGB, 0..255, the same in every run and on every machine.

    The COCO classes have well-distinguished colours; any other name gets one from a checksum of
    its letters. The background is black.
    """
    if name in COCO_CLASSES:
        start = 3 * COCO_CLASSES.index(name)
        red, green, blue = _COCO_COLORS[start : start + 3]
        return red, green, blue
    shade, hue = divmod(zlib.crc32(name.encode()), 2**16)
    value, saturation = divmod(shade, 2**8)
    rgb = colorsys.hsv_to_rgb(hue / 2**16, 0.45 + 0.4 * saturation / 255, 0.8 + 0.2 * value / 255)
    return round(255 * rgb[0]), round(255 * rgb[1]), round(255 * rgb[2])


def palette(class_names: Sequence[str]) -> NDArray[np.uint8]:
    """The colours of class ids: uint8 (K+1, 3) for K+1 names, row 0 (the background) black."""
    colors = np.array([class_color(name) for name in class_names], dtype=np.uint8).reshape(-1, 3)
    colors[:1] = 0
    return colors
