"""Polygons that give back the very same mask."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from instseg.core.instances import Masks
from instseg.core.outlines import exact_polygons

SIZE_HW = (9, 11)


def rows(*lines: str) -> np.ndarray:
    return np.array([[c == "#" for c in line] for line in lines])


def test_a_rectangle_has_four_corners():
    assert exact_polygons(np.ones((2, 3), dtype=bool), (4, 5)) == [[8, 4, 8, 6, 5, 6, 5, 4]]


def test_parts_are_polygons_of_their_own_also_where_they_touch_at_a_corner():
    assert len(exact_polygons(rows("##..", "..##"), (0, 0))) == 2
    assert len(exact_polygons(rows("#.#", "#.#", "###"), (0, 0))) == 1


@pytest.mark.parametrize("mask", [rows("###", "#.#", "###"), rows("...", "...")])
def test_holes_and_empty_masks_have_none(mask):
    assert exact_polygons(mask, (0, 0)) is None


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.1, 0.5, 0.9]), st.booleans())
def test_pycocotools_draws_the_same_mask(seed, share, smooth):
    rng = np.random.default_rng(seed)
    values = rng.random(SIZE_HW)
    dense = (ndimage.gaussian_filter(values, 1.5) > 0.5) if smooth else values < share
    masks = Masks.from_dense(dense[None])
    polygons = exact_polygons(masks.crops[0], tuple(masks.offsets_yx[0].tolist()))
    background, _ = ndimage.label(np.pad(~dense, 1, constant_values=True), np.ones((3, 3)))
    has_hole = background.max() > 1
    assert (polygons is None) == (has_hole or not dense.any())
    if polygons is not None:
        np.testing.assert_array_equal(Masks.from_polygons([polygons], SIZE_HW).dense(0), dense)
