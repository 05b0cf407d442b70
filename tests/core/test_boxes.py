"""Boxes: overlaps, and what four numbers mean."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from instseg.core import boxes
from instseg.core.boxes import are_corners, box_areas, box_ious, corners_of, shared_areas, xywh_of


def drawn(count=60, seed=0):
    """Boxes xywh in an image of 100 x 80."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 60, (count, 2))
    return np.hstack([start, rng.uniform(1, [40, 20], (count, 2))])


def test_ious_are_pycocotools_own():
    one, other = drawn(), drawn(seed=1)
    expected = coco_mask.iou(one, other, [0] * len(other))
    found = box_ious(corners_of(one)[:, None], corners_of(other)[None])
    assert found == pytest.approx(expected, abs=1e-12)
    assert box_ious(corners_of(one), corners_of(other)) == pytest.approx(expected.diagonal())


def test_empty_and_unknown_boxes_overlap_nothing():
    box = np.array([0.0, 0, 10, 10])
    for other in ([5, 5, 2, 8], [5, 5, 5, 5], [np.nan] * 4, [20, 20, 30, 30]):
        assert box_ious(box, np.array(other, np.float64)) == 0
    assert box_ious(np.zeros(4), np.zeros(4)) == 0
    assert shared_areas(
        np.array([0, 0, 4, 4]), np.array([[2, 1, 9, 9], [4, 0, 9, 9]])
    ).tolist() == [
        6,
        0,
    ]


def test_corners_are_told_by_their_place():
    sides = np.full((60, 2), [100, 80])
    boxes = drawn()
    assert not are_corners(boxes, sides)
    assert are_corners(corners_of(boxes), sides)
    assert not are_corners(corners_of(boxes)[:9], sides[:9])  # too few to tell
    assert not are_corners(corners_of(boxes), np.full_like(sides, np.nan, dtype=float))
    mixed = np.vstack([corners_of(boxes), [[50, 50, 20, 20]]])
    assert not are_corners(mixed, np.full((61, 2), [100, 80]))
    assert are_corners(mixed, np.full((61, 2), [100, 80]), least_share=0.95)


@pytest.mark.parametrize("at_once", [1, 50, 2**20])
def test_overlapping_boxes_are_those_of_all_pairs(monkeypatch, at_once):
    monkeypatch.setattr(boxes, "PAIRS_AT_ONCE", at_once)
    rng = np.random.default_rng(3)
    start = rng.integers(0, 60, (80, 2))
    found = np.hstack([start, start + rng.integers(0, 12, (80, 2))])
    expected = {
        (i, j)
        for i in range(80)
        for j in range(i + 1, 80)
        if boxes.shared_areas(found[i], found[j]) > 0
    }
    pairs = boxes.overlapping(found)
    assert len(pairs) == len(expected) > 20
    assert {tuple(pair) for pair in pairs.tolist()} == expected
    assert boxes.overlapping(found[:0]).shape == (0, 2)


def test_boxes_change_their_format_and_have_an_area():
    corners = np.array([[1, 2, 4, 6], [3, 3, 1, 5]], np.float32)
    np.testing.assert_array_equal(xywh_of(corners), [[1, 2, 3, 4], [3, 3, -2, 2]])
    np.testing.assert_array_equal(corners_of(xywh_of(corners)), corners)
    np.testing.assert_array_equal(box_areas(corners), [12, 0])
