"""Classes that appear together are told apart, also by colour-blind readers."""

import itertools

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from instseg.core.classes import class_color
from instseg.core.colors import LEAST_DIFFERENCE, difference, picture_colors, seen_as
from instseg.scenes.scene import SCENE_CLASSES

COMMONEST = (  # of COCO's training photos, by annotated objects
    *("person", "car", "chair", "book", "bottle", "cup", "dining table", "bowl", "traffic light"),
    *("handbag", "umbrella", "bird", "boat", "truck", "bench", "sheep", "banana", "kite"),
    *("motorcycle", "backpack"),
)


def colors_of(names):
    return np.array([class_color(name) for name in names], dtype=np.uint8)


def least_ciede2000(colors, vision):
    lab = rgb2lab(seen_as(colors, vision) / 255.0)
    return min(deltaE_ciede2000(a, b) for a, b in itertools.combinations(lab, 2))


@pytest.mark.parametrize("names", [SCENE_CLASSES, COMMONEST], ids=["drawn", "commonest"])
@pytest.mark.parametrize(
    ("vision", "least"), [("normal", 15.0), ("protanopia", 7.0), ("deuteranopia", 7.0)]
)
def test_classes_that_appear_together_are_far_apart(names, vision, least):
    """CIEDE2000; 1 is just noticeable side by side."""
    assert least_ciede2000(colors_of(names), vision) > least


@pytest.mark.parametrize("names", [SCENE_CLASSES, COMMONEST], ids=["drawn", "commonest"])
def test_they_keep_their_own_colours_in_one_picture(names):
    for order in (names, names[::-1]):
        assert picture_colors(order) == {name: class_color(name) for name in order}


def test_colour_blind_readers_take_red_and_green_for_one():
    red, green = np.array([[200, 60, 60], [130, 110, 50]], dtype=np.uint8)
    distances = [
        np.abs(np.subtract(*(seen_as(c, v).astype(int) for c in (red, green)))).sum()
        for v in ("normal", "deuteranopia")
    ]
    assert distances[1] < distances[0] / 3
    grey = np.array([90, 90, 90], dtype=np.uint8)
    for vision in ("normal", "protanopia", "deuteranopia"):
        assert np.abs(seen_as(grey, vision).astype(int) - 90).max() <= 1


def test_the_scale_of_differences():
    black, white = np.array([[0, 0, 0], [255, 255, 255]], dtype=np.uint8)
    assert difference(black, white) == pytest.approx(100, abs=0.1)
    assert difference(white, white) == 0


def collisions():
    """Pairs of names whose own colours look alike."""
    names = [f"class {i}" for i in range(60)]
    for one, other in itertools.combinations(names, 2):
        if difference(*colors_of((one, other))) < LEAST_DIFFERENCE:
            yield one, other


def test_the_lesser_of_two_that_look_alike_gets_another_colour():
    pairs = list(itertools.islice(collisions(), 20))
    assert pairs
    for one, other in pairs:
        for first, second in ((one, other), (other, one)):
            found = picture_colors([first, "person", second])
            assert found[first] == class_color(first)
            assert found[second] != class_color(second)
            shown = np.array(list(found.values()), dtype=np.uint8)
            assert min(difference(*pair) for pair in itertools.combinations(shown, 2)) >= min(
                LEAST_DIFFERENCE, float(difference(*colors_of((first, "person"))))
            )


def test_a_picture_of_very_many_classes_still_has_colours():
    names = [f"class {i}" for i in range(120)]
    found = picture_colors([*names, *names])
    assert list(found) == names
    assert len(set(found.values())) > 60
