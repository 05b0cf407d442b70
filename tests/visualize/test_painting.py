"""Colours, masks and boxes painted into arrays."""

import numpy as np
import pytest

from instseg.core.instances import Instances, Masks
from instseg.visualize import apply_mask, color_splash, draw_box, random_colors
from instseg.visualize.painting import as_uint8


@pytest.fixture
def image():
    return np.full((20, 30, 3), (200, 100, 0), np.uint8)


def square(size=(20, 30)):
    mask = np.zeros(size, bool)
    mask[5:10, 5:15] = True
    return mask


def test_colours_differ_and_stay_the_same():
    colors = random_colors(7)
    assert colors == random_colors(7) and len(set(colors)) == 7
    assert all(max(color) == 1 and min(color) == 0 for color in colors)
    assert all(max(color) == pytest.approx(0.7) for color in random_colors(3, bright=False))
    assert random_colors(0) == []
    hues = sorted(random_colors(7))
    assert colors != hues  # neighbours in the list are not neighbours on the wheel


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.float64])
def test_a_mask_is_blended_in_place(image, dtype):
    image = image.astype(dtype)
    assert apply_mask(image, square(), (0, 1, 0.2), alpha=0.25) is image
    assert image[7, 7].tolist() == pytest.approx([150, 138.75, 12.75], abs=0.5)
    assert (image[~square()] == (200, 100, 0)).all()


def test_a_mask_of_another_size_is_refused(image):
    with pytest.raises(
        ValueError, match=r"mask: expected shape \(20, 30\) as the image, got \(9, 9\)"
    ):
        apply_mask(image, np.ones((9, 9)), (1, 0, 0))


def test_a_box_has_four_lines_and_ends_at_the_border(image):
    assert draw_box(image, np.array([4, 6, 12, 20]), (0, 0, 255)) is image
    painted = (image == (0, 0, 255)).all(axis=2)
    assert painted[4:6, 6:22].all() and painted[12:14, 6:22].all()
    assert painted[4:14, 6:8].all() and painted[4:14, 20:22].all()
    assert not painted[6:12, 8:20].any() and painted.sum() == 10 * 16 - 6 * 12
    draw_box(image, [-5, -5, 40, 40], (1, 1, 1))
    assert not (image == 1).all(axis=2).any()


def test_colour_stays_in_the_masks_alone(image):
    other = np.roll(square(), 8, axis=1)
    splash = color_splash(image, np.stack([square(), other], axis=-1))
    inside = square() | other
    assert (splash[inside] == (200, 100, 0)).all()
    grey = splash[~inside]
    assert (grey == grey[:, :1]).all() and 100 < grey[0, 0] < 140
    assert (image == (200, 100, 0)).all()


def test_a_splash_of_instances_or_of_nothing(image):
    masks = Masks.from_dense(square()[None])
    fields = {"boxes": masks.boxes_xyxy(), "class_ids": [1], "scores": [1], "masks": masks}
    instances = Instances(**fields, class_names=("BG", "balloon"))
    assert (color_splash(image, instances) == color_splash(image, square()[..., None])).all()
    grey = color_splash(image, np.zeros((20, 30, 0)))
    assert (grey == grey[..., :1]).all()


def test_floats_up_to_one_are_shares():
    assert as_uint8(np.array([0, 0.5, 1.0])).tolist() == [0, 128, 255]
    assert as_uint8(np.array([-3, 99.6, 300.0])).tolist() == [0, 100, 255]
    assert as_uint8(np.array([True, False])).tolist() == [255, 0]
