"""Boxes before and after refinement, on matplotlib axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from instseg.core.instances import Instances
from instseg.core.masks import Masks
from instseg.core.matterport_arrays import packed, yxyx
from instseg.files.resizing import unmold_mask
from instseg.visualize.checks import check_lengths, whole_ids
from instseg.visualize.draw import check_photo
from instseg.visualize.instance_colors import class_shades
from instseg.visualize.on_axes import (
    Color,
    add_caption,
    add_outline,
    captions_of,
    filled,
    letters_pt,
    photo_axes,
    rgb01,
    show_photo,
)
from instseg.visualize.painting import as_uint8, random_colors

WIDTH_IN = 12
FAINT, FAINT_OPACITY = (0.85, 0.85, 0.85), 0.7
LINE_PT = 2


def draw_boxes(
    image: NDArray[Any],
    boxes: Instances | ArrayLike | None = None,
    refined_boxes: ArrayLike | None = None,
    masks: ArrayLike | None = None,
    captions: Sequence[str] | None = None,
    visibilities: Sequence[int] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw boxes, what became of each of them, masks and captions.

    Boxes are dotted or, where the visibility is 2, solid; refined boxes are solid, and a line joins
    their first corners. Boxes of zeros are padding and are left out.

    Args:
        image: uint8 (H, W, 3), RGB; not modified.
        boxes: numbers (N, 4), y1 x1 y2 x2 in pixels, or None; or `Instances`, with their masks and,
            unless captions are given, names and scores.
        refined_boxes: numbers (N, 4), or None.
        masks: bool or 0/1 (H, W, N), or None.
        captions: N texts, written at the refined boxes where there are any, or None.
        visibilities: N numbers: 0 grey and faint, 1 dotted, 2 solid; None: all 1.
        title: Written above the picture.
        ax: The axes to draw into; None makes a figure.

    Returns:
        The Axes drawn into.

    Raises:
        ValueError: Neither kind of box is given, or lengths or sizes do not fit.
    """
    photo = as_uint8(image)
    colors: list[Color] | None = None
    if isinstance(boxes, Instances):
        colors = [rgb01(color) for color in class_shades(boxes.names)]
        kept: Masks | None = boxes.masks
        captions = captions_of(boxes.names, boxes.scores) if captions is None else captions
        boxes = boxes.boxes[:, [1, 0, 3, 2]]
    else:
        kept = None if masks is None else packed(masks)
    first = None if boxes is None else yxyx(boxes)
    refined = None if refined_boxes is None else yxyx(refined_boxes, "refined_boxes")
    given = [each for each in (first, refined) if each is not None]
    if not given:
        raise ValueError("boxes: expected boxes or refined_boxes, got neither")
    count = len(given[0])
    check_lengths(
        count, refined_boxes=refined, masks=kept, captions=captions, visibilities=visibilities
    )
    check_photo(photo, kept.size_hw if kept is not None else photo.shape[:2])
    colors = random_colors(count) if colors is None else colors
    axes = photo_axes(photo, WIDTH_IN) if ax is None else ax
    rows = np.flatnonzero(np.any([each.any(axis=1) for each in given], axis=0)).tolist()
    show_photo(axes, photo if kept is None else filled(photo, kept, rows, colors), title)
    for i in rows:
        seen = 1 if visibilities is None else int(visibilities[i])
        corner = _add_pair(axes, first, refined, i, colors[i], seen)
        if kept is not None:
            add_outline(axes, kept, i, colors[i], width_pt=1)
        if captions is not None and captions[i]:
            add_caption(axes, corner, captions[i], colors[i], letters_pt(axes))
    return axes


def draw_rois(
    image: NDArray[Any],
    rois: ArrayLike,
    refined_rois: ArrayLike,
    mask: ArrayLike,
    class_ids: ArrayLike,
    class_names: Sequence[str],
    limit: int = 10,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw regions of interest, and of those with an object its refined box, mask and class.

    Of more than `limit` regions some are chosen at random, always the same ones. The title tells
    how many there are, and how many have an object.

    Args:
        image: uint8 (H, W, 3), RGB; not modified.
        rois: numbers (N, 4), y1 x1 y2 x2 in pixels.
        refined_rois: numbers (N, 4).
        mask: 0 to 1 (N, h, w), each the inside of its region at any size.
        class_ids: integers (N,); 0 is a region without an object.
        class_names: Names by class id, the background's first.
        limit: How many are drawn.
        ax: The axes to draw into; None makes a figure.

    Returns:
        The Axes drawn into.

    Raises:
        ValueError: Lengths do not fit, or a class id has no name.
    """
    photo = as_uint8(image)
    regions, refined = yxyx(rois, "rois"), yxyx(refined_rois, "refined_rois")
    ids, soft = whole_ids(class_ids, len(class_names)), np.asarray(mask)
    check_lengths(len(regions), refined_rois=refined, mask=soft, class_ids=ids)
    check_photo(photo, photo.shape[:2])
    rows = np.arange(len(regions))
    if len(rows) > limit:
        rows = np.sort(np.random.default_rng(0).choice(rows, limit, replace=False))
    colors = random_colors(len(rows))
    dense = np.zeros((len(rows), *photo.shape[:2]), dtype=bool)
    for row, full in zip(rows.tolist(), dense, strict=True):
        if ids[row]:
            full[:] = unmold_mask(soft[row], regions[row], photo.shape)
    masks = Masks.from_dense(dense)
    axes = photo_axes(photo, WIDTH_IN) if ax is None else ax
    positive = int((ids > 0).sum())
    title = f"{len(rows)} of {len(regions)} regions; {positive} with an object"
    show_photo(axes, filled(photo, masks, list(range(len(rows))), colors), title)
    for i, row in enumerate(rows.tolist()):
        if not ids[row]:
            _add_pair(axes, regions, None, row, colors[i], 0)
            continue
        corner = _add_pair(axes, regions, refined, row, colors[i], 1)
        add_outline(axes, masks, i, colors[i], width_pt=1)
        add_caption(axes, corner, class_names[ids[row]], colors[i], letters_pt(axes))
    return axes


def _add_pair(
    axes: Axes,
    first: NDArray[np.float64] | None,
    refined: NDArray[np.float64] | None,
    i: int,
    color: Color,
    visibility: int,
) -> list[float]:
    """Draw the i-th box and its refined one; returns the box at which the caption goes."""
    line, alpha = ("solid" if visibility == 2 else "dotted"), (1.0 if visibility else FAINT_OPACITY)
    corner = [0.0] * 4
    if first is not None:
        corner = first[i].tolist()
        _add_rectangle(axes, corner, color if visibility else FAINT, line, alpha)
    if refined is not None and refined[i].any():
        target = refined[i].tolist()
        _add_rectangle(axes, target, color, "solid", 1.0)
        if first is not None:
            axes.plot([corner[1], target[1]], [corner[0], target[0]], color=color)
        corner = target
    return corner


def _add_rectangle(axes: Axes, box: list[float], color: Color, line: str, alpha: float) -> None:
    y1, x1, y2, x2 = box
    patch = Rectangle((x1, y1), x2 - x1, y2 - y1, facecolor="none", edgecolor=color, alpha=alpha)
    patch.set(linestyle=line, linewidth=LINE_PT)
    axes.add_patch(patch)
