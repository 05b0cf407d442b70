"""Masks as a few label maps, and back."""

import numpy as np
from coco_documents import donut

from instseg.core.instances import Masks
from instseg.data import label_maps
from instseg.data.label_maps import from_label_maps, to_label_maps


def overlapping():
    dense = np.zeros((3, 10, 12), dtype=bool)
    dense[0, :5, :5] = dense[1, 3:8, 3:8] = dense[2, 8:, 9:] = True
    return Masks.from_dense(dense)


def test_masks_that_meet_lie_in_different_planes_and_come_back():
    masks = overlapping()
    planes, places = to_label_maps(masks)
    assert len(planes) == 2
    assert places == {0: (0, 1), 1: (1, 1), 2: (0, 2)}
    assert np.array_equal(from_label_maps(planes, places).dense(), masks.dense())


def test_holes_and_empty_masks_come_back():
    hole = np.asarray(donut(), dtype=bool)
    masks = Masks.from_dense(np.stack([hole, np.zeros_like(hole)]))
    assert np.array_equal(from_label_maps(*to_label_maps(masks)).dense(), masks.dense())


def test_what_takes_too_many_planes_is_left_for_another_time(monkeypatch):
    monkeypatch.setattr(label_maps, "MOST_PIXELS", 10 * 12)
    planes, places = to_label_maps(overlapping())
    assert (len(planes), sorted(places)) == (1, [0, 2])


def test_no_masks_are_one_empty_plane():
    planes, places = to_label_maps(Masks.empty((4, 5)))
    assert (planes.shape, planes.any(), places) == ((1, 4, 5), False, {})
    assert len(from_label_maps(planes, places)) == 0
