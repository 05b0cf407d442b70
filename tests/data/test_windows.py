"""Windows of large photos: where they lie, and what they show of the labels."""

import numpy as np
import pytest

from instseg.core.instances import Instances, Masks
from instseg.core.rle import polygons_to_rle
from instseg.core.windows import corners_of_window
from instseg.data.boxes import Boxes
from instseg.data.labels import PhotoLabels
from instseg.data.windows import (
    VISIBLE_SHARE,
    around_objects,
    only_large,
    seen_in,
    without_objects,
)

SIZE_HW = (300, 400)
WINDOW = (slice(100, 196), slice(150, 246))


def labels_of(masks=None, boxes=None, crowds=None):
    """Labels of a photo; all objects are of class 1."""
    masks = Masks.from_dense(np.zeros((0, *SIZE_HW), dtype=bool) if masks is None else masks)
    return PhotoLabels(
        instances=Instances(
            boxes=masks.boxes_xyxy(),
            class_ids=np.ones(len(masks), dtype=np.int64),
            scores=np.ones(len(masks), dtype=np.float32),
            masks=masks,
            class_names=("BG", "thing"),
        ),
        crowds=Masks.empty(SIZE_HW) if crowds is None else Masks.from_dense(crowds),
        boxes=boxes or Boxes.empty(),
        unknown=frozenset(),
        is_open=False,
    )


def random_masks(count, seed=0):
    """Triangles with corners anywhere."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, SIZE_HW[::-1], (count, 3, 2))
    rles = [polygons_to_rle([each.ravel().tolist()], SIZE_HW) for each in corners]
    return Masks.from_rle(rles).dense()


def boxes_of(dense):
    """The boxes of masks, by numpy."""
    boxes = []
    for each in dense:
        ys, xs = np.nonzero(each)
        boxes.append([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    return np.array(boxes, dtype=np.float32).reshape(-1, 4)


def test_masks_boxes_and_areas_are_those_of_numpys_crop():
    dense, crowds = random_masks(40), random_masks(6, seed=1)
    found = seen_in(labels_of(dense, crowds=crowds), WINDOW)
    crops, crowd_crops = dense[:, *WINDOW], crowds[:, *WINDOW]
    areas = crops.sum(axis=(1, 2))
    shares = areas / dense.sum(axis=(1, 2))
    objects = crops[shares >= VISIBLE_SHARE]
    slivers = crops[(shares < VISIBLE_SHARE) & (areas > 0)]
    left = crowd_crops[crowd_crops.any(axis=(1, 2))]
    assert min(map(len, (objects, slivers, left))) > 0  # else this tests nothing
    assert np.array_equal(found.instances.masks.dense(), objects)
    assert np.array_equal(found.instances.boxes, boxes_of(objects))
    assert found.instances.masks.areas().tolist() == objects.sum(axis=(1, 2)).tolist()
    assert np.array_equal(found.crowds.dense(), np.concatenate([left, slivers]))


def test_an_object_at_the_border_counts_from_a_quarter_of_its_area():
    dense = np.zeros((2, *SIZE_HW), dtype=bool)
    dense[0, 120:140, 141:153] = True  # 3 of its 12 columns are inside
    dense[1, 120:140, 140:153] = True  # 3 of 13
    found = seen_in(labels_of(dense), WINDOW)
    assert found.instances.boxes.tolist() == [[0, 20, 3, 40]]
    assert found.crowds.boxes_xyxy().tolist() == [[0, 20, 3, 40]]


def test_boxes_without_masks_and_their_points_are_clipped_too():
    given = np.array(
        [[140, 90, 180, 130], [100, 110, 152, 120], [10, 10, 20, 20], [240, 190, 300, 300]],
        dtype=np.float32,
    )
    points = [np.array([[160, 120, 1], [141, 95, 0]], dtype=np.float32)]
    points += [np.zeros((0, 3), dtype=np.float32)] * 3
    boxes = Boxes.of(given, np.array([1, 1, 1, 0]), points)
    found = seen_in(labels_of(boxes=boxes), WINDOW).boxes
    assert found.boxes.tolist() == [[0, 0, 30, 30], [0, 10, 2, 20], [90, 90, 96, 96]]
    assert found.class_ids.tolist() == [1, 0, 0]  # the second is a sliver
    assert found.points[0].tolist() == [[10, 20, 1], [-9, -5, -1]]


def test_objects_that_are_too_small_for_the_whole_photo_are_ignored_there():
    dense = np.zeros((2, *SIZE_HW), dtype=bool)
    dense[0, :100, :20] = True
    dense[1, 200:210, 200:210] = True
    boxes = Boxes.of(np.array([[0, 0, 90, 30.0]], dtype=np.float32), np.array([1]))
    found = only_large(labels_of(dense, boxes), 100)
    assert found.instances.boxes.tolist() == [[0, 0, 20, 100]]
    assert found.crowds.boxes_xyxy().tolist() == [[200, 200, 210, 210]]
    assert found.boxes.class_ids.tolist() == [0]


@pytest.mark.parametrize("seed", range(4))
def test_every_object_is_shown_whole_and_every_window_lies_inside(seed):
    rng = np.random.default_rng(seed)
    starts = rng.uniform(0, 260, (30, 2))
    boxes = np.hstack([starts, starts + rng.uniform(1, 40, (30, 2))])
    windows = around_objects(boxes, SIZE_HW, 64, rng)
    assert {(y.stop - y.start, x.stop - x.start) for y, x in windows} == {(64, 64)}
    corners = np.array([corners_of_window(window) for window in windows])
    assert corners.min() >= 0 and (corners[:, 2:] <= SIZE_HW[::-1]).all()
    low, high = corners[:, None, :2], corners[:, None, 2:]
    whole = ((boxes[:, :2] >= low) & (boxes[:, 2:] <= high)).all(axis=2)
    assert whole.any(axis=0).all()
    assert len(windows) < len(boxes)


@pytest.mark.parametrize(
    ("box", "shown"),
    [
        ([0, 0, 400, 300], [0, 0, 400, 300]),  # larger than a window, which lies inside
        ([395, 295, 400, 300], [336, 236, 400, 300]),  # in the corner
        ([390, 0, 400, 300], [336, 0, 400, 300]),  # as high as the photo
    ],
)
def test_windows_at_the_border_and_in_large_objects(box, shown):
    rng = np.random.default_rng(0)
    for _ in range(20):
        (window,) = around_objects(np.array([box], dtype=np.float64), SIZE_HW, 64, rng)
        left, top, right, bottom = corners_of_window(window)
        assert (right - left, bottom - top) == (64, 64)
        assert left >= shown[0] and top >= shown[1] and right <= shown[2] and bottom <= shown[3]


def test_a_photo_that_is_narrower_than_a_window_is_cut_in_one_direction():
    rng = np.random.default_rng(0)
    boxes = np.array([[10, 200, 20, 210.0]])
    (window,) = around_objects(boxes, (300, 50), 64, rng)
    assert window[1] == slice(0, 50) and window[0].stop - window[0].start == 64


def test_windows_of_the_background_touch_no_object():
    rng = np.random.default_rng(0)
    boxes = np.array([[0, 0, 200, 300], [300, 100, 310, 110.0]])
    windows = without_objects(boxes, SIZE_HW, 64, 200, rng)
    assert len(windows) > 20
    for left, top, right, bottom in map(corners_of_window, windows):
        assert left >= 200 and right <= 400
        assert not (left < 310 and right > 300 and top < 110 and bottom > 100)
    everywhere = np.array([[0, 0, 400, 300.0]])
    assert without_objects(everywhere, SIZE_HW, 64, 50, rng) == []
    assert len(without_objects(np.zeros((0, 4)), SIZE_HW, 64, 50, rng)) == 50
