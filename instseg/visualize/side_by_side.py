"""Two models' semantic maps of a photo side by side, and where which of them is right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from instseg.core.colors import Rgb
from instseg.core.semantic import IGNORE
from instseg.visualize.draw import check_photo
from instseg.visualize.label_plates import label_font
from instseg.visualize.labels import IGNORED, distinct_palette, draw_labels

Labels = NDArray[np.uint8]

HEADINGS = ("photo", "truth", "U-Net", "Mask R-CNN", "who is right")
ONLY_UNET, ONLY_MASK_RCNN, NEITHER = (213, 94, 0), (0, 114, 178), (31, 35, 40)
BOTH = (150, 150, 150)  # in the legend: the grey photo, without a colour

_BLACK, _CONTRAST = 90, 0.45  # of the grey photo below the colours, so that these stand out
_OPACITY = 0.8  # of the colours
_GAP_PX, _LINE_PX, _FONT_PX = 10, 24, 15
_NARROWEST_PX = 110  # of a column, for its heading
_INK, _SOFT, _PAPER = (40, 40, 40), (110, 110, 110), (255, 255, 255)


@dataclass(frozen=True, kw_only=True, eq=False)
class SideBySide:
    """A photo and three semantic maps of it.

    Attributes:
        photo: uint8 RGB (H, W, 3).
        truth: uint8 (H, W), 0..K or 255.
        unet: uint8 (H, W), 0..K.
        mask_rcnn: uint8 (H, W), 0..K.
        caption: Such as the photo's name and the scores of both.
    """

    photo: NDArray[np.uint8]
    truth: Labels
    unet: Labels
    mask_rcnn: Labels
    caption: str


def draw_side_by_side(
    rows: Sequence[SideBySide], class_names: Sequence[str], *, cell_px: int = 320
) -> NDArray[np.uint8]:
    """Draw photos in rows: the photo, the truth, both models, and where which of them is right.

    Classes have their own colours, over the photo in grey, but where two of a sheet look alike the
    one with fewer pixels has another (see `distinct_palette`); a legend below each photo names
    those that are on it. Pixels that the truth ignores are white.

    Args:
        rows: One or more, from top to bottom.
        class_names: K+1 names, [0] the background.
        cell_px: The most pixels a photo is wide or high; larger ones are made smaller, none larger.

    Returns:
        uint8 RGB (H, W, 3).

    Raises:
        ValueError: A photo is not uint8 (H, W, 3), or a semantic map is of another size.
    """
    table = distinct_palette(class_names, [each for row in rows for each in _counted(row)])
    colors = [tuple(color) for color in table.tolist()]
    drawn = [(row, _panels(row, class_names, table, cell_px)) for row in rows]
    column_px = max(_NARROWEST_PX, *(panels[0].width for _, panels in drawn)) + _GAP_PX
    width = len(HEADINGS) * column_px + _GAP_PX
    legends = [[(colors[c], class_names[c]) for c in _on_it(row)] for row, _ in drawn]
    places = [_flow(legend, width) for legend in legends]
    heights = [
        2 * _LINE_PX + panels[0].height + _GAP_PX + place[-1][1]
        for (_, panels), place in zip(drawn, places, strict=True)
    ]
    meaning = (
        (BOTH, "both are right"),
        (ONLY_UNET, "only the U-Net is right"),
        (ONLY_MASK_RCNN, "only Mask R-CNN is right"),
        (NEITHER, "neither is"),
        (IGNORED, "does not count"),
    )
    meaning_places = _flow(meaning, width)
    y = _LINE_PX + meaning_places[-1][1]
    sheet = Image.new("RGB", (width, y + _LINE_PX + sum(heights)), _PAPER)
    _legend(sheet, 0, meaning, meaning_places)
    for column, heading in enumerate(HEADINGS):
        _write(sheet, (_GAP_PX + column * column_px, y), heading, _SOFT)
    y += _LINE_PX
    for (row, panels), legend, place, height in zip(drawn, legends, places, heights, strict=True):
        _write(sheet, (_GAP_PX, y), row.caption, _INK)
        for column, panel in enumerate(panels):
            sheet.paste(panel, (_GAP_PX + column * column_px, y + _LINE_PX))
        _legend(sheet, y + _LINE_PX + panels[0].height, legend, place)
        y += height
    return np.array(sheet)


def _panels(
    row: SideBySide, class_names: Sequence[str], colors: NDArray[np.uint8], cell_px: int
) -> list[Image.Image]:
    """The pictures of one row, from left to right, all of one size."""
    maps = (row.truth, row.unet, row.mask_rcnn)
    photo = Image.fromarray(row.photo)
    photo.thumbnail((cell_px, cell_px), Image.Resampling.LANCZOS)
    truth, *found = (
        np.asarray(Image.fromarray(each).resize(photo.size, Image.Resampling.NEAREST))
        for each in maps
    )
    ignored = truth == IGNORE
    unet, mask_rcnn = (np.where(ignored, truth, each) for each in found)
    pale = photo.convert("L").point([_BLACK + round(_CONTRAST * v) for v in range(256)])
    grey = np.array(pale.convert("RGB"))
    drawn = (
        draw_labels(grey, each, class_names, colors=colors, opacity=_OPACITY)
        for each in (truth, unet, mask_rcnn)
    )
    case = (unet == truth) + 2 * (mask_rcnn == truth)  # 3 where both are right
    cases = np.array([NEITHER, ONLY_UNET, ONLY_MASK_RCNN, IGNORED])[case]
    blended = (grey * (1 - _OPACITY) + cases * _OPACITY).astype(np.uint8)
    right = np.where((ignored | (case < 3))[..., None], blended, grey)
    return [photo, *(Image.fromarray(each) for each in (*drawn, right))]


def _counted(row: SideBySide) -> list[Labels]:
    """The labels of the truth and of both models where pixels count: (P,) each."""
    maps = (row.truth, row.unet, row.mask_rcnn)
    for labels in maps:
        check_photo(row.photo, labels.shape)
    return [labels[row.truth != IGNORE] for labels in maps]


def _on_it(row: SideBySide) -> list[int]:
    """The classes on a photo, without the background, those of the truth first, large before small.

    What is found in pixels that do not count is not on it.
    """
    true, *found = (np.bincount(each, minlength=IGNORE + 1) for each in _counted(row))
    total = np.sum(found, axis=0)
    classes = np.flatnonzero((true + total)[1:]) + 1
    return sorted(classes.tolist(), key=lambda c: (-true[c], -total[c]))


def _flow(legend: Iterable[tuple[Rgb, str]], width_px: int) -> list[tuple[int, int]]:
    """Where each entry of a legend begins, x and y, and last the place below all of them."""
    places, x, y = [], _GAP_PX, 0
    for _, name in legend:
        entry_px = _LINE_PX + int(_font(name).getlength(_line(name))) + _GAP_PX
        if x > _GAP_PX and x + entry_px > width_px:
            x, y = _GAP_PX, y + _LINE_PX
        places.append((x, y))
        x += entry_px
    return [*places, (0, y)]


def _legend(
    sheet: Image.Image,
    top: int,
    legend: Sequence[tuple[Rgb, str]],
    places: Sequence[tuple[int, int]],
) -> None:
    pen = ImageDraw.Draw(sheet)
    for (color, name), (x, y) in zip(legend, places, strict=False):
        middle = top + y + _LINE_PX // 2
        pen.rectangle((x, middle - 6, x + 12, middle + 6), color, _SOFT)
        _write(sheet, (x + 18, top + y), name, _INK)


def _write(sheet: Image.Image, xy: tuple[int, int], text: str, color: Rgb) -> None:
    """A line of text; of one that is too long, the end is cut off by the sheet."""
    place = (xy[0], xy[1] + _LINE_PX / 2)
    ImageDraw.Draw(sheet).text(place, _line(text), color, _font(text), anchor="lm")


def _font(text: str) -> ImageFont.FreeTypeFont:
    return label_font(_FONT_PX, text.isascii())


def _line(text: str) -> str:
    """Names may hold line breaks and halves of characters."""
    return "".join(c if c.isprintable() else "?" for c in text)
