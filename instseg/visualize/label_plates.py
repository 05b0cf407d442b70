"""Labels: a name in black or white letters on a plate of the instance's colour."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from instseg.core.colors import Rgb
from instseg.visualize.label_places import Places

LABEL_PX = 12  # height of the letters on a 640 x 480 photo
SMALLEST_LABEL_PX = 10
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_EQUAL_CONTRAST = math.sqrt(1.05 * 0.05) - 0.05  # luminance as far from black as from white


def draw_label_plates(
    canvas: NDArray[np.uint8],
    texts: Sequence[str],
    boxes: NDArray[np.int64],
    colors: Sequence[Rgb],
    scale: float,
) -> None:
    """Draw labels near their boxes; those that find no free place are left out.

    Args:
        canvas: uint8 (H, W, 3), changed in place.
        texts: N labels; the first ones choose their places first.
        boxes: int64 (N, 4), x0 y0 x1 y1, the pixels of each instance.
        colors: Colour of each plate.
        scale: Size of the letters, 1 for a photo of 640 x 480.
    """
    size_wh = canvas.shape[1], canvas.shape[0]
    full_px = max(SMALLEST_LABEL_PX, round(LABEL_PX * scale))
    small = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) < (6 * full_px) ** 2
    places = Places(size_wh, boxes[small], gap_px=max(1, full_px // 10))
    for text, box, color in zip(map(_one_line, texts), boxes, colors, strict=True):
        for letters in _of_sizes(text, full_px, size_wh[0]):
            place = places.take(box, letters.shape[::-1])
            if place is not None:
                x0, y0, x1, y1 = place.tolist()
                mixtures = np.linspace(color, text_color(color), 256).astype(np.uint8)
                canvas[y0:y1, x0:x1] = mixtures[letters[: y1 - y0, : x1 - x0]]
                break


def text_color(plate: Rgb) -> Rgb:
    """Black or white, with a contrast of 4.5:1 or more (WCAG 2) to a plate of this colour."""
    channels = [c / 255 for c in plate]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return _BLACK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > _EQUAL_CONTRAST else _WHITE


@cache
def label_font(size_px: int, ascii_only: bool) -> ImageFont.FreeTypeFont:
    """The font of labels; one that has more than Latin letters only where they are needed."""
    if ascii_only:
        font = ImageFont.load_default(size=size_px)
        assert isinstance(font, ImageFont.FreeTypeFont)  # it is, whenever a size is given
        return font
    from matplotlib import get_data_path  # Pillow's own font has no accents and no other scripts

    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size_px)


def _one_line(text: str) -> str:
    """A name may hold line breaks, and halves of characters."""
    return " ".join(text.split()).encode("utf-8", "replace").decode()


def _of_sizes(text: str, full_px: int, width: int) -> Iterator[NDArray[np.uint8]]:
    """A text in letters of two sizes, the larger first, of which no line is too long if it can."""
    letters = _letters(text, full_px)
    fitting_px = min(full_px, int(full_px * width / letters.shape[1]))
    first_px = max(SMALLEST_LABEL_PX, fitting_px)
    yield letters if first_px == full_px else _letters(text, first_px)
    second_px = max(SMALLEST_LABEL_PX, round(0.75 * first_px))
    if second_px < first_px:
        yield _letters(text, second_px)


@lru_cache(maxsize=1024)
def _letters(text: str, font_px: int) -> NDArray[np.uint8]:
    """A line of text on its plate: 0 (plate) to 255 (letter), uint8 (h, w)."""
    font = label_font(font_px, text.isascii())
    size_wh = math.ceil(font.getlength(text) + font_px / 2), max(1, round(1.3 * font_px))
    plate = Image.new("L", size_wh)
    ImageDraw.Draw(plate).text((font_px / 4, size_wh[1] / 2), text, 255, font, anchor="lm")
    letters = np.array(plate)
    letters.setflags(write=False)
    return letters
