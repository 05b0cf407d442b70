"""Pictures beside each other."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from instseg.core.instances import Instances, Masks
from instseg.visualize import display_images, display_top_masks

pytestmark = pytest.mark.usefixtures("headless")

NAMES = ("BG", "cat", "dog", "cow")


def test_images_stand_in_rows_with_their_titles():
    images = [np.full((30, 40, 3), value, np.uint8) for value in range(5)]
    shown = display_images(images, titles=list("abcd$"), cols=2)
    assert [axes.get_title() for axes in shown] == list("abcd$")
    assert [axes.images[0].get_array().max() for axes in shown] == [0, 1, 2, 3, 4]
    shown[0].figure.canvas.draw()
    places = [axes.get_position() for axes in shown]
    assert (
        places[0].y0 == pytest.approx(places[1].y0) and places[0].y0 > places[2].y0 > places[4].y0
    )
    assert places[1].x0 > places[0].x0 and len(plt.get_fignums()) == 1


def test_floats_masks_and_one_channel():
    mask = np.eye(30, dtype=bool)
    shown = display_images([np.full((9, 9, 3), 0.5), mask, mask[..., None]], cmap="Blues_r")
    assert shown[0].images[0].get_array().max() == 128
    for axes in shown[1:]:
        assert axes.images[0].get_cmap().name == "Blues_r"
        assert axes.images[0].get_array().shape == (30, 30)


def test_no_images_and_wrong_titles():
    assert display_images([]) == []
    with pytest.raises(ValueError, match="titles: expected 1, one for each image, got 2"):
        display_images([np.zeros((4, 4, 3))], titles=["a", "b"])


def test_classes_with_the_largest_masks_come_first():
    image, masks = np.zeros((40, 50, 3), np.uint8), np.zeros((40, 50, 4), bool)
    masks[:5, :5, 0] = masks[20:30, :40, 1] = masks[:5, 10:20, 2] = True  # the last is empty
    ids = [1, 2, 1, 3]
    shown = display_top_masks(image, masks, ids, NAMES, limit=3)
    assert [axes.get_title() for axes in shown] == ["H x W = 40 x 50", "dog", "cat", "-"]
    assert np.unique(shown[2].images[0].get_array()).tolist() == [0, 1, 2]
    assert (shown[1].images[0].get_array().astype(bool) == masks[..., 1]).all()
    packed = Masks.from_dense(np.moveaxis(masks, 2, 0))
    fields = {"boxes": packed.boxes_xyxy(), "class_ids": ids, "scores": np.ones(4)}
    instances = Instances(**fields, masks=packed, class_names=NAMES)
    assert [axes.get_title() for axes in display_top_masks(image, instances, limit=1)][1:] == [
        "dog"
    ]


def test_class_ids_must_fit():
    with pytest.raises(ValueError, match="class_ids: expected 2, one for each mask, got 1"):
        display_top_masks(np.zeros((4, 4, 3), np.uint8), np.ones((4, 4, 2)), [1], NAMES)
