"""Images and masks in other sizes, as Matterport's Mask R-CNN feeds and stores them.

Images are (H, W) or (H, W, C) of any numeric dtype, masks (H, W, N), boxes y1 x1 y2 x2 in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

Padding = list[tuple[int, int]]
Crop = tuple[int, int, int, int]  # y x height width

MODES = ("none", "square", "pad64", "crop")
STEP_PX = 64  # sides of "pad64" are multiples of it


class Resized(NamedTuple):
    """An image at the size that a network takes.

    Attributes:
        image: Of the dtype of the original.
        window: y1 x1 y2 x2, where the image lies between its padding.
        scale: By which it was resized.
        padding: Pixels added before and after, for each axis.
        crop: y x height width of the part that was kept, or None.
    """

    image: NDArray[Any]
    window: tuple[int, int, int, int]
    scale: float
    padding: Padding
    crop: Crop | None


def resize_image(
    image: NDArray[Any],
    min_dim: int | None = None,
    max_dim: int | None = None,
    min_scale: float | None = None,
    mode: str = "square",
) -> Resized:
    """Resize an image with its proportions kept, and pad it with zeros or crop it.

    Args:
        image: (H, W, C).
        min_dim: The shorter side becomes at least this; images never get smaller by it.
        max_dim: With "square", the longer side becomes at most this, and both sides are padded
            to it.
        min_scale: The scale is at least this, whatever `min_dim` says.
        mode: "none" leaves the image as it is; "square"; "pad64" pads both sides to multiples of
            64; "crop" takes a random square of `min_dim` (numpy's global generator).

    Returns:
        `image, window, scale, padding, crop`.

    Raises:
        ValueError: The mode is unknown, or lacks `min_dim` or `max_dim`.
    """
    if mode not in MODES:
        raise ValueError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")
    for name, side, needed in (("max_dim", max_dim, "square"), ("min_dim", min_dim, "crop")):
        if mode == needed and side is None:
            raise ValueError(f"{name}: mode {mode!r} needs it")
    height, width = image.shape[:2]
    rest = [(0, 0)] * (image.ndim - 2)
    if mode == "none":
        return Resized(image, (0, 0, height, width), 1, [(0, 0), (0, 0), *rest], None)
    scale = max(1.0, min_dim / min(height, width)) if min_dim else 1.0
    scale = max(scale, min_scale or 0.0)
    if mode == "square" and max_dim and round(max(height, width) * scale) > max_dim:
        scale = max_dim / max(height, width)
    height, width = round(height * scale), round(width * scale)
    if scale != 1:
        image = resized(image, (height, width))
    if mode == "crop":
        assert min_dim is not None  # checked above
        y, x = (int(np.random.randint(side - min_dim + 1)) for side in (height, width))  # noqa: NPY002
        part = image[y : y + min_dim, x : x + min_dim]
        none = [(0, 0), (0, 0), *rest]
        return Resized(part, (0, 0, min_dim, min_dim), scale, none, (y, x, min_dim, min_dim))
    full = [
        side + -side % STEP_PX if mode == "pad64" else int(max_dim or 0) for side in (height, width)
    ]
    (top, bottom), (left, right) = (
        ((whole - side) // 2, whole - side - (whole - side) // 2)
        for whole, side in zip(full, (height, width), strict=True)
    )
    padding = [(top, bottom), (left, right), *rest]
    window = (top, left, top + height, left + width)
    return Resized(np.pad(image, padding), window, scale, padding, None)


def resize_mask(
    mask: NDArray[Any],
    scale: float,
    padding: Sequence[tuple[int, int]],
    crop: Crop | None = None,
) -> NDArray[Any]:
    """Resize masks as `resize_image` resized their image.

    Args:
        mask: (H, W, N).
        scale: As `resize_image` returned it.
        padding: Likewise.
        crop: Likewise.

    Returns:
        (H', W', N) of the same dtype; values are those of the nearest pixels.
    """
    larger: NDArray[Any]
    rows, columns = (
        ((np.arange(round(side * scale)) + 0.5) * side / round(side * scale)).astype(np.int64)
        for side in mask.shape[:2]
    )
    larger = mask[rows[:, None], columns]
    if crop is not None:
        y, x, height, width = crop
        larger = larger[y : y + height, x : x + width]
        return larger
    return np.pad(larger, [*padding[:2], *[(0, 0)] * (mask.ndim - 2)])


def minimize_mask(
    bbox: ArrayLike, mask: NDArray[Any], mini_shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Masks inside their boxes, at a small size that saves memory.

    Args:
        bbox: integers (N, 4).
        mask: bool or 0/1 (H, W, N).
        mini_shape: Height and width.

    Returns:
        bool (h, w, N).

    Raises:
        ValueError: A box is empty.
    """
    mini = np.zeros((*mini_shape[:2], mask.shape[2]), dtype=bool)
    for i, (y1, x1, y2, x2) in enumerate(_whole(bbox)):
        part = mask[y1:y2, x1:x2, i]
        if not part.size:
            raise ValueError(
                f"bbox: expected boxes with an area, got {[y1, x1, y2, x2]} in row {i}"
            )
        mini[..., i] = resized(part.astype(np.float32), mini_shape[:2]) >= 0.5
    return mini


def expand_mask(
    bbox: ArrayLike, mini_mask: NDArray[Any], image_shape: Sequence[int]
) -> NDArray[np.bool_]:
    """Masks in the size of the image again, from those of `minimize_mask`.

    Args:
        bbox: integers (N, 4), inside the image.
        mini_mask: bool or 0/1 (h, w, N).
        image_shape: Of the image; height and width are used.

    Returns:
        bool (H, W, N), not quite the masks that were minimized.
    """
    masks = np.zeros((*image_shape[:2], mini_mask.shape[2]), dtype=bool)
    for i, box in enumerate(_whole(bbox)):
        masks[..., i] = unmold_mask(mini_mask[..., i], box, image_shape)
    return masks


def unmold_mask(
    mask: NDArray[Any], bbox: ArrayLike, image_shape: Sequence[int]
) -> NDArray[np.bool_]:
    """A soft mask as the network gives it, put in its box in the image.

    Args:
        mask: 0 to 1 (h, w); 0.5 and more is mask.
        bbox: integers (4,); what lies outside of the image is cut off.
        image_shape: Of the image; height and width are used.

    Returns:
        bool (H, W).
    """
    full = np.zeros(tuple(image_shape[:2]), dtype=bool)
    ((y1, x1, y2, x2),) = _whole(np.asarray(bbox)[None])
    if y2 > y1 and x2 > x1:
        inside = resized(mask.astype(np.float32), (y2 - y1, x2 - x1)) >= 0.5
        target = full[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)]
        top, left = max(-y1, 0), max(-x1, 0)
        target[:] = inside[top : top + target.shape[0], left : left + target.shape[1]]
    return full


def resized(image: NDArray[Any], size_hw: tuple[int, int]) -> NDArray[Any]:
    """An image (H, W) or (H, W, C) at another size, linear, smoothed where it gets smaller."""
    channels = image.reshape(*image.shape[:2], -1).astype(np.float32)
    wide_high = size_hw[1], size_hw[0]
    planes = [
        np.asarray(Image.fromarray(plane).resize(wide_high, Image.Resampling.BILINEAR))
        for plane in np.moveaxis(channels, 2, 0)
    ]
    values = np.stack(planes, axis=-1).reshape(*size_hw, *image.shape[2:])
    if image.dtype.kind in "iu":
        values = values.round()
    return (values >= 0.5) if image.dtype == np.bool_ else values.astype(image.dtype)


def _whole(boxes: ArrayLike) -> list[list[int]]:
    """The corners of boxes (N, 4 or more) as whole numbers."""
    corners: list[list[int]] = (
        np.asarray(boxes).reshape(-1, np.shape(boxes)[-1])[:, :4].astype(int).tolist()
    )
    return corners
