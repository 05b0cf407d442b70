"""Polygons to RLE, next to pycocotools' own."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from instseg.core.rle import decode_crop, encode_crops, polygons_to_rle, to_rle


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(0, 2**32))
def test_many_parts_are_merged_as_pycocotools_does(count, seed):
    corners = np.random.default_rng(seed).uniform(-5, 45, (count, 6))
    parts = corners.tolist()
    peer = coco_mask.merge(coco_mask.frPyObjects(parts, 40, 30))
    assert polygons_to_rle(parts, (40, 30)) == peer
    assert polygons_to_rle([*map(np.array, parts)], (40, 30)) == peer


@pytest.mark.parametrize("bad", [[1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7], [0, 0, 2e6, 0, 0, 1]])
def test_one_bad_part_among_many_is_named(bad):
    with pytest.raises(ValueError, match="at least 3 finite points"):
        polygons_to_rle([[0, 0, 5, 0, 5, 5], bad], (10, 10))


def test_an_outline_may_not_be_endless():
    with pytest.raises(ValueError, match="longer than the limit"):
        polygons_to_rle([[0, 0, 9e5, 9e5] * 200], (10, 10))


@pytest.mark.parametrize("outline", [[[1, 1, 9, 1, 9, 9]], {"size": [10**9, 80], "counts": [8]}])
def test_an_image_of_endless_size_is_refused(outline):
    with pytest.raises(ValueError, match="80 x 1000000000 pixels is too large for masks"):
        to_rle(outline, (10**9, 80))


def test_masks_of_gigapixels_need_the_memory_of_their_crops():
    """The runs of 1.5 gigapixels, and of the largest image that there may be."""
    crop = np.eye(60, 80, dtype=bool)
    for size_hw in ((30_000, 50_000), (65_535, 65_537)):
        place = np.array([[size_hw[0] - 60, size_hw[1] - 80]])
        tracemalloc.start()
        (coded,) = encode_crops([crop], place, size_hw)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
        tracemalloc.stop()
        assert coco_mask.area(coded) == 60
        found, (y, x) = decode_crop(coded["counts"], size_hw)
        assert (y, x) == tuple(place[0])
        np.testing.assert_array_equal(found, crop[:, :60])
    with pytest.raises(ValueError, match="too large for masks"):
        encode_crops([crop], np.zeros((1, 2), np.int64), (65_536, 65_537))
