import hypothesis.strategies as st
import numpy as np
import pytest
from coco_documents import donut, rle
from hypothesis import example, given
from hypothesis.extra import numpy as arrays

from instseg.core.masks import Masks
from instseg.core.outlines import exact_loops
from instseg.formats.bridges import bridged, unbridged
from instseg.formats.shapes import box_of, counts_of, mask_of, of_mask, of_rings, parts_of, ring_of

SIZE_HW = (30, 40)
MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def full(crop, size_hw=SIZE_HW, at=(3, 5)):
    return Masks.from_crops([crop], [at], size_hw).dense(0)


def annotation(mask):
    return {"segmentation": rle(mask)}


def drawn(segmentation, size_hw=SIZE_HW):
    return mask_of({"segmentation": segmentation}, size_hw).dense(0)


@given(MASKS)
@example(np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool))  # a hole
@example(np.array([[1, 0], [0, 1]], bool))  # pixels that touch at a corner
@example(np.eye(5, dtype=bool))
@example(np.array([[True]]))
def test_a_mask_comes_back_from_its_segmentation_and_from_one_ring(crop):
    mask = full(crop)
    assert (drawn(of_mask(crop, (3, 5), SIZE_HW)) == mask).all()
    ring = ring_of(annotation(mask), SIZE_HW)
    if not crop.any():
        assert ring is None
        return
    assert (drawn([ring.ravel().tolist()]) == mask).all()
    assert (drawn(of_rings(unbridged(ring), SIZE_HW)) == mask).all()


@given(MASKS)
@example(np.pad(np.pad(np.pad(np.ones((2, 2), bool), 1), 1, constant_values=True), 1))
def test_parts_and_their_holes_fill_the_mask(crop):
    mask = full(crop)
    parts = parts_of(annotation(mask), SIZE_HW)
    filled = np.zeros(SIZE_HW, bool)
    for part in parts:
        one = drawn(of_rings([part.outer, *part.holes], SIZE_HW))
        assert not (filled & one).any()
        filled |= one
    assert (filled == mask).all()
    assert counts_of(annotation(mask), SIZE_HW) == (
        len(parts),
        sum(len(part.holes) for part in parts),
    )


@given(MASKS)
def test_a_ring_without_its_bridges_is_the_rings_that_it_joins(crop):
    loops = [loop.astype(float) for loop in exact_loops(crop)]
    if not loops:
        return
    found = unbridged(bridged(loops))
    drawn_apart = sum(drawn([ring.ravel().tolist()]).astype(int) for ring in found) % 2
    assert (drawn_apart == drawn([bridged(loops).ravel().tolist()])).all()


def test_polygons_stay_as_they_are():
    ring = [10.25, 5, 30, 5.5, 30, 25, 10, 25]
    assert ring_of({"segmentation": [ring]}, SIZE_HW).ravel().tolist() == ring
    assert parts_of({"segmentation": [ring]}, SIZE_HW)[0].outer.ravel().tolist() == ring
    assert of_rings([np.array(ring).reshape(-1, 2)], SIZE_HW) == [ring]


def test_polygons_that_overlap_are_joined_and_not_cut_out():
    overlapping = {"segmentation": [[2, 2, 20, 2, 20, 20, 2, 20], [10, 10, 30, 10, 30, 28, 10, 28]]}
    ring = ring_of(overlapping, SIZE_HW)
    assert (drawn([ring.ravel().tolist()]) == mask_of(overlapping, SIZE_HW).dense(0)).all()


def test_rings_in_rings_are_holes():
    outer, inner = (
        np.array([[a, a], [b, a], [b, b], [a, b]], float) for a, b in ((2, 28), (8, 20))
    )
    found = drawn(of_rings([outer, inner], SIZE_HW))
    assert found[5, 5]
    assert not found[14, 14]


def test_many_parts_are_quick_and_exact():
    mask = np.zeros((150, 150), bool)
    mask[::3, ::3] = True  # 2,500 single pixels
    ring = ring_of({"segmentation": rle(mask)}, mask.shape)
    assert (drawn([ring.ravel().tolist()], mask.shape) == mask).all()


def test_tolerance_leaves_corners_out():
    mask = donut()
    exact = ring_of({"segmentation": rle(mask)}, mask.shape)
    simple = ring_of({"segmentation": rle(mask)}, mask.shape, 1.0)
    assert len(simple) < len(exact) / 2
    again = drawn([simple.ravel().tolist()], mask.shape)
    assert (again & mask).sum() / (again | mask).sum() > 0.85
    assert not again[40, 60]  # the hole


@pytest.mark.parametrize(
    "segmentation",
    [
        [["a", "b", "c", "d", "e", "f"]],
        [[1, 2, float("nan"), 4, 5, 6]],
        {"size": [30, 40]},
        [[1, 2, 3]],
    ],
)
def test_a_broken_segmentation_is_a_value_error(segmentation):
    with pytest.raises(ValueError):
        mask_of({"segmentation": segmentation}, SIZE_HW)


def test_boxes_come_from_the_outline_where_they_lack():
    assert box_of({"bbox": [1, 2, 3, 4]}, SIZE_HW) == [1, 2, 3, 4]
    assert box_of({"segmentation": [[1, 2, 5, 2, 5, 9.5]]}, SIZE_HW) == [1, 2, 4, 7.5]
    mask = full(np.ones((4, 6), bool))
    assert box_of(annotation(mask), SIZE_HW) == [5, 3, 6, 4]
    assert box_of({"segmentation": []}, SIZE_HW) is None
