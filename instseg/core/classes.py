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

# Neither dark, pale nor grey. The classes of the drawn scenes differ from one another, and so do
# the 20 that COCO has most objects of, by 15 or more in CIEDE2000, and by 7 or more as readers with
# protanopia or deuteranopia see them; no two of all 80 differ by less than 9.
_COCO_COLORS = bytes.fromhex("""
    000000
    f01e3c 87a500 965a78 4b69a5 a53c00 ff5ad2 b4785a 960000 00ffff 5ab4b4 ffa587 004bd2 d200a5
    00e196 9687c3 87b478 3c96e1 ffe1a5 ff7800 e1c3ff 00c3f0 00b41e 96874b d2005a 00965a 96005a
    b4ff78 964b4b 785a96 c3c369 96f0d2 009687 a587ff 96c3ff b469b4 e13c00 6969ff c3781e d296d2
    ffb4d2 96d200 b43cff f03c87 00c3a5 ff6969 966900 781e96 ffe100 1ee13c e1f05a 784bd2 4b3c96
    ff693c d2a569 0087a5 0078b4 0000ff f0a5a5 ffc396 963c87 ffb400 d278f0 5a963c 78e1f0 f087b4
    7896f0 c31e1e c3a53c 9669d2 961e3c a51ec3 3cb478 b45a3c d27887 d2f0b4 f000e1 965a1e d28778
    c35a5a b48700
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
    shade, hue = divmod(zlib.crc32(name.encode(errors="surrogatepass")), 2**16)
    value, saturation = divmod(shade, 2**8)
    rgb = colorsys.hsv_to_rgb(hue / 2**16, 0.45 + 0.4 * saturation / 255, 0.8 + 0.2 * value / 255)
    return round(255 * rgb[0]), round(255 * rgb[1]), round(255 * rgb[2])


def palette(class_names: Sequence[str]) -> NDArray[np.uint8]:
    """The colours of class ids: uint8 (K+1, 3) for K+1 names, row 0 (the background) black."""
    colors = np.array([class_color(name) for name in class_names], dtype=np.uint8).reshape(-1, 3)
    colors[:1] = 0
    return colors
