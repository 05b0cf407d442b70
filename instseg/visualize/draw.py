"""Instances drawn onto a photo at full resolution, fast: numpy, and Pillow for the letters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from instseg.core.colors import Rgb
from instseg.core.instances import Instances
from instseg.core.options import checks_types
from instseg.visualize.checks import check_array
from instseg.visualize.instance_colors import ColorBy, colors_by
from instseg.visualize.label_plates import draw_label_plates
from instseg.visualize.layers import blend_masks


@checks_types
def draw_instances(
    image: NDArray[np.uint8],
    instances: Instances,
    *,
    opacity: float = 0.45,
    show_masks: bool = True,
    show_boxes: bool = True,
    show_labels: bool = True,
    color_by: ColorBy = "class",
) -> NDArray[np.uint8]:
    """Draw masks, boxes and labels over a photo.

    Large instances lie below small ones, labels above both. Lines and letters grow with the
    photo. Labels stay inside the photo and never lie over one another: the best scores choose their
    places first, and a label that finds none near its instance is left out. So is an instance with
    neither a mask nor a box (all zeros).

    Args:
        image: uint8 (H, W, 3), RGB; not modified.
        instances: N instances of this photo, ``size_hw == (H, W)``.
        opacity: how strongly a mask is filled with its colour, 0 (outline only) to 1 (solid).
        show_masks: draw the filled masks and their outlines.
        show_boxes: draw the boxes.
        show_labels: draw "name 0.87" at each instance, or "name" where every score is 1.
        color_by: "class": each instance has the colour of its class, a little lighter or darker
            than others of it; "instance": one of 16 colours that differ for colour-blind readers
            too, neighbours' most.

    Returns:
        A new uint8 (H, W, 3) array.

    Raises:
        ValueError: the photo is not uint8 (H, W, 3), or the instances belong to another size.
    """
    check_photo(image, instances.size_hw)
    order = np.lexsort((-instances.masks.areas(), -instances.scores))
    texts = names = instances.names
    if (instances.scores < 1).any():  # else they are the truth
        texts = [f"{n} {score:.2f}" for n, score in zip(names, instances.scores, strict=True)]
    colors = colors_by(color_by, names, instances.boxes)
    canvas = draw_colored(
        image, instances, colors, opacity=opacity, show_masks=show_masks, show_boxes=show_boxes
    )
    if show_labels:
        draw_labels_of(canvas, instances, colors, [(int(i), texts[i]) for i in order])
    return canvas


def draw_colored(
    image: NDArray[np.uint8],
    instances: Instances,
    colors: Sequence[Rgb],
    *,
    opacity: float,
    show_masks: bool = True,
    show_boxes: bool = True,
) -> NDArray[np.uint8]:
    """Draw masks and boxes as `draw_instances` does, in given colours, without labels.

    Args:
        image: uint8 (H, W, 3), RGB; not modified.
        instances: N instances of this photo.
        colors: Of each instance, r, g, b, 0 to 255.
        opacity: As `draw_instances`.
        show_masks: As `draw_instances`.
        show_boxes: As `draw_instances`.

    Returns:
        A new uint8 (H, W, 3) array.
    """
    check_photo(image, instances.size_hw)
    scale = drawing_scale(instances.size_hw)
    visible = _visible(instances)
    areas = instances.masks.areas()
    order = [int(i) for i in np.argsort(-areas, kind="stable") if visible[i]]
    canvas = blend_masks(
        image,
        instances.masks,
        order if show_masks else (),
        colors,
        opacity=opacity,
        line_px=min(_px(scale), 3),
    )
    if show_boxes:
        boxes = _pixel_boxes(instances.boxes, instances.size_hw[::-1])
        for i in order:
            _draw_box(canvas, boxes[i].tolist(), colors[i], _px(1.5 * scale))
    return canvas


def draw_labels_of(
    canvas: NDArray[np.uint8],
    instances: Instances,
    colors: Sequence[Rgb],
    labels: Iterable[tuple[int, str]],
) -> None:
    """Draw labels at instances, as `draw_instances` does.

    Args:
        canvas: uint8 (H, W, 3), changed in place.
        instances: N instances of this photo.
        colors: Of each instance.
        labels: Row of an instance, and text; the first ones choose their places first.
    """
    visible = _visible(instances)
    told = [(i, text) for i, text in labels if visible[i]]
    rows = [i for i, _ in told]
    boxes = _pixel_boxes(instances.boxes, instances.size_hw[::-1])[rows]
    texts, plates = [text for _, text in told], [colors[i] for i in rows]
    draw_label_plates(canvas, texts, boxes, plates, drawing_scale(instances.size_hw))


def _visible(instances: Instances) -> NDArray[np.bool_]:
    """Which instances have a mask or a box: bool (N,)."""
    seen: NDArray[np.bool_] = (instances.masks.areas() > 0) | instances.boxes.any(axis=1)
    return seen


def drawing_scale(size_hw: tuple[int, int]) -> float:
    """How wide lines are and how large letters, 1 for a photo of 640 x 480."""
    return float((size_hw[0] * size_hw[1] / (640 * 480)) ** 0.375)  # sides to the power of 0.75


def check_photo(image: NDArray[np.uint8], size_hw: tuple[int, int]) -> None:
    """Refuse with ValueError what is not uint8 (H, W, 3), or not of the size of its masks."""
    check_array(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image: expected uint8 (H, W, 3), got {image.dtype} {image.shape}")
    if image.shape[:2] != size_hw:
        raise ValueError(f"masks: expected size {image.shape[:2]} as the image, got {size_hw}")


def _px(length: float) -> int:
    return max(1, round(length))


def _pixel_boxes(boxes_xyxy: NDArray[np.float32], size_wh: tuple[int, int]) -> NDArray[np.int64]:
    """The whole pixels under each box, one or more, inside the photo: (N, 4) x0 y0 x1 y1."""
    start = np.clip(np.floor(boxes_xyxy[:, :2]), 0, np.subtract(size_wh, 1))
    stop = np.clip(np.ceil(boxes_xyxy[:, 2:]), start + 1, size_wh)
    return np.hstack([start, stop]).astype(np.int64)


def _draw_box(
    canvas: NDArray[np.uint8], box: list[int], color: tuple[int, int, int], line_px: int
) -> None:
    """Draw the frame of a box on its own pixels."""
    x0, y0, x1, y1 = box
    inside = canvas[y0:y1, x0:x1]
    for line in (inside[:line_px], inside[-line_px:], inside[:, :line_px], inside[:, -line_px:]):
        line[:] = color
