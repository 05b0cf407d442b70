"""Instances shown with matplotlib: in a notebook, in a window, or saved from the Axes."""

from collections.abc import Callable, Sequence, Sized
from typing import NamedTuple, overload

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Polygon, Rectangle
from matplotlib.typing import ColorType
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from skimage.measure import find_contours

from instseg.core.instances import Instances, Masks
from instseg.visualize.draw import check_photo, draw_mask, instance_colors, text_color

Color = tuple[float, float, float]  # r, g, b, 0 to 1

MARGIN_PX = 10  # free space that the axes show around the photo
MASK_OPACITY = 0.5
FILE_BACKENDS = {"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"}  # cannot show a figure

_contours: Callable[..., list[NDArray[np.float64]]] = find_contours  # it has no types of its own


class _Shown(NamedTuple):
    """What both call forms come down to."""

    boxes_yxyx: NDArray[np.floating]  # (N, 4) y1 x1 y2 x2
    masks: Masks
    names: list[str]
    scores: NDArray[np.floating] | None


@overload
def display_instances(
    image: NDArray[np.uint8],
    boxes: Instances,
    *,
    title: str = "",
    figsize: tuple[float, float] = (16, 16),
    ax: Axes | None = None,
    show_mask: bool = True,
    show_bbox: bool = True,
    colors: Sequence[ColorType] | None = None,
    captions: Sequence[str] | None = None,
) -> Axes: ...
@overload
def display_instances(
    image: NDArray[np.uint8],
    boxes: ArrayLike,
    masks: ArrayLike,
    class_ids: ArrayLike,
    class_names: Sequence[str],
    scores: ArrayLike | None = None,
    title: str = "",
    figsize: tuple[float, float] = (16, 16),
    ax: Axes | None = None,
    show_mask: bool = True,
    show_bbox: bool = True,
    colors: Sequence[ColorType] | None = None,
    captions: Sequence[str] | None = None,
) -> Axes: ...
def display_instances(
    image: NDArray[np.uint8],
    boxes: Instances | ArrayLike,
    masks: ArrayLike = (),
    class_ids: ArrayLike = (),
    class_names: Sequence[str] = (),
    scores: ArrayLike | None = None,
    title: str = "",
    figsize: tuple[float, float] = (16, 16),
    ax: Axes | None = None,
    show_mask: bool = True,
    show_bbox: bool = True,
    colors: Sequence[ColorType] | None = None,
    captions: Sequence[str] | None = None,
) -> Axes:
    """Show a photo with masks, outlines, dashed boxes and captions.

    Two forms: ``display_instances(image, instances)``, and the one that tutorials for
    Matterport's Mask R-CNN use, ``display_instances(image, boxes, masks, class_ids,
    class_names, scores)``. Boxes of zeros only are padding and are left out. Without ``ax`` a
    pyplot figure is made, and shown where the backend can show one; elsewhere
    ``plt.savefig`` or the returned Axes keep the picture.

    Args:
        image: uint8 (H, W, 3), RGB; not modified.
        boxes: an ``Instances``, or numbers (N, 4), y1 x1 y2 x2 in pixels.
        masks: bool or 0/1 numbers (H, W, N).
        class_ids: integers (N,), indices of class_names.
        class_names: one name per class id, the background's first.
        scores: (N,) 0 to 1, or None for captions without them.
        title: written above the picture.
        figsize: width and height in inches of the figure, when ``ax`` is None.
        ax: the axes to draw into.
        show_mask: draw the masks, filled and outlined.
        show_bbox: draw the boxes.
        colors: N colours as matplotlib takes them, "red", "#ff0000" or (r, g, b) of 0 to 1, whose
            opacity, if they have one, is left out; None: the stable colour of each class, varied.
        captions: N texts instead of "name 0.987".

    Returns:
        The Axes drawn into.

    Raises:
        ValueError: N differs between the arguments, the masks have another size than the photo, a
            class id has no name, or a colour is none.
    """
    if isinstance(boxes, Instances):
        shown = _Shown(boxes.boxes[:, [1, 0, 3, 2]], boxes.masks, boxes.names, boxes.scores)
    else:
        shown = _from_arrays(boxes, masks, class_ids, class_names, scores)
    check_photo(image, shown.masks.size_hw)
    for name, given in (("colors", colors), ("captions", captions)):
        if isinstance(given, str):
            raise ValueError(f"{name}: expected {len(shown.names)} in a list, got {given!r}")
    _check_lengths(len(shown.names), colors=colors, captions=captions)
    rgb = _as_rgb(colors, shown.names)
    if captions is None:
        captions = _captions(shown)
    axes = plt.subplots(figsize=figsize)[1] if ax is None else ax
    kept = np.flatnonzero(shown.boxes_yxyx.any(axis=1)).tolist()
    _show_photo(axes, _filled(image, shown.masks, kept, rgb) if show_mask else image, title)
    font_pt = float(np.clip(4 + 0.6 * axes.bbox.width / axes.figure.dpi, 5, 12))
    for i in kept:
        box_yxyx = shown.boxes_yxyx[i].tolist()
        if show_mask:
            _add_outline(axes, shown.masks, i, rgb[i], width_pt=font_pt / 8)
        if show_bbox:
            _add_box(axes, box_yxyx, rgb[i], width_pt=font_pt / 6)
        _add_caption(axes, box_yxyx, captions[i], rgb[i], font_pt)
    if ax is None and plt.get_backend().lower() not in FILE_BACKENDS:
        plt.show()
    return axes


def _from_arrays(
    boxes: ArrayLike,
    masks: ArrayLike,
    class_ids: ArrayLike,
    class_names: Sequence[str],
    scores: ArrayLike | None,
) -> _Shown:
    """Check Matterport's arrays against each other and bring them into our form."""
    boxes_yxyx, dense = np.asarray(boxes, np.float64), np.asarray(masks)
    if not boxes_yxyx.size:
        boxes_yxyx = np.empty((0, 4))
    if boxes_yxyx.ndim != 2 or boxes_yxyx.shape[1] != 4:
        raise ValueError(f"boxes: expected shape (N, 4), got {boxes_yxyx.shape}")
    if dense.ndim != 3:
        raise ValueError(f"masks: expected shape (H, W, N), got {dense.shape}")
    by_instance = np.moveaxis(dense, 2, 0)  # (N, H, W)
    ids = _whole_ids(class_ids, len(class_names))
    values = None if scores is None else np.asarray(scores, np.float64)
    _check_lengths(len(boxes_yxyx), masks=by_instance, class_ids=ids, scores=values)
    packed = Masks.from_dense(by_instance.astype(bool))
    return _Shown(boxes_yxyx, packed, [class_names[i] for i in ids], values)


def _whole_ids(class_ids: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Class ids as int64; ValueError for those that are not whole or have no name."""
    given = np.asarray(class_ids)
    if not given.size:
        return np.empty(0, np.int64)
    if given.dtype.kind not in "iufb" or (given != np.floor(given)).any():
        raise ValueError(f"class_ids: expected whole numbers, got {given.dtype} {given.tolist()}")
    ids = given.astype(np.int64)
    if ids.min() < 0 or ids.max() >= classes:
        wrong = ids[(ids < 0) | (ids >= classes)][0]
        raise ValueError(
            f"class_ids: expected 0 to {classes - 1} for {classes} class_names, got {wrong}"
        )
    return ids


def _as_rgb(colors: Sequence[ColorType] | None, names: list[str]) -> list[Color]:
    """The colour of each instance, those of the classes if none are given."""
    if colors is None:
        return [(r / 255, g / 255, b / 255) for r, g, b in instance_colors(names)]
    found = []
    for color in colors:
        try:
            found.append(to_rgb(color))
        except ValueError:
            raise ValueError(
                'colors: expected colours such as "red", "#ff0000" or (r, g, b) of 0 to 1, '
                f"got {color!r}"
            ) from None
    return found


def _check_lengths(count: int, **per_instance: Sized | None) -> None:
    for name, values in per_instance.items():
        if values is not None and len(values) != count:
            raise ValueError(f"{name}: expected {count}, one for each box, got {len(values)}")


def _captions(shown: _Shown) -> list[str]:
    if shown.scores is None:
        return shown.names
    return [f"{name} {score:.3f}" for name, score in zip(shown.names, shown.scores, strict=True)]


def _filled(
    image: NDArray[np.uint8], masks: Masks, kept: list[int], colors: Sequence[Color]
) -> NDArray[np.uint8]:
    """A copy of the photo with the masks blended in, large ones first."""
    canvas = Image.fromarray(image)
    areas = masks.areas()
    for i in sorted(kept, key=lambda i: -areas[i]):
        draw_mask(canvas, masks, i, _rgb8(colors[i]), opacity=MASK_OPACITY, line_px=0)
    return np.asarray(canvas)


def _show_photo(axes: Axes, image: NDArray[np.uint8], title: str) -> None:
    """Put the photo so that coordinates are edges of pixels, as in boxes, not their centres."""
    height, width = image.shape[:2]
    axes.imshow(image, extent=(0, width, height, 0))
    axes.set_xlim(-MARGIN_PX, width + MARGIN_PX)
    axes.set_ylim(height + MARGIN_PX, -MARGIN_PX)
    axes.axis("off")
    axes.set_title(title, parse_math=False)  # a dollar is a dollar


def _add_outline(axes: Axes, masks: Masks, i: int, color: Color, width_pt: float) -> None:
    """Outline every part and hole of one mask, also along the border of the photo."""
    padded = np.pad(masks.crops[i], 1).astype(np.float32)
    first_yx = masks.offsets_yx[i] - 0.5  # from centres of the padded crop to edges of the photo
    for contour in _contours(padded, 0.5) if masks.crops[i].size else ():
        xy = (contour + first_yx)[:, ::-1]
        axes.add_patch(Polygon(xy, facecolor="none", edgecolor=color, linewidth=width_pt))


def _add_box(axes: Axes, box_yxyx: list[float], color: Color, width_pt: float) -> None:
    y1, x1, y2, x2 = box_yxyx
    box = Rectangle((x1, y1), x2 - x1, y2 - y1, facecolor="none", edgecolor=color, alpha=0.7)
    box.set(linestyle="dashed", linewidth=width_pt)
    axes.add_patch(box)


def _add_caption(
    axes: Axes, box_yxyx: list[float], caption: str, color: Color, font_pt: float
) -> None:
    y1, x1 = box_yxyx[:2]
    red, green, blue = text_color(_rgb8(color))
    axes.text(
        x1,
        y1 + 8,
        caption,
        color=(red / 255, green / 255, blue / 255),
        fontsize=font_pt,
        parse_math=False,
        bbox={"facecolor": color, "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
    )


def _rgb8(color: Color) -> tuple[int, int, int]:
    red, green, blue = color
    return round(255 * red), round(255 * green), round(255 * blue)
