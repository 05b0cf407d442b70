"""Masks blended over one another, beside the same arithmetic on every pixel."""

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from instseg.core.masks import Masks
from instseg.visualize.layers import blend_masks


def blobs(rng, size_hw, count, least_px=1):
    """Masks with wavy borders and holes, of any size, also at the borders of the photo."""
    yy, xx = np.mgrid[: size_hw[0], : size_hw[1]]
    dense = []
    for _ in range(count):
        y, x, radius = rng.uniform((0, 0, least_px), (*size_hw, max(size_hw)))
        distance, angle = np.hypot(yy - y, xx - x), np.arctan2(yy - y, xx - x)
        edge = radius * (1 + 0.2 * np.sin(angle * rng.integers(1, 9)))
        dense.append((distance < edge) & (distance > rng.uniform(0, 0.3) * radius))
    return Masks.from_dense(np.stack(dense))


def exact(image, masks, order, colors, opacity, line_px):
    pixels = image.astype(np.float64)
    for i in order:
        mask = masks.dense(i)
        core = binary_erosion(mask, iterations=line_px) if line_px else mask
        pixels[core] = pixels[core] * (1 - opacity) + np.array(colors[i]) * opacity
        pixels[mask & ~core] = colors[i]
    return pixels


@pytest.mark.parametrize("size_hw", [(1, 1), (7, 9), (64, 80), (403, 501)])
@pytest.mark.parametrize(
    ("opacity", "line_px"), [(0.45, 1), (0.45, 3), (0.45, 0), (0, 2), (1, 8), (0.7, 5)]
)
def test_each_pixel_is_what_one_mask_after_the_other_makes_of_it(size_hw, opacity, line_px):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    masks = blobs(rng, size_hw, 12)
    colors = [tuple(color) for color in rng.integers(0, 256, (12, 3)).tolist()]
    order = rng.permutation(12).tolist()
    drawn = blend_masks(image, masks, order, colors, opacity=opacity, line_px=line_px)
    expected = exact(image, masks, order, colors, opacity, line_px)
    assert np.abs(drawn - expected).max() < 2
    outside = ~masks.dense().any(axis=0)
    assert (drawn[outside] == image[outside]).all()
    assert drawn.flags["C_CONTIGUOUS"] and not np.shares_memory(drawn, image)


def test_a_mask_of_single_pixels_all_over_a_photo():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (410, 390, 3), dtype=np.uint8)
    masks = Masks.from_dense(rng.random((2, 410, 390)) < (0.5,))
    colors = [(250, 10, 40), (0, 90, 200)]
    drawn = blend_masks(image, masks, [0, 1], colors, opacity=0.4, line_px=1)
    assert np.abs(drawn - exact(image, masks, [0, 1], colors, 0.4, 1)).max() < 2


def test_only_masks_in_the_order_are_drawn():
    image = np.full((40, 60, 3), 90, np.uint8)
    masks = Masks.from_dense(np.ones((3, 40, 60), bool))
    drawn = blend_masks(image, masks, [1], [(1, 1, 1), (9, 9, 9), (5, 5, 5)], opacity=1, line_px=0)
    assert (drawn == 9).all()
    assert (blend_masks(image, masks, [], [], opacity=1, line_px=0) == image).all()


def test_lines_are_8_px_wide_at_most():
    masks = Masks.from_dense(np.ones((1, 40, 60), bool))
    with pytest.raises(ValueError, match="line_px: expected 0 to 8, got 9"):
        blend_masks(np.zeros((40, 60, 3), np.uint8), masks, [0], [(1, 1, 1)], opacity=1, line_px=9)
