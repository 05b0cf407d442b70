"""Images and masks in the sizes of Matterport's network."""

import numpy as np
import pytest

from instseg.files.resizing import (
    expand_mask,
    minimize_mask,
    resize_image,
    resize_mask,
    unmold_mask,
)


@pytest.fixture
def photo():
    return np.full((30, 40, 3), 200, np.uint8)


def test_square_keeps_the_proportions_and_pads_on_both_sides(photo):
    image, window, scale, padding, crop = resize_image(photo, min_dim=60, max_dim=100)
    assert image.shape == (100, 100, 3) and image.dtype == np.uint8
    assert (scale, window, crop) == (2, (20, 10, 80, 90), None)
    assert padding == [(20, 20), (10, 10), (0, 0)]
    assert (image[20:80, 10:90] == 200).all()
    assert image[:20].max() == image[:, :10].max() == 0


def test_the_longer_side_fits_into_max_dim(photo):
    found = resize_image(photo, min_dim=60, max_dim=64)
    assert found.image.shape == (64, 64, 3) and found.scale == 1.6
    assert found.window == (8, 0, 56, 64)


def test_min_scale_and_multiples_of_64(photo):
    found = resize_image(photo, min_scale=2.0, mode="pad64")
    assert found.scale == 2 and found.image.shape == (64, 128, 3)
    assert found.window == (2, 24, 62, 104)


def test_none_and_crop(photo):
    assert resize_image(photo, mode="none").image is photo
    found = resize_image(photo, min_dim=30, mode="crop")
    assert found.image.shape == (30, 30, 3) and found.crop[2:] == (30, 30)


def test_masks_go_where_their_image_goes(photo):
    mask = np.zeros((30, 40, 2), bool)
    mask[3:12, 5:20, 0] = True
    photo[mask[..., 0]] = 0
    for options in (
        {"min_dim": 60, "max_dim": 100},
        {"max_dim": 32},
        {"min_dim": 30, "mode": "crop"},
        {"min_dim": 60, "mode": "pad64"},
    ):
        image, (y1, x1, y2, x2), scale, padding, crop = resize_image(photo, **options)
        moved = resize_mask(mask, scale, padding, crop)
        assert moved.shape == (*image.shape[:2], 2) and moved.dtype == bool
        inside = image[y1:y2, x1:x2, 0] < 100
        assert (moved[y1:y2, x1:x2, 0] != inside).mean() < 0.03
        assert not moved[..., 1].any()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mode": "oval"}, "mode: expected one of none, square, pad64, crop, got 'oval'"),
        ({"mode": "square"}, "max_dim: mode 'square' needs it"),
        ({"mode": "crop"}, "min_dim: mode 'crop' needs it"),
    ],
)
def test_wrong_modes(photo, options, said):
    with pytest.raises(ValueError, match=said):
        resize_image(photo, **options)


def test_mini_masks_come_back_almost_the_same():
    rows, columns = np.mgrid[:100, :120]
    disc = (rows - 50) ** 2 + (columns - 60) ** 2 < 40**2
    mask, boxes = disc[..., None], np.array([[11, 21, 90, 100]])
    mini = minimize_mask(boxes, mask, (56, 56))
    assert mini.shape == (56, 56, 1) and mini.dtype == bool
    again = expand_mask(boxes, mini, (100, 120, 3))
    assert again.shape == mask.shape
    assert (again & mask).sum() / (again | mask).sum() > 0.96


def test_an_empty_box_has_no_mini_mask():
    with pytest.raises(ValueError, match=r"bbox: expected boxes with an area, got \[5, 5, 5, 9\]"):
        minimize_mask([[5, 5, 5, 9]], np.ones((10, 10, 1), bool), (28, 28))


def test_a_soft_mask_fills_its_box_also_beyond_the_border():
    full = unmold_mask(np.full((28, 28), 0.7), [-5, 4, 5, 30], (10, 20, 3))
    assert full[:5, 4:].all() and full.sum() == 5 * 16
    assert not unmold_mask(np.full((28, 28), 0.4), [0, 0, 5, 5], (10, 20)).any()
