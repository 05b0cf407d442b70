"""Photos that a network does badly on, beside what it should have found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from instseg.core.instances import Instances, Masks
from instseg.visualize.draw import check_photo, draw_instances
from instseg.visualize.label_plates import label_font

SCORE_THRESHOLD = 0.5  # of the predictions that are drawn
HEADINGS = ("truth (filled: missed)", "prediction (filled: wrong)")

_GAP_PX, _LINE_PX, _FONT_PX = 12, 26, 16
_NARROWEST_PX = 240  # of a column, for its heading
_INK, _SOFT, _PAPER = (40, 40, 40), (110, 110, 110), (240, 240, 240)


@dataclass(frozen=True, kw_only=True, eq=False)
class WorstPhoto:
    """A photo, what is there and what is predicted.

    Attributes:
        photo: uint8 RGB (H, W, 3).
        truth: M objects.
        predicted: N predictions, of any score.
        missed: bool (M,), the objects that were not found.
        wrong: bool (N,), the predictions that are wrong.
        caption: Such as the photo's name and how many are missed and wrong.
    """

    photo: NDArray[np.uint8]
    truth: Instances
    predicted: Instances
    missed: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    caption: str


def draw_worst(
    rows: Sequence[WorstPhoto], *, cell_wh: tuple[int, int] = (640, 480)
) -> NDArray[np.uint8]:
    """Draw photos twice: left with the truth, right with the predictions that score 0.5 or more.

    Mistakes, what is missed or wrong, are filled and named; what is right is outlined.

    Args:
        rows: One or more, from top to bottom.
        cell_wh: The most pixels a photo takes; larger ones are made smaller, none larger.

    Returns:
        uint8 RGB (H, W, 3).

    Raises:
        ValueError: a photo is not uint8 (H, W, 3), or its instances belong to another size.
    """
    pairs = [(_truth(row, cell_wh), _prediction(row, cell_wh)) for row in rows]
    column_px = max(_NARROWEST_PX, *(left.width for left, _ in pairs)) + _GAP_PX
    height = _LINE_PX + sum(_LINE_PX + left.height + _GAP_PX for left, _ in pairs)
    sheet = Image.new("RGB", (2 * column_px + _GAP_PX, height), _PAPER)
    places = (_GAP_PX, _GAP_PX + column_px)
    for x, heading in zip(places, HEADINGS, strict=True):
        _write(sheet, x, 0, heading, _SOFT)
    y = _LINE_PX
    for row, pair in zip(rows, pairs, strict=True):
        _write(sheet, _GAP_PX, y, row.caption, _INK)
        for x, picture in zip(places, pair, strict=True):
            sheet.paste(picture, (x, y + _LINE_PX))
        y += _LINE_PX + pair[0].height + _GAP_PX
    return np.array(sheet)


def _write(sheet: Image.Image, x: int, y: int, text: str, color: tuple[int, int, int]) -> None:
    """A line of text; of one that is too long, the end is cut off by the sheet."""
    text = text.encode("utf-8", "replace").decode()  # JSON may hold halves of characters
    font = label_font(_FONT_PX, text.isascii())
    ImageDraw.Draw(sheet).text((x, y + _LINE_PX / 2), text, color, font, anchor="lm")


def _truth(row: WorstPhoto, cell_wh: tuple[int, int]) -> Image.Image:
    return _picture(row.photo, row.truth[~row.missed], row.truth[row.missed], cell_wh)


def _prediction(row: WorstPhoto, cell_wh: tuple[int, int]) -> Image.Image:
    drawn = row.predicted.scores >= SCORE_THRESHOLD
    right, wrong = row.predicted[drawn & ~row.wrong], row.predicted[drawn & row.wrong]
    return _picture(row.photo, right, wrong, cell_wh)


def _picture(
    photo: NDArray[np.uint8], right: Instances, mistakes: Instances, cell_wh: tuple[int, int]
) -> Image.Image:
    check_photo(photo, right.size_hw)
    small = Image.fromarray(photo)
    small.thumbnail(cell_wh, Image.Resampling.LANCZOS)
    outlined = draw_instances(
        np.asarray(small),
        _resized(right, small.size),
        opacity=0,
        show_boxes=False,
        show_labels=False,
    )
    return Image.fromarray(draw_instances(outlined, _resized(mistakes, small.size)))


def _resized(instances: Instances, size_wh: tuple[int, int]) -> Instances:
    """As they lie on the photo when it has this size, so that lines and letters suit it."""
    width, height = size_wh
    dense = np.zeros((len(instances), height, width), np.uint8)
    for i, mask in enumerate(dense):
        whole = Image.fromarray(instances.masks.dense(i).view(np.uint8))
        mask[:] = np.asarray(whole.resize(size_wh, Image.Resampling.NEAREST))
    boxes = instances.boxes * (width / instances.size_hw[1])
    return replace(instances, boxes=boxes, masks=Masks.from_dense(dense))
