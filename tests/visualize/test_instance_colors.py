"""Colours of instances: those of neighbours differ, also for colour-blind readers."""

import itertools

import numpy as np
import pytest

from instseg.core.classes import class_color
from instseg.core.colors import INSTANCE_COLORS, difference
from instseg.visualize.instance_colors import class_shades, colors_by, instance_colors


def boxes(rng, count):
    start = rng.uniform(0, 600, (count, 2))
    return np.hstack([start, start + rng.uniform(5, 200, (count, 2))])


def test_all_colours_of_instances_can_be_told_apart():
    pairs = itertools.combinations(np.array(INSTANCE_COLORS, np.uint8), 2)
    assert min(difference(*pair) for pair in pairs) >= 11


@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_instances_have_colours_of_their_own_while_there_are_any(count):
    assert len(set(instance_colors(boxes(np.random.default_rng(0), count)))) >= 0.8 * count


def test_two_that_overlap_differ_more_than_any_two_might():
    pair = np.array(instance_colors([[0, 0, 50, 50], [20, 20, 70, 70]]), np.uint8)
    assert difference(*pair) > 25


def test_equal_colours_lie_far_apart():
    """A row of 40 objects."""
    row = [(50 * k, 0, 50 * k + 50, 50) for k in range(40)]
    colors = instance_colors(row)
    for distance in (1, 2, 3):
        assert all(
            difference(*np.array(pair, np.uint8)) >= 11
            for pair in zip(colors, colors[distance:], strict=False)
        )


def test_the_same_in_every_run_and_for_boxes_in_any_order():
    given = boxes(np.random.default_rng(1), 30)
    colors = instance_colors(given)
    assert instance_colors(given.tolist()) == colors
    assert instance_colors(given[::-1]) == colors[::-1]
    assert instance_colors([]) == []


def test_by_class_or_by_instance():
    names, given = ["cat", "dog", "cat"], boxes(np.random.default_rng(2), 3)
    assert colors_by("class", names, given) == class_shades(names)
    assert class_shades(names)[:2] == [class_color("cat"), class_color("dog")]
    assert colors_by("instance", names, given) == instance_colors(given)
    with pytest.raises(ValueError, match='color_by: expected "class" or "instance", got "area"'):
        colors_by("area", names, given)
