"""Labels find places near their boxes and never lie over one another."""

import itertools

import numpy as np

from instseg.core.boxes import shared_areas
from instseg.visualize.label_places import Places

NONE = np.empty((0, 4), np.int64)


def box(*corners):
    return np.array(corners, np.int64)


def test_a_label_stands_on_its_box_and_inside_the_photo():
    assert Places((200, 100), NONE, 1).take(box(40, 30, 90, 70), (50, 12)).tolist() == [
        *(40, 18, 90, 30)
    ]
    for corner in itertools.product((0, 190), (0, 90)):
        x, y = corner
        x0, y0, x1, y1 = Places((200, 100), NONE, 1).take(box(x, y, x + 10, y + 10), (50, 12))
        assert min(x0, y0) >= 0 and x1 <= 200 and y1 <= 100
        assert (x1 - x0, y1 - y0) == (50, 12)


def test_many_labels_at_one_place_move_apart():
    places = Places((640, 480), NONE, 2)
    found = [places.take(box(300, 200, 340, 240), (70, 16)) for _ in range(40)]
    placed = [each for each in found if each is not None]
    assert len(placed) >= 22
    for one, other in itertools.combinations(placed, 2):
        assert shared_areas(one, other) == 0
        apart = np.maximum(one[:2] - other[2:], other[:2] - one[2:]).max()
        assert apart >= 2


def test_no_label_goes_far_from_its_box():
    places = Places((640, 480), NONE, 1)
    while (found := places.take(box(300, 200, 340, 240), (70, 16))) is not None:
        gap = np.maximum(box(300, 200) - found[2:], found[:2] - box(340, 240)).clip(0)
        assert gap.max() <= 3 * 16


def test_what_is_avoided_stays_uncovered_while_there_is_room():
    small = box(100, 84, 150, 100)
    found = Places((300, 200), small[None], 1).take(box(100, 100, 150, 150), (50, 16))
    assert shared_areas(found, small) == 0


def test_a_label_larger_than_the_photo_is_cut():
    found = Places((30, 8), NONE, 1).take(box(0, 0, 30, 8), (50, 12))
    assert found.tolist() == [0, 0, 30, 8]
