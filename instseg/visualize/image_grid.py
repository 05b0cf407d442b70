"""Several pictures beside each other, on matplotlib axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from numpy.typing import ArrayLike, NDArray

from instseg.core.instances import Instances
from instseg.core.matterport_arrays import packed
from instseg.visualize.checks import whole_ids
from instseg.visualize.on_axes import show_if_possible
from instseg.visualize.painting import as_uint8

WIDTH_IN = 14.0
TITLE_PT = 9
TITLE_IN = 0.35  # height of a line of titles


def display_images(
    images: Sequence[NDArray[Any]],
    titles: Sequence[str] | None = None,
    cols: int = 4,
    cmap: str | Colormap | None = None,
    norm: Normalize | None = None,
    interpolation: str | None = None,
) -> list[Axes]:
    """Show images in rows, each with its title.

    Args:
        images: numbers (H, W, 3), 0 to 255 or, as floats, 0 to 1; or (H, W), drawn with `cmap`.
        titles: One for each image, or None.
        cols: How many are in a row.
        cmap: matplotlib's colour map, for images (H, W).
        norm: matplotlib's normalization, for images (H, W).
        interpolation: matplotlib's interpolation.

    Returns:
        The Axes of each image.

    Raises:
        ValueError: The titles are not as many as the images.
    """
    words = [""] * len(images) if titles is None else list(titles)
    if len(words) != len(images):
        raise ValueError(f"titles: expected {len(images)}, one for each image, got {len(words)}")
    cols = max(1, cols)
    rows = max(1, -(-len(images) // cols))
    tall = [min(np.shape(image)[0] / max(np.shape(image)[1], 1), 2) for image in images]
    heights = [
        max(tall[row * cols : (row + 1) * cols], default=1) * WIDTH_IN / cols + TITLE_IN
        for row in range(rows)
    ]
    figure = plt.figure(figsize=(WIDTH_IN, sum(heights)), layout="constrained")
    grid = figure.add_gridspec(rows, cols, height_ratios=heights)
    shown = []
    for i, (image, title) in enumerate(zip(images, words, strict=True)):
        axes = figure.add_subplot(grid[divmod(i, cols)])
        axes.set_title(title, fontsize=TITLE_PT, parse_math=False)
        axes.axis("off")
        pixels = np.asarray(image)
        flat = pixels.ndim == 2
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels, flat = pixels[..., 0], True
        pixels = pixels if flat else as_uint8(pixels)
        axes.imshow(pixels, cmap=cmap, norm=norm, interpolation=interpolation)
        shown.append(axes)
    show_if_possible()
    return shown


def display_top_masks(
    image: NDArray[Any],
    mask: Instances | ArrayLike,
    class_ids: ArrayLike = (),
    class_names: Sequence[str] = (),
    limit: int = 4,
) -> list[Axes]:
    """Show an image beside the masks of its classes, those with the largest area first.

    Args:
        image: uint8 (H, W, 3), RGB.
        mask: `Instances`, which need no ids and names, or bool or 0/1 (H, W, N).
        class_ids: integers (N,).
        class_names: Names by class id, the background's first.
        limit: How many classes; places that are left are empty and titled "-".

    Returns:
        The Axes of the image, and of each class.

    Raises:
        ValueError: Lengths do not fit, or a class id has no name.
    """
    if isinstance(mask, Instances):
        masks, ids, class_names = mask.masks, mask.class_ids, mask.class_names
    else:
        masks, ids = packed(mask, "mask"), whole_ids(class_ids, len(class_names))
    if len(ids) != len(masks):
        raise ValueError(f"class_ids: expected {len(masks)}, one for each mask, got {len(ids)}")
    areas = {int(c): int(masks.areas()[ids == c].sum()) for c in np.unique(ids)}
    top = sorted((c for c in areas if areas[c]), key=lambda c: -areas[c])[:limit]
    height, width = image.shape[:2]
    pictures, titles = [image], [f"H x W = {height} x {width}"]
    for class_id in top:
        numbered = np.zeros((height, width), dtype=np.int64)
        for number, row in enumerate(np.flatnonzero(ids == class_id).tolist(), start=1):
            numbered[masks.dense(row)] = number
        pictures.append(numbered)
        titles.append(class_names[class_id])
    empty = limit - len(top)
    pictures += [np.zeros((height, width), dtype=np.int64)] * empty
    return display_images(pictures, titles + ["-"] * empty, cols=limit + 1, cmap="Blues_r")
