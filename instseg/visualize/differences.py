"""What was found in a photo, beside what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import ArrayLike, NDArray

from instseg.core.instances import Instances
from instseg.core.masks import Masks
from instseg.core.matterport_arrays import Matches, match_arrays, truth_and_found
from instseg.visualize.checks import whole_ids
from instseg.visualize.draw import check_photo
from instseg.visualize.figures import GREEN, RED
from instseg.visualize.on_axes import (
    add_box,
    add_caption,
    add_outline,
    filled,
    letters_pt,
    photo_axes,
    show_if_possible,
    show_photo,
)

TITLE = "Truth green, detections orange\ncaptions: score / IoU"
WIDTH_IN = 16


@overload
def display_differences(
    image: NDArray[np.uint8],
    gt_box: Instances,
    gt_class_id: Instances,
    *,
    title: str = "",
    ax: Axes | None = None,
    show_mask: bool = True,
    show_box: bool = True,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.5,
) -> Axes: ...
@overload
def display_differences(
    image: NDArray[np.uint8],
    gt_box: ArrayLike,
    gt_class_id: ArrayLike,
    gt_mask: ArrayLike,
    pred_box: ArrayLike,
    pred_class_id: ArrayLike,
    pred_score: ArrayLike,
    pred_mask: ArrayLike,
    class_names: Sequence[str],
    title: str = "",
    ax: Axes | None = None,
    show_mask: bool = True,
    show_box: bool = True,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.5,
) -> Axes: ...
def display_differences(
    image: NDArray[np.uint8],
    gt_box: Instances | ArrayLike,
    gt_class_id: Instances | ArrayLike,
    gt_mask: ArrayLike = (),
    pred_box: ArrayLike = (),
    pred_class_id: ArrayLike = (),
    pred_score: ArrayLike = (),
    pred_mask: ArrayLike = (),
    class_names: Sequence[str] = (),
    title: str = "",
    ax: Axes | None = None,
    show_mask: bool = True,
    show_box: bool = True,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.5,
) -> Axes:
    """Show the truth in green and the detections in orange, with scores and IoUs.

    Two forms: `display_differences(image, truth, found)` with two `Instances`, and Matterport's
    arrays. A detection that matches an object has the caption "score / IoU"; any other one has its
    class as well, and the IoU of the object that it overlaps most. An object that nothing matches
    has the caption "missed" and its class.

    Args:
        image: uint8 (H, W, 3), RGB; not modified.
        gt_box: The truth: `Instances`, or numbers (M, 4), y1 x1 y2 x2 in pixels.
        gt_class_id: What was found, as `Instances`; or integers (M,).
        gt_mask: bool or 0/1 (H, W, M).
        pred_box: numbers (N, 4).
        pred_class_id: integers (N,).
        pred_score: numbers (N,), 0 to 1.
        pred_mask: bool or 0/1 (H, W, N).
        class_names: Names by class id, the background's first.
        title: Written above the picture; "" explains the colours.
        ax: The axes to draw into; None makes a figure, and shows it where the backend can.
        show_mask: Draw the masks, filled and outlined.
        show_box: Draw the boxes.
        iou_threshold: The least mask IoU of a match.
        score_threshold: Detections with a lower score are left out.

    Returns:
        The Axes drawn into.

    Raises:
        ValueError: Shapes or lengths do not fit, or a class id has no name.
    """
    truth, found = truth_and_found(
        gt_box, gt_class_id, gt_mask, pred_box, pred_class_id, pred_score, pred_mask
    )
    found = found[np.flatnonzero(found.scores >= score_threshold)]
    for each in (truth, found):
        check_photo(image, each.masks.size_hw)
    if isinstance(gt_box, Instances):
        class_names = gt_box.class_names
    matches = match_arrays(truth, found, iou_threshold)
    ids = np.concatenate([truth.class_ids, found.class_ids])
    names = [class_names[i] for i in whole_ids(ids, len(class_names))]
    captions = _captions(matches, names, found.scores)
    masks = Masks.concatenate([truth.masks, found.masks])
    boxes = np.concatenate([truth.boxes_yxyx, found.boxes_yxyx]).tolist()
    colors = [to_rgb(GREEN)] * len(truth) + [to_rgb(RED)] * len(found)
    axes = photo_axes(image, WIDTH_IN) if ax is None else ax
    rows = list(range(len(masks)))
    show_photo(axes, filled(image, masks, rows, colors) if show_mask else image, title or TITLE)
    font_pt = letters_pt(axes)
    for i in rows:
        if show_mask:
            add_outline(axes, masks, i, colors[i], width_pt=font_pt / 6)
        if show_box:
            add_box(axes, boxes[i], colors[i], width_pt=font_pt / 6)
        if captions[i]:
            missed = i < len(truth)  # below, where no caption of a detection lies
            add_caption(axes, boxes[i], captions[i], colors[i], font_pt, below=missed)
    if ax is None:
        show_if_possible()
    return axes


def _captions(matches: Matches, names: list[str], scores: NDArray[np.float64]) -> list[str]:
    """Of each object, then of each detection; `names` likewise."""
    objects = len(matches.gt_match)
    captions = [
        "" if match >= 0 else f"missed: {name}"
        for match, name in zip(matches.gt_match, names[:objects], strict=True)
    ]
    for score, match, ious, name in zip(
        scores, matches.pred_match, matches.overlaps, names[objects:], strict=True
    ):
        iou = ious[match] if match >= 0 else ious.max(initial=0)
        captions.append(("" if match >= 0 else f"{name} ") + f"{score:.2f} / {iou:.2f}")
    return captions
