"""Instances shown with matplotlib: in a notebook, in a window, or saved from the Axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, overload

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.typing import ColorType
from numpy.typing import ArrayLike, NDArray

from instseg.core.instances import Instances, Masks
from instseg.visualize.checks import check_lengths, whole_ids
from instseg.visualize.draw import check_photo
from instseg.visualize.instance_colors import ColorBy, colors_by
from instseg.visualize.on_axes import (
    Color,
    add_box,
    add_caption,
    add_outline,
    captions_of,
    filled,
    letters_pt,
    rgb01,
    show_if_possible,
    show_photo,
)


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
    color_by: ColorBy = "class",
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
    *,
    color_by: ColorBy = "class",
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
    *,
    color_by: ColorBy = "class",
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
            opacity, if they have one, is left out; None: those of ``color_by``.
        captions: N texts instead of "name 0.987".
        color_by: "class": the stable colour of each class, varied; "instance": 16 colours that
            differ for colour-blind readers too, neighbours' most.

    Returns:
        The Axes drawn into.

    Raises:
        ValueError: N differs between the arguments, the masks have another size than the photo, a
            class id has no name, a colour is none, or ``color_by`` is something else.
    """
    if isinstance(boxes, Instances):
        shown = _Shown(boxes.boxes[:, [1, 0, 3, 2]], boxes.masks, boxes.names, boxes.scores)
    else:
        shown = _from_arrays(boxes, masks, class_ids, class_names, scores)
    check_photo(image, shown.masks.size_hw)
    for name, given in (("colors", colors), ("captions", captions)):
        if isinstance(given, str):
            raise ValueError(f"{name}: expected {len(shown.names)} in a list, got {given!r}")
    check_lengths(len(shown.names), colors=colors, captions=captions)
    if colors is None:
        boxes_xyxy = shown.boxes_yxyx[:, [1, 0, 3, 2]]
        rgb = [rgb01(color) for color in colors_by(color_by, shown.names, boxes_xyxy)]
    else:
        rgb = _as_rgb(colors)
    if captions is None:
        captions = captions_of(shown.names, shown.scores)
    axes = plt.subplots(figsize=figsize)[1] if ax is None else ax
    kept = np.flatnonzero(shown.boxes_yxyx.any(axis=1)).tolist()
    show_photo(axes, filled(image, shown.masks, kept, rgb) if show_mask else image, title)
    font_pt = letters_pt(axes)
    for i in kept:
        box_yxyx = shown.boxes_yxyx[i].tolist()
        if show_mask:
            add_outline(axes, shown.masks, i, rgb[i], width_pt=font_pt / 8)
        if show_bbox:
            add_box(axes, box_yxyx, rgb[i], width_pt=font_pt / 6)
        add_caption(axes, box_yxyx, captions[i], rgb[i], font_pt)
    if ax is None:
        show_if_possible()
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
    ids = whole_ids(class_ids, len(class_names))
    values = None if scores is None else np.asarray(scores, np.float64)
    check_lengths(len(boxes_yxyx), masks=by_instance, class_ids=ids, scores=values)
    packed = Masks.from_dense(by_instance.astype(bool))
    return _Shown(boxes_yxyx, packed, [class_names[i] for i in ids], values)


def _as_rgb(colors: Sequence[ColorType]) -> list[Color]:
    """The colour of each instance, as it was given."""
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
