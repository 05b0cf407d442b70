"""Boxes before and after refinement."""

import numpy as np
import pytest
from matplotlib.patches import Polygon, Rectangle

from instseg.core.instances import Instances, Masks
from instseg.visualize import draw_boxes, draw_rois

pytestmark = pytest.mark.usefixtures("headless")

NAMES = ["BG", "cat", "dog"]
BOXES = np.array([[10, 10, 30, 40], [5, 50, 25, 70], [0, 0, 0, 0]])
REFINED = np.array([[12, 14, 28, 38], [8, 52, 22, 66], [0, 0, 0, 0]])


def rectangles(axes):
    return [patch for patch in axes.patches if type(patch) is Rectangle]


def line_of(box):
    """Dotted or solid: matplotlib's versions name them differently."""
    return {"dotted": ":", "solid": "-"}.get(box.get_linestyle(), box.get_linestyle())


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_boxes_are_dotted_refined_ones_solid_and_joined(image):
    axes = draw_boxes(image, BOXES, REFINED, captions=["a", "b", "c"], title="Steps")
    found = rectangles(axes)
    assert [line_of(box) for box in found] == [":", "-", ":", "-"]
    assert [box.get_xy() for box in found[:2]] == [(10, 10), (14, 12)]
    assert [line.get_xydata().tolist() for line in axes.lines] == [
        [[10, 10], [14, 12]],
        [[50, 5], [52, 8]],
    ]
    assert texts(axes) == ["a", "b"] and axes.texts[0].get_position()[0] == 14
    assert axes.get_title() == "Steps"


def test_visibility(image):
    faint, dotted, solid = rectangles(draw_boxes(image, BOXES[[0, 1, 1]], visibilities=[0, 1, 2]))
    assert faint.get_alpha() < 1 and len(set(faint.get_edgecolor()[:3])) == 1
    assert (line_of(dotted), line_of(solid)) == (":", "-")
    assert dotted.get_edgecolor() != solid.get_edgecolor()


def test_refined_boxes_alone_and_masks(image):
    masks = np.zeros((60, 80, 3), bool)
    masks[12:28, 14:38, 0] = True
    axes = draw_boxes(image, refined_boxes=REFINED, masks=masks)
    assert [line_of(box) for box in rectangles(axes)] == ["-", "-"] and not axes.lines
    assert len([patch for patch in axes.patches if type(patch) is Polygon]) == 1
    shown = axes.images[0].get_array()
    assert (shown[masks[..., 0]] != 120).any() and (shown[~masks.any(axis=2)] == 120).all()


def test_instances_bring_their_masks_and_captions(image):
    dense = np.zeros((1, 60, 80), bool)
    dense[0, 10:30, 10:40] = True
    masks = Masks.from_dense(dense)
    fields = {"boxes": masks.boxes_xyxy(), "class_ids": [2], "scores": [0.75], "masks": masks}
    axes = draw_boxes(image, Instances(**fields, class_names=NAMES))
    assert texts(axes) == ["dog 0.750"]
    (box,) = rectangles(axes)
    assert (box.get_xy(), box.get_width(), box.get_height()) == ((10, 10), 30, 20)


def test_regions_with_an_object_have_a_mask_and_a_name(image):
    soft = np.zeros((3, 28, 28))
    soft[0, :, :14] = 1  # the left half
    axes = draw_rois(image, BOXES + 1, REFINED + 1, soft, [1, 2, 0], NAMES)
    assert texts(axes) == ["cat", "dog"] and len(rectangles(axes)) == 5
    assert axes.get_title() == "3 of 3 regions; 2 with an object"
    shown = axes.images[0].get_array()
    assert (shown[12:30, 12:25] != 120).any(axis=2).all() and (shown[12:30, 27:] == 120).all()


def test_of_many_regions_some_are_drawn_always_the_same(image):
    many = np.tile(BOXES[:1], (50, 1)) + np.arange(50)[:, None]
    arguments = (image, many, many, np.zeros((50, 28, 28)), np.zeros(50, int), NAMES)
    first, again = (draw_rois(*arguments, limit=4) for _ in range(2))
    assert [box.get_xy() for box in rectangles(first)] == [
        box.get_xy() for box in rectangles(again)
    ]
    assert len(rectangles(first)) == 4 and "4 of 50" in first.get_title()


def test_what_does_not_fit_is_refused(image):
    with pytest.raises(ValueError, match="expected boxes or refined_boxes, got neither"):
        draw_boxes(image)
    with pytest.raises(ValueError, match="captions: expected 3, one for each box, got 1"):
        draw_boxes(image, BOXES, captions=["a"])
    with pytest.raises(ValueError, match="class_ids: expected 3, one for each box, got 2"):
        draw_rois(image, BOXES, REFINED, np.zeros((3, 28, 28)), [1, 1], NAMES)
