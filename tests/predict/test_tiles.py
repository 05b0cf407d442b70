"""Joining looks at one photo, from ground truth that is cut up."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instseg.core.instances import Instances, Masks
from instseg.predict.tiles import drop_repeats, join_flipped, join_tiles, tile_windows
from instseg.scenes.scene import SceneConfig, draw_scene

SIZE_HW = (240, 320)
NAMES = ("BG", "cat", "dog")


def make_instances(rectangles, class_ids=None, scores=None, size_hw=SIZE_HW):
    """Instances that are rectangles x0, y0, x1, y1."""
    crops = [np.ones((y1 - y0, x1 - x0), dtype=bool) for x0, y0, x1, y1 in rectangles]
    masks = Masks.from_crops(crops, [(y0, x0) for x0, y0, _, _ in rectangles], size_hw)
    count = len(rectangles)
    return Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=[1] * count if class_ids is None else class_ids,
        scores=[0.9] * count if scores is None else scores,
        masks=masks,
        class_names=NAMES,
    )


def cut(truth, windows):
    """What a perfect network finds in each tile."""
    parts = []
    for y, x in windows:
        masks = truth.masks.placed((-y.start, -x.start), (y.stop - y.start, x.stop - x.start))
        part = replace(truth, masks=masks, boxes=masks.boxes_xyxy())
        parts.append(part[masks.areas() > 0])
    return parts


def assert_same_objects(found, truth):
    """The same classes, scores, boxes and masks in any order."""
    assert len(found) == len(truth)
    ious = found.masks.iou(truth.masks)
    match = ious.argmax(axis=0)
    np.testing.assert_array_equal(ious.max(axis=0, initial=0), 1)
    np.testing.assert_array_equal(found.class_ids[match], truth.class_ids)
    np.testing.assert_allclose(found.scores[match], truth.scores)
    np.testing.assert_allclose(found.boxes[match], truth.boxes)


@given(
    st.tuples(st.integers(1, 900), st.integers(1, 900)),
    st.integers(64, 300),
    st.floats(0, 0.9),
)
def test_tiles_cover_the_image_and_overlap(size_hw, tile, overlap):
    windows = tile_windows(size_hw, tile, overlap)
    for axis, size in enumerate(size_hw):
        spans = sorted({(window[axis].start, window[axis].stop) for window in windows})
        assert spans[0][0] == 0
        assert spans[-1][1] == size
        for start, stop in spans:
            assert stop - start == min(tile, size)
        for (_, stop), (start, _) in itertools.pairwise(spans):
            assert stop - start >= overlap * tile - 1e-6
    assert len(windows) == len({(y.start, x.start) for y, x in windows})


def test_no_more_tiles_than_needed():
    assert len(tile_windows((1000, 1000), 1000, 0.2)) == 1
    assert len(tile_windows((1000, 1800), 1000, 0.2)) == 2
    assert len(tile_windows((1000, 1801), 1000, 0.2)) == 3
    assert len(tile_windows((3000, 4000), 1024, 0.2)) == 4 * 5


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize(("tile", "overlap"), [(128, 0.2), (160, 0.3), (96, 0.5)])
def test_scene_cut_into_tiles_comes_back_whole(index, tile, overlap):
    config = SceneConfig(size_hw=(300, 420), objects=(8, 12), object_px=(12, 60), overlap=0)
    truth = draw_scene(index, config).instances
    windows = tile_windows(truth.size_hw, tile, overlap)
    parts = cut(truth, windows)
    assert sum(len(part) for part in parts) > len(truth)  # seams cut some
    nothing = Instances.empty(truth.size_hw, truth.class_names)
    assert_same_objects(join_tiles(parts, windows, nothing), truth)
    assert_same_objects(join_tiles(parts, windows, truth), truth)


@pytest.mark.parametrize("index", range(4))
def test_large_objects_are_taken_from_the_whole_photo(index):
    config = SceneConfig(size_hw=(300, 420), objects=(5, 8), object_px=(80, 200), overlap=0)
    truth = draw_scene(index, config).instances
    windows = tile_windows(truth.size_hw, 96, 0.2)
    assert_same_objects(join_tiles(cut(truth, windows), windows, truth), truth)


def test_small_objects_are_not_taken_from_the_whole_photo():
    windows = tile_windows(SIZE_HW, 120, 0.2)
    whole = make_instances([(10, 10, 40, 40), (50, 50, 150, 100)])
    nothing = [Instances.empty((120, 120), NAMES)] * len(windows)
    joined = join_tiles(nothing, windows, whole)
    assert_same_objects(joined, whole[1])


def test_object_over_four_tiles_is_one_with_the_best_score():
    windows = tile_windows((180, 180), 100, 0.2)
    assert len(windows) == 4
    truth = make_instances([(60, 60, 120, 120)], size_hw=(180, 180))
    parts = [
        replace(part, scores=[score])
        for part, score in zip(cut(truth, windows), [0.5, 0.8, 0.6, 0.7], strict=True)
    ]
    joined = join_tiles(parts, windows, Instances.empty((180, 180), NAMES))
    assert_same_objects(joined, replace(truth, scores=[0.8]))


@pytest.mark.parametrize("x_seam", [80, 90, 100])
def test_touching_objects_of_one_class_stay_two(x_seam):
    """Side by side, and one above the other across the seam."""
    windows = tile_windows((100, 180), 100, 0.2)
    assert [x.start for _, x in windows] == [0, 80]
    sides = make_instances([(40, 20, x_seam, 60), (x_seam, 20, 140, 60)], size_hw=(100, 180))
    stacked = make_instances([(40, 20, 140, 50), (40, 50, 140, 80)], size_hw=(100, 180))
    for truth in (sides, stacked):
        joined = join_tiles(cut(truth, windows), windows, Instances.empty((100, 180), NAMES))
        assert_same_objects(joined, truth)


def test_other_classes_are_not_joined():
    windows = tile_windows((100, 180), 100, 0.2)
    left, right = cut(make_instances([(40, 20, 140, 60)], size_hw=(100, 180)), windows)
    parts = [left, replace(right, class_ids=[2])]
    joined = join_tiles(parts, windows, Instances.empty((100, 180), NAMES))
    assert sorted(joined.class_ids.tolist()) == [1, 2]


def test_piece_of_a_large_object_of_another_class_stays():
    windows = tile_windows(SIZE_HW, 120, 0.2)
    whole = make_instances([(10, 10, 200, 200)])
    rider = make_instances([(20, 20, 60, 60)], [2])
    joined = join_tiles(cut(rider, windows), windows, whole)
    assert sorted(joined.class_ids.tolist()) == [1, 2]


def test_nothing_found_in_any_tile():
    windows = tile_windows(SIZE_HW, 120, 0.2)
    nothing = [Instances.empty((120, 120), NAMES)] * len(windows)
    joined = join_tiles(nothing, windows, Instances.empty(SIZE_HW, NAMES))
    assert len(joined) == 0
    assert joined.size_hw == SIZE_HW


def mirror(found):
    masks = found.masks.flipped()
    return replace(found, masks=masks, boxes=masks.boxes_xyxy())


def test_mirrored_look_that_agrees_changes_nothing():
    truth = draw_scene(3).instances
    assert_same_objects(join_flipped(truth, mirror(truth)), truth)


def test_mirrored_looks_score_the_mean_and_keep_the_better_mask():
    found = make_instances([(10, 10, 60, 60), (100, 100, 150, 150)], scores=[0.6, 0.8])
    other = make_instances([(10, 10, 60, 64), (200, 10, 220, 30)], scores=[0.9, 0.4])
    joined = join_flipped(found, mirror(other))
    expected = make_instances(
        [(10, 10, 60, 64), (100, 100, 150, 150), (200, 10, 220, 30)], scores=[0.75, 0.4, 0.2]
    )
    assert_same_objects(joined, expected)


def test_each_object_has_one_partner_in_the_mirror():
    """Two that overlap well in one look are two objects, not one seen twice."""
    found = make_instances([(10, 10, 60, 60), (10, 20, 60, 70)], scores=[0.8, 0.8])
    other = make_instances([(10, 12, 60, 62)], scores=[0.8])
    assert sorted(join_flipped(found, mirror(other)).scores.tolist()) == pytest.approx([0.4, 0.8])


def test_mirrored_look_of_another_class_is_another_object():
    found = make_instances([(10, 10, 60, 60)], [1], [0.8])
    joined = join_flipped(found, mirror(replace(found, class_ids=[2])))
    assert sorted(zip(joined.class_ids.tolist(), joined.scores.tolist(), strict=True)) == [
        (1, pytest.approx(0.4)),
        (2, pytest.approx(0.4)),
    ]


@pytest.mark.parametrize("sides", ["both empty", "one empty"])
def test_mirror_with_nothing_found(sides):
    nothing = Instances.empty(SIZE_HW, NAMES)
    found = nothing if sides == "both empty" else make_instances([(0, 0, 9, 9)], scores=[0.8])
    assert join_flipped(found, nothing).scores.tolist() == pytest.approx([0.4] * len(found))
    assert len(join_flipped(nothing, found)) == len(found)


def test_cross_class_nms_keeps_the_best_of_what_overlaps():
    found = make_instances(
        [(0, 0, 50, 50), (0, 0, 50, 45), (0, 0, 50, 20), (100, 100, 120, 120)],
        class_ids=[1, 2, 1, 2],
        scores=[0.5, 0.9, 0.7, 0.1],
    )
    assert_same_objects(drop_repeats(found, 0.5), found[[1, 2, 3]])
    assert_same_objects(drop_repeats(found, 0.4), found[[1, 3]])
    assert_same_objects(drop_repeats(found, 1.0), found)
    assert len(drop_repeats(found[[]], 0.5)) == 0


def test_what_was_dropped_drops_nothing_itself():
    """A over B over C in a row: B goes, and C stays for want of B."""
    rectangles = [(0, 0, 50, 50), (15, 0, 65, 50), (30, 0, 80, 50)]
    found = make_instances(rectangles, scores=[0.9, 0.8, 0.7])
    assert_same_objects(drop_repeats(found, 0.5), found[[0, 2]])


def two_tiles():
    """Two tiles side by side, which share the columns 80 to 100."""
    windows = tile_windows((100, 180), 100, 0.2)
    assert [x.start for _, x in windows] == [0, 80]
    return windows


def placed(rectangles, window):
    """Instances of a tile, from rectangles in the photo."""
    y, x = window
    moved = [(a - x.start, b - y.start, c - x.start, d - y.start) for a, b, c, d in rectangles]
    return make_instances(moved, size_hw=(100, 100))


def test_fragment_that_its_tile_cuts_off_joins_the_object():
    """The left tile sees a tip of the object, and draws it badly."""
    windows = two_tiles()
    parts = [placed([(94, 20, 100, 30)], windows[0]), placed([(92, 10, 160, 60)], windows[1])]
    joined = join_tiles(parts, windows, Instances.empty((100, 180), NAMES))
    assert joined.boxes.tolist() == [[92, 10, 160, 60]]


def test_of_two_fragments_in_a_tile_the_best_joins_the_object():
    windows = two_tiles()
    tips = [(93, 15, 100, 25), (93, 40, 100, 62)]  # the second lies partly outside
    parts = [placed(tips, windows[0]), placed([(90, 10, 160, 60)], windows[1])]
    joined = join_tiles(parts, windows, Instances.empty((100, 180), NAMES))
    assert sorted(joined.boxes.tolist()) == [[90, 10, 160, 60], [93, 40, 100, 62]]


def test_small_object_inside_a_large_one_stays_where_no_tile_cuts_it():
    windows = two_tiles()
    parts = [placed([(86, 20, 94, 30)], windows[0]), placed([(84, 10, 150, 60)], windows[1])]
    joined = join_tiles(parts, windows, Instances.empty((100, 180), NAMES))
    assert len(joined) == 2


PARTS = [(60, 20, 79, 60), (101, 20, 109, 60)]  # left and right of the strip


def parts_of_one(size_hw=(100, 180)):
    """An object of two parts."""
    left, right = make_instances(PARTS, size_hw=size_hw)
    masks = Masks.concatenate([left.masks, right.masks]).union()
    return replace(left, masks=masks, boxes=masks.boxes_xyxy())


def test_parts_that_the_strip_does_not_connect_are_one_where_the_whole_photo_shows_it():
    windows = two_tiles()
    truth = parts_of_one()
    parts = cut(truth, windows)
    assert [len(part) for part in parts] == [1, 1]
    assert_same_objects(join_tiles(parts, windows, replace(truth, scores=[0.3])), truth)
    nothing = Instances.empty((100, 180), NAMES)
    assert len(join_tiles(parts, windows, nothing)) == 2
    other_class = replace(truth, class_ids=[2])
    assert len(join_tiles(parts, windows, other_class)) == 2


def test_parts_are_two_where_a_tile_shows_all_of_them_as_two():
    windows = tile_windows((100, 260), 160, 0.5)
    one = parts_of_one((100, 260))
    halves = make_instances(PARTS, size_hw=(100, 260))
    joined = join_tiles(cut(halves, windows), windows, one)
    assert len(joined) == 2


def test_work_grows_with_the_neighbours_not_with_all_pairs(monkeypatch):
    """Twice the photo has twice the comparisons of masks."""
    calls = []
    original = Masks.shared_pixels

    def counted(self, one, other):
        calls.append((one, other))
        return original(self, one, other)

    monkeypatch.setattr(Masks, "shared_pixels", counted)
    counts = []
    for across in (10, 20):
        size_hw = (80 * across + 20, 820)
        windows = tile_windows(size_hw, 100, 0.2)
        each = [(10, 10, 30, 30), (85, 40, 100, 60), (0, 40, 15, 60), (40, 85, 60, 100)]
        part = make_instances(each, size_hw=(100, 100))
        joined = join_tiles([part] * len(windows), windows, Instances.empty(size_hw, NAMES))
        assert len(joined) > len(windows)
        counts.append(len(calls))
        calls.clear()
    assert counts[0] < 4 * 10 * 10
    assert counts[1] < 2.2 * counts[0]
