"""Instances drawn onto a photo at full resolution, fast: Pillow and numpy, no matplotlib."""

import colorsys
import math
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from instseg.core.boxes import shared_areas
from instseg.core.colors import Rgb, picture_colors
from instseg.core.instances import Instances, Masks
from instseg.core.options import checks_types

# How far the first, second, ... instance of a class goes towards white (above 0) or black.
LIGHTNESS_STEPS = (0.0, -0.3, 0.35, -0.15, 0.18)
LABEL_PX = 12  # height of the letters on a 640 x 480 photo
SMALLEST_LABEL_PX = 8


@checks_types
def draw_instances(
    image: NDArray[np.uint8],
    instances: Instances,
    *,
    opacity: float = 0.45,
    show_masks: bool = True,
    show_boxes: bool = True,
    show_labels: bool = True,
) -> NDArray[np.uint8]:
    """Draw masks, boxes and labels over a photo.

    Large instances lie below small ones, labels above both. Lines and letters grow with the
    photo. Labels stay inside the photo and make way for one another, the best scores first; a
    label that would still lie mostly over others is left out, and so is an instance with neither
    a mask nor a box (all zeros).

    Args:
        image: uint8 (H, W, 3), RGB; not modified.
        instances: N instances of this photo, ``size_hw == (H, W)``.
        opacity: how strongly a mask is filled with its colour, 0 (outline only) to 1 (solid).
        show_masks: draw the filled masks and their outlines.
        show_boxes: draw the boxes.
        show_labels: draw "name 0.87" at each instance, or "name" where every score is 1.

    Returns:
        A new uint8 (H, W, 3) array.

    Raises:
        ValueError: the photo is not uint8 (H, W, 3), or the instances belong to another size.
    """
    check_photo(image, instances.size_hw)
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    scale = (canvas.width * canvas.height / (640 * 480)) ** 0.375  # sides to the power of 0.75
    areas = instances.masks.areas()
    visible = (areas > 0) | instances.boxes.any(axis=1)
    order = [int(i) for i in np.argsort(-areas, kind="stable") if visible[i]]
    colors = instance_colors(instances.names)
    boxes = _pixel_boxes(instances.boxes, canvas.size)
    if show_masks:
        line_px = min(_px(scale), 3)
        for i in order:
            draw_mask(canvas, instances.masks, i, colors[i], opacity=opacity, line_px=line_px)
    if show_boxes:
        for i in order:
            x0, y0, x1, y1 = boxes[i].tolist()
            pen.rectangle((x0, y0, x1 - 1, y1 - 1), outline=colors[i], width=_px(1.5 * scale))
    if show_labels:
        order.sort(key=lambda i: -instances.scores[i])
        texts = names = instances.names
        if (instances.scores < 1).any():  # else they are the truth
            texts = [f"{n} {score:.2f}" for n, score in zip(names, instances.scores, strict=True)]
        texts = [" ".join(texts[i].split()) for i in order]  # names may hold line breaks
        font_px = max(SMALLEST_LABEL_PX, _px(LABEL_PX * scale))
        _draw_labels(pen, canvas.size, texts, boxes[order], [colors[i] for i in order], font_px)
    return np.array(canvas)


def check_photo(image: NDArray[np.uint8], size_hw: tuple[int, int]) -> None:
    """Refuse with ValueError what is not uint8 (H, W, 3), or not of the size of its masks."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image: expected uint8 (H, W, 3), got {image.dtype} {image.shape}")
    if image.shape[:2] != size_hw:
        raise ValueError(f"masks: expected size {image.shape[:2]} as the image, got {size_hw}")


def instance_colors(names: Iterable[str]) -> list[Rgb]:
    """Give each instance the colour of its class, lighter or darker from one to the next.

    Args:
        names: the class name of each instance; the first of a class gets ``class_color(name)``, but
            where two classes look alike, the one with fewer instances gets another.

    Returns:
        One (r, g, b) per name, 0 to 255.
    """
    names = list(names)
    own = picture_colors([name for name, _ in Counter(names).most_common()])
    seen: Counter[str] = Counter()
    colors = []
    for name in names:
        hue, light, saturation = colorsys.rgb_to_hls(*(c / 255 for c in own[name]))
        step = LIGHTNESS_STEPS[seen[name] % len(LIGHTNESS_STEPS)]
        light += step * (1 - light if step > 0 else light)
        r, g, b = colorsys.hls_to_rgb(hue, light, saturation)
        colors.append((round(r * 255), round(g * 255), round(b * 255)))
        seen[name] += 1
    return colors


def draw_mask(
    canvas: Image.Image, masks: Masks, i: int, color: Rgb, *, opacity: float, line_px: int
) -> None:
    """Blend the i-th mask into an RGB canvas, touching its crop only.

    Args:
        canvas: the photo, changed in place.
        masks: masks of this photo.
        i: the row of the mask.
        color: r, g, b, 0 to 255.
        opacity: of the filled inside, 0 to 1.
        line_px: width of the solid outline along the inner side of the border; 0 for none.
    """
    crop = masks.crops[i]  # (h, w) bool
    if not crop.size:
        return
    alpha = crop * np.uint8(255)
    alpha[_eroded(crop, line_px)] = round(255 * opacity)
    y, x = masks.offsets_yx[i].tolist()
    canvas.paste(color, (x, y), Image.fromarray(alpha))


def text_color(plate: Rgb) -> Rgb:
    """Black or white, with a contrast of about 3:1 or more to a plate of this colour (0 to 255)."""
    red, green, blue = ((c / 255) ** 2.2 for c in plate)
    return (0, 0, 0) if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.3 else (255, 255, 255)


def _px(length: float) -> int:
    return max(1, round(length))


def _pixel_boxes(boxes_xyxy: NDArray[np.float32], size_wh: tuple[int, int]) -> NDArray[np.int64]:
    """The whole pixels under each box, one or more, inside the photo: (N, 4) x0 y0 x1 y1."""
    start = np.clip(np.floor(boxes_xyxy[:, :2]), 0, np.subtract(size_wh, 1))
    stop = np.clip(np.ceil(boxes_xyxy[:, 2:]), start + 1, size_wh)
    return np.hstack([start, stop]).astype(np.int64)


def _eroded(mask: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Take ``steps`` pixels off the mask's border; beyond the crop there is background."""
    core = np.pad(mask, steps)
    for _ in range(steps):
        inner = core[1:-1, 1:-1] & core[:-2, 1:-1]
        inner &= core[2:, 1:-1]
        inner &= core[1:-1, :-2]
        inner &= core[1:-1, 2:]
        core = inner
    return core


def _draw_labels(
    pen: ImageDraw.ImageDraw,
    size_wh: tuple[int, int],
    texts: list[str],
    boxes: NDArray[np.int64],
    colors: list[Rgb],
    font_px: int,
) -> None:
    """Draw a label at each pixel box; the first ones choose their places first."""
    plates = np.empty((0, 4), np.int64)  # (labels placed, 4) x0 y0 x1 y1
    small = boxes[(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) < (6 * font_px) ** 2]
    drawn = []
    for text, box, color in zip(texts, boxes, colors, strict=True):
        room_px = size_wh[0] - font_px / 2
        fitting_px = int(
            font_px * room_px / max(pen.textlength(text, label_font(font_px, text.isascii())), 1)
        )
        font = label_font(max(SMALLEST_LABEL_PX, min(font_px, fitting_px)), text.isascii())
        plate_wh = math.ceil(pen.textlength(text, font) + font.size / 2), _px(1.3 * font.size)
        plate, hidden = _free_place(box, plate_wh, plates, small, size_wh)
        if hidden <= 0.5:
            plates = np.vstack([plates, plate])
            drawn.append((plate.tolist(), text, font, color))
    for (x0, y0, x1, y1), text, font, color in reversed(drawn):
        pen.rectangle((x0, y0, x1 - 1, y1 - 1), color)
        pen.text((x0 + font.size / 4, (y0 + y1) / 2), text, text_color(color), font, anchor="lm")


def _free_place(
    box: NDArray[np.int64],
    plate_wh: tuple[int, int],
    plates: NDArray[np.int64],
    small_boxes: NDArray[np.int64],
    size_wh: tuple[int, int],
) -> tuple[NDArray[np.int64], float]:
    """Choose the place at a box that hides least of other labels, then of small objects.

    Returns:
        The plate (4,) x0 y0 x1 y1 inside the photo, and how much of it lies over others, as a
        share of its area.
    """
    (x0, y0, x1, y1), (w, h) = box.tolist(), plate_wh
    rows = (y0 - h, y0, y1, y1 - h, y0 - 2 * h, y1 + h)
    start = np.array([(x, y) for x in (x0, x1 - w, x1, x0 - w) for y in rows])
    start = np.clip(start, 0, np.maximum(np.subtract(size_wh, plate_wh), 0))
    places = np.hstack([start, np.minimum(start + plate_wh, size_wh)])  # (places, 4)
    over_labels = _overlaps(places, plates)
    distance = np.arange(len(places)) * (w * h / 100)  # the places stand from near to far
    best = (100 * over_labels + _overlaps(places, small_boxes) + distance).argmin()
    return places[best], float(over_labels[best] / (w * h))


def _overlaps(places: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pixels that each place shares with the others: (places,) from two (n, 4) x0 y0 x1 y1."""
    shared: NDArray[np.int64] = shared_areas(places[:, None], others[None]).sum(axis=1)
    return shared


@cache
def label_font(size_px: int, ascii_only: bool) -> ImageFont.FreeTypeFont:
    """The font of labels; one that has more than Latin letters only where they are needed."""
    if ascii_only:
        font = ImageFont.load_default(size=size_px)
        assert isinstance(font, ImageFont.FreeTypeFont)  # it is, whenever a size is given
        return font
    from matplotlib import get_data_path  # Pillow's own font has no accents and no other scripts

    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size_px)
