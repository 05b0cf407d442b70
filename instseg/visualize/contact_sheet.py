"""Many photos on one picture, each with a caption."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from instseg.visualize.label_plates import label_font

_GAP_PX = 8
_FONT_PX = 13
_INK, _ALARM, _PAPER = (40, 40, 40), (190, 20, 30), (255, 255, 255)


def contact_sheet(
    tiles: Sequence[tuple[NDArray[np.uint8], str, str]], *, columns: int = 5, tile_px: int = 320
) -> NDArray[np.uint8]:
    """Photos in rows, each made small enough and never larger.

    Args:
        tiles: One or more photos, uint8 RGB (H, W, 3), each with a caption and a warning, which is
            written in red; lines that are too long are cut off.
        columns: Photos in a row.
        tile_px: Width and height of the place of a photo.

    Returns:
        uint8 RGB (H, W, 3).
    """
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    line_px = round(1.4 * _FONT_PX)
    step_x, step_y = tile_px + _GAP_PX, tile_px + 2 * line_px + _GAP_PX
    sheet = Image.new("RGB", (columns * step_x + _GAP_PX, rows * step_y + _GAP_PX), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, (photo, caption, warning) in enumerate(tiles):
        row, column = divmod(place, columns)
        left, top = _GAP_PX + column * step_x, _GAP_PX + row * step_y
        small = Image.fromarray(photo)
        small.thumbnail((tile_px, tile_px), Image.Resampling.LANCZOS)
        sheet.paste(small, (left + (tile_px - small.width) // 2, top + tile_px - small.height))
        for line, (text, color) in enumerate(((caption, _INK), (warning, _ALARM))):
            _write(pen, (left, top + tile_px + line * line_px), text, color, tile_px)
    return np.array(sheet)


def _write(
    pen: ImageDraw.ImageDraw, xy: tuple[int, int], text: str, color: tuple[int, int, int], px: int
) -> None:
    text = " ".join(text.split())  # JSON may hold line breaks, and halves of characters
    text = text.encode("utf-8", "replace").decode()
    font = label_font(_FONT_PX, text.isascii())
    if pen.textlength(text, font) > px:
        while text and pen.textlength(text + "...", font) > px:
            text = text[:-1]
        text += "..."
    pen.text(xy, text, color, font)
