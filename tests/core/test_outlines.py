"""Outlines that give back the very same mask, and simplified ones that stay near it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from instseg.core.instances import Masks
from instseg.core.outlines import (
    exact_loops,
    exact_polygons,
    is_clockwise,
    rounded_loops,
    simplified_outlines,
    svg_path,
)

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


def filled(loops: list[np.ndarray], size_hw: tuple[int, int]) -> np.ndarray:
    """How often loops wind around each pixel."""
    times = np.zeros(size_hw, dtype=int)
    for loop in loops:
        for (x0, y0), (x1, y1) in zip(loop, np.roll(loop, -1, axis=0), strict=True):
            assert (x0 == x1) != (y0 == y1)
            if x0 == x1:
                times[min(y0, y1) : max(y0, y1), x0:] += 1 if y1 < y0 else -1
    return times


def blobs(seed: int, size_hw: tuple[int, int], width: float) -> np.ndarray:
    values = np.random.default_rng(seed).random(size_hw)
    return ndimage.gaussian_filter(values, width) > 0.5


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]))
def test_loops_wind_once_around_each_pixel_of_the_mask_and_around_no_other(seed, share):
    dense = np.random.default_rng(seed).random(SIZE_HW) < share
    loops = exact_loops(dense)
    np.testing.assert_array_equal(filled(loops, SIZE_HW), dense)
    _, parts = ndimage.label(dense)
    assert sum(map(is_clockwise, loops)) == parts
    assert all((np.roll(loop, -2, axis=0) != loop).any(axis=1).all() for loop in loops)


def test_a_hole_is_a_loop_of_opposite_direction():
    outer, inner = exact_loops(rows("###", "#.#", "###"), (10, 20))
    assert outer.tolist() == [[20, 10], [23, 10], [23, 13], [20, 13]]
    assert inner.tolist() == [[21, 11], [21, 12], [22, 12], [22, 11]]
    assert (is_clockwise(outer), is_clockwise(inner)) == (True, False)


@pytest.mark.parametrize("mask", [rows("...", "..."), np.zeros((0, 0), dtype=bool)])
def test_an_empty_mask_has_no_outline(mask):
    assert exact_loops(mask) == rounded_loops([]) == simplified_outlines([], 1) == []
    assert simplified_outlines([[]], 1) == [[]]
    assert svg_path([]) == ""


def test_pixels_that_touch_at_a_corner_have_outlines_of_their_own():
    for mask in (rows("#.", ".#"), rows(".#", "#.")):
        assert [len(loop) for loop in exact_loops(mask)] == [4, 4]
    assert len(exact_loops(rows("###", "#.#", "##.", "###"))) == 1  # the hole is open


def test_rounded_loops_have_no_stairs_and_stay_near():
    stairs = np.tri(20, dtype=bool)
    (loop,) = simplified_outlines([rounded_loops(exact_loops(stairs))], 0.01)[0]
    assert len(loop) == 6  # a triangle whose three corners are cut
    exact = exact_loops(stairs)[0]
    distance = np.abs(loop[:, None] - exact[None]).sum(axis=2).min(axis=1)
    assert distance.max() <= 0.5


@pytest.mark.parametrize("tolerance", [0.5, 2])
@pytest.mark.parametrize("seed", range(5))
def test_simplified_loops_are_shorter_and_within_the_tolerance(seed, tolerance):
    loops = exact_loops(blobs(seed, (120, 160), 6))
    _, short = simplified_outlines([[], loops], tolerance)
    before, after = sum(map(len, loops)), sum(map(len, short))
    assert after < before * (0.9 if tolerance < 1 else 0.4)
    for point in np.concatenate([loop for loop in loops if len(loop) > 20]):
        assert min(distance_to(loop, point) for loop in short) <= tolerance + 1e-9


def test_outlines_of_combs_are_simplified_within_the_tolerance():
    comb = np.tile(np.arange(600) % 3 == 0, (40, 1))
    comb[0] = True
    ((outline,),) = [rounded_loops(exact_loops(comb))]
    ((short,),) = simplified_outlines([[outline]], 0.5)
    assert len(short) < len(outline)
    assert max(distance_to(short, point) for point in outline) <= 0.5 + 1e-9


def distance_to(loop: np.ndarray, point: np.ndarray) -> float:
    side = np.roll(loop, -1, axis=0) - loop
    along = ((point - loop) * side).sum(axis=1) / (side**2).sum(axis=1)
    return np.hypot(*(point - loop - along.clip(0, 1)[:, None] * side).T).min()


def test_a_mask_smaller_than_the_tolerance_does_not_disappear():
    ((loop,),) = simplified_outlines([exact_loops(rows("##", "##"))], 10)
    assert loop.tolist() == [[0, 0], [2, 0], [2, 2], [0, 2]]


def test_svg_paths_are_short_relative_commands():
    loops = exact_loops(rows("##", "#."), (4, 5))
    assert svg_path(loops) == "M5 4h2v1h-1v1h-1z"
    assert svg_path([np.array([[0, -0.26], [1.5, 0.5], [-1, 2]])], 1) == "M0-.3l1.5 .8l-2.5 1.5z"
