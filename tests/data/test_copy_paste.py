import numpy as np
import pytest
import torch

from instseg.core.instances import Instances
from instseg.core.masks import Masks
from instseg.data.copy_paste import CopyPaste, paste, remaining

NAMES = ("BG", "cup", "dog")
SIZE_HW = (40, 50)


def box_mask(y0, x0, y1, x1, size_hw=SIZE_HW):
    mask = np.zeros(size_hw, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


def objects(masks, class_ids, names=NAMES):
    packed = Masks.from_dense(np.stack(masks))
    return Instances(
        boxes=packed.boxes_xyxy(),
        class_ids=class_ids,
        scores=np.ones(len(masks)),
        masks=packed,
        class_names=names,
    )


def grey(value, size_hw=SIZE_HW):
    return np.full((*size_hw, 3), value, dtype=np.uint8)


def donut():
    yy, xx = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    return abs(np.hypot(yy - 20, xx - 20) - 9) < 4


def test_what_is_pasted_hides_what_lies_below():
    two_parts = box_mask(2, 2, 12, 12) | box_mask(2, 30, 12, 40)
    below = objects([two_parts, box_mask(15, 15, 20, 20)], [1, 2])
    crowd = Masks.from_dense(np.stack([box_mask(14, 14, 30, 30), box_mask(16, 16, 18, 18)]))
    above = objects([box_mask(0, 0, 25, 25)], [2])
    image, pasted, crowds = paste(grey(10), below, crowd, grey(200), above, (0, 0))
    assert pasted.names == ["cup", "dog"]  # the hidden dog has gone, the pasted one comes last
    assert (pasted.masks.dense(0) == box_mask(2, 30, 12, 40)).all()
    assert pasted.boxes.tolist() == [[30, 2, 40, 12], [0, 0, 25, 25]]
    assert (image == np.where(box_mask(0, 0, 25, 25), 200, 10)[..., None]).all()
    assert len(crowds) == 1
    left = box_mask(14, 14, 30, 30) & ~box_mask(0, 0, 25, 25)
    assert (crowds.dense(0) == left).all()


def test_a_hole_stays_see_through():
    below = objects([box_mask(18, 18, 23, 23)], [1])
    image, pasted, _ = paste(
        grey(10), below, Masks.empty(SIZE_HW), grey(200), objects([donut()], [2]), (0, 0)
    )
    assert (pasted.masks.dense() == np.stack([box_mask(18, 18, 23, 23), donut()])).all()
    assert image[20, 20, 0] == 10


@pytest.mark.parametrize("offset_yx", [(0, 0), (5, -3), (-10, 20), (-20, -30)])
@pytest.mark.parametrize("size_hw", [(20, 20), (60, 80)])
def test_a_photo_of_another_size_is_cut_and_not_scaled(offset_yx, size_hw):
    other_image = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), dtype=np.uint8)
    other = objects([box_mask(4, 6, 18, 19, size_hw)], [1])
    empty = Instances.empty(SIZE_HW, NAMES)
    image, pasted, _ = paste(grey(0), empty, Masks.empty(SIZE_HW), other_image, other, offset_yx)
    inside = other.masks.placed(offset_yx, SIZE_HW)
    assert len(pasted) == (inside.areas()[0] > 16)
    for y, x in np.argwhere(pasted.masks.union().dense(0))[::7]:
        assert (image[y, x] == other_image[y - offset_yx[0], x - offset_yx[1]]).all()


def test_nothing_to_paste_changes_nothing():
    below = objects([donut()], [1])
    image, pasted, _ = paste(grey(10), below, Masks.empty(SIZE_HW), grey(9), below[[]], (3, 3))
    assert (image == 10).all()
    assert (pasted.masks.dense() == below.masks.dense()).all()


def test_other_class_names_are_refused():
    below = objects([donut()], [1])
    other = objects([donut()], [1], ("BG", "cat"))
    with pytest.raises(ValueError, match="class_names"):
        paste(grey(1), below, Masks.empty(SIZE_HW), grey(2), other, (0, 0))


@pytest.mark.parametrize(
    ("before", "after", "stays"),
    [(400, 16, True), (400, 15, False), (4, 1, True), (4, 0, False), (100, 11, True)],
)
def test_slivers_go_and_small_objects_stay(before, after, stays):
    def of(pixels):
        return (np.arange(SIZE_HW[0] * SIZE_HW[1]) < pixels).reshape(SIZE_HW)

    instances = objects([of(before)], [1])
    assert len(remaining(instances, Masks.from_dense(of(after)[None]))) == stays


def test_choice_is_a_subset_in_order():
    torch.manual_seed(0)
    chosen = [CopyPaste(most=3).choose(10) for _ in range(50)]
    assert {len(rows) for rows in chosen} == {1, 2, 3}
    assert all((np.diff(rows) > 0).all() for rows in chosen)
    assert set(np.concatenate(chosen)) == set(range(10))
    assert {len(CopyPaste().choose(4)) for _ in range(50)} == {1, 2, 3, 4}
    assert len(CopyPaste().choose(0)) == 0
