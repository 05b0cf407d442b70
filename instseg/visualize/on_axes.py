"""A photo on matplotlib axes, and what is drawn over it: outlines, boxes and captions."""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle
from numpy.typing import ArrayLike, NDArray
from skimage.measure import find_contours

from instseg.core.colors import Rgb
from instseg.core.masks import Masks
from instseg.visualize.label_plates import text_color
from instseg.visualize.layers import blend_masks

Color = tuple[float, float, float]  # r, g, b, 0 to 1

MARGIN_PX = 10  # free space that the axes show around the photo
MASK_OPACITY = 0.5
FILE_BACKENDS = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}  # cannot show a figure

_contours: Callable[..., list[NDArray[np.float64]]] = find_contours  # it has no types of its own


def photo_axes(image: NDArray[np.uint8], width_in: float) -> Axes:
    """Axes of a new pyplot figure in the proportions of a photo, with room for a title."""
    height, width = image.shape[:2]
    share = min(max(height / max(width, 1), 0.2), 2)
    figure = plt.figure(figsize=(width_in, width_in * share + 0.5), layout="constrained")
    return figure.add_subplot()


def letters_pt(axes: Axes) -> float:
    """Size of the letters on these axes: smaller on small ones, but never tiny."""
    return float(np.clip(4 + 0.6 * axes.bbox.width / axes.figure.dpi, 5, 12))


def show_if_possible() -> None:
    """Show pyplot's figures, where the backend has a way to."""
    if plt.get_backend().lower() not in FILE_BACKENDS:
        plt.show()


def filled(
    image: NDArray[np.uint8], masks: Masks, kept: list[int], colors: Sequence[Color]
) -> NDArray[np.uint8]:
    """A copy of the photo with the masks blended in, large ones first."""
    areas = masks.areas()
    order = sorted(kept, key=lambda i: -areas[i])
    rgb = [rgb8(color) for color in colors]
    return blend_masks(image, masks, order, rgb, opacity=MASK_OPACITY, line_px=0)


def show_photo(axes: Axes, image: NDArray[np.uint8], title: str) -> None:
    """Put the photo so that coordinates are edges of pixels, as in boxes, not their centres."""
    height, width = image.shape[:2]
    axes.imshow(image, extent=(0, width, height, 0))
    axes.set_xlim(-MARGIN_PX, width + MARGIN_PX)
    axes.set_ylim(height + MARGIN_PX, -MARGIN_PX)
    axes.axis("off")
    axes.set_title(title, parse_math=False)  # a dollar is a dollar


def add_outline(axes: Axes, masks: Masks, i: int, color: Color, width_pt: float) -> None:
    """Outline every part and hole of one mask, also along the border of the photo."""
    padded = np.pad(masks.crops[i], 1).astype(np.float32)
    first_yx = masks.offsets_yx[i] - 0.5  # from centres of the padded crop to edges of the photo
    for contour in _contours(padded, 0.5) if masks.crops[i].size else ():
        xy = (contour + first_yx)[:, ::-1]
        axes.add_patch(Polygon(xy, facecolor="none", edgecolor=color, linewidth=width_pt))


def add_box(axes: Axes, box_yxyx: list[float], color: Color, width_pt: float) -> None:
    """Draw a dashed box."""
    y1, x1, y2, x2 = box_yxyx
    box = Rectangle((x1, y1), x2 - x1, y2 - y1, facecolor="none", edgecolor=color, alpha=0.7)
    box.set(linestyle="dashed", linewidth=width_pt)
    axes.add_patch(box)


def add_caption(
    axes: Axes,
    box_yxyx: list[float],
    caption: str,
    color: Color,
    font_pt: float,
    *,
    below: bool = False,
) -> None:
    """Write a caption on a plate, inside the first corner of a box or below its lower edge."""
    y1, x1, y2, _ = box_yxyx
    axes.text(
        x1,
        y2 if below else y1 + 8,
        caption,
        verticalalignment="top" if below else "baseline",
        color=rgb01(text_color(rgb8(color))),
        fontsize=font_pt,
        parse_math=False,
        bbox={"facecolor": color, "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
    )


def rgb8(color: Color) -> tuple[int, int, int]:
    """A colour of 0 to 1 as one of 0 to 255."""
    red, green, blue = color
    return round(255 * red), round(255 * green), round(255 * blue)


def rgb01(color: Rgb) -> Color:
    """A colour of 0 to 255 as one of 0 to 1."""
    red, green, blue = color
    return red / 255, green / 255, blue / 255


def captions_of(names: Sequence[str], scores: ArrayLike | None) -> list[str]:
    """The name of each instance, and with scores "name 0.987"."""
    if scores is None:
        return list(names)
    pairs = zip(names, np.asarray(scores), strict=True)
    return [f"{name} {score:.3f}" for name, score in pairs]
