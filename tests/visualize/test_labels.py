"""Semantic maps over photos."""

import itertools

import numpy as np
import pytest

from instseg.core.classes import palette
from instseg.core.colors import LEAST_DIFFERENCE, difference
from instseg.visualize.labels import as_photo, distinct_palette, draw_labels

NAMES = ("BG", "person", "car")


def test_classes_have_their_colours_and_background_stays():
    photo = np.full((2, 2, 3), 90, dtype=np.uint8)
    labels = np.array([[0, 1], [2, 255]], dtype=np.uint8)
    drawn = draw_labels(photo, labels, NAMES, opacity=1)
    assert drawn[0, 0].tolist() == [90, 90, 90]
    assert np.array_equal(drawn[0, 1], palette(NAMES)[1])
    assert np.array_equal(drawn[1, 0], palette(NAMES)[2])
    assert drawn[1, 1].tolist() == [255, 255, 255]
    half = draw_labels(photo, labels, NAMES, opacity=0.5)
    assert np.abs(half[0, 1].astype(int) - (palette(NAMES)[1] + 90.0) / 2).max() <= 0.5
    assert (photo == 90).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_any_image_can_be_looked_at(channels):
    image = np.linspace(-3, 7, 4 * 5 * channels, dtype=np.float32).reshape(4, 5, channels)
    photo = as_photo(image)
    assert (photo.shape, photo.dtype) == ((4, 5, 3), np.uint8)
    assert (photo.min(), photo[-1, -1].max()) == (0, 255)
    assert not as_photo(np.zeros((4, 5, channels), dtype=np.uint16)).any()


def test_a_photo_is_shown_as_it_is():
    photo = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    assert np.array_equal(as_photo(photo), photo)


def alike():
    """Two names whose own colours look alike."""
    names = [f"class {i}" for i in range(60)]
    for pair in itertools.combinations(names, 2):
        if difference(*palette(["BG", *pair])[1:]) < LEAST_DIFFERENCE / 2:
            return pair
    raise AssertionError("no two of many colours look alike")


def test_of_two_classes_that_look_alike_the_smaller_is_shifted():
    names = ("BG", *alike(), "person")
    own = palette(names)
    for larger, smaller in ((1, 2), (2, 1)):
        maps = [np.repeat(np.array([larger, smaller, 0, 255], np.uint8), [9, 2, 4, 1])[None]]
        found = distinct_palette(names, maps)
        assert np.array_equal(found[[larger, 3]], own[[larger, 3]])  # the person is not on them
        assert difference(found[1], found[2]) >= LEAST_DIFFERENCE
        assert found[0].tolist() == [0, 0, 0]
    assert np.array_equal(distinct_palette(names, []), own)
