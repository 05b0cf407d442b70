"""Which instance is on top in a label map."""

import numpy as np
import pytest

from instseg.instances import Instances, Masks
from instseg.semantic import to_semantic

SIZE_HW = (6, 8)


def make_stack(class_ids, scores, sides, class_names=("BG", "cat", "dog", "cup")):
    """Squares of the given sides that share the top left corner."""
    crops = [np.ones((side, side), dtype=bool) for side in sides]
    masks = Masks.from_crops(crops, [(0, 0)] * len(sides), SIZE_HW)
    return Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=class_ids,
        scores=scores,
        masks=masks,
        class_names=class_names,
    )


def test_score_rule():
    labels = to_semantic(make_stack([1, 2, 3], [0.5, 0.9, 0.7], [5, 2, 4]))
    expected = np.zeros(SIZE_HW, dtype=np.uint8)
    expected[:5, :5], expected[:4, :4], expected[:2, :2] = 1, 3, 2
    np.testing.assert_array_equal(labels, expected)
    assert labels.dtype == np.uint8
    hidden = to_semantic(make_stack([1, 2], [0.9, 0.5], [5, 2]))
    assert np.unique(hidden).tolist() == [0, 1]


def test_smallest_on_top_whatever_the_score():
    labels = to_semantic(make_stack([1, 2], [0.9, 0.5], [5, 2]), rule="smallest-on-top")
    assert (labels[0, 0], labels[4, 4]) == (2, 1)


def test_class_priority():
    stack = make_stack([1, 2, 3], [0.9, 0.8, 0.1], [4, 4, 4])

    def top(*priority):
        return to_semantic(stack, rule="class-priority", priority=priority)[0, 0]

    assert top("cup", "dog") == 3
    assert top("dog", "cup", "cat") == 2
    assert top() == 1  # none named: the score decides
    assert to_semantic(stack[1:], rule="class-priority", priority=["cat"])[0, 0] == 2


@pytest.mark.parametrize("rule", ["score", "smallest-on-top", "class-priority"])
def test_equals_are_decided_by_score_then_by_order(rule):
    def top(scores):
        stack = make_stack([2, 1, 3], scores, [3, 3, 3])
        return to_semantic(stack, rule=rule, priority=[])[0, 0]

    assert top([0.5, 0.5, 0.5]) == 2
    assert top([0.5, 0.5, 0.6]) == 3


def test_threshold_keeps_scores_at_it():
    stack = make_stack([1, 2], [0.5, 0.4], [2, 5])
    assert np.unique(to_semantic(stack, score_threshold=0.5)).tolist() == [0, 1]
    assert np.unique(to_semantic(stack, score_threshold=0.6)).tolist() == [0]


def test_holes_show_what_lies_below():
    dense = np.ones((2, *SIZE_HW), dtype=bool)
    dense[1, 2:4, 2:4] = False
    masks = Masks.from_dense(dense)
    instances = Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=[1, 2],
        scores=[0.1, 0.9],
        masks=masks,
        class_names=("BG", "cat", "dog"),
    )
    np.testing.assert_array_equal(to_semantic(instances), np.where(dense[1], 2, 1))


def test_ignored_regions_show_where_no_instance_lies():
    crowd = Masks.from_crops([np.ones((6, 3), dtype=bool)], [(0, 1)], SIZE_HW)
    labels = to_semantic(make_stack([1], [1.0], [2]), ignore=crowd)
    expected = np.zeros(SIZE_HW, dtype=np.uint8)
    expected[:, 1:4], expected[:2, :2] = 255, 1
    np.testing.assert_array_equal(labels, expected)


def test_no_instances():
    labels = to_semantic(Instances.empty(SIZE_HW, ("BG", "cat")), rule="smallest-on-top")
    assert labels.shape == SIZE_HW
    assert not labels.any()


def test_wrong_arguments():
    stack = make_stack([1], [1.0], [2])
    with pytest.raises(ValueError, match=r"expected one of .*, got 'biggest'"):
        to_semantic(stack, rule="biggest")
    with pytest.raises(ValueError, match="for rule 'class-priority', got None"):
        to_semantic(stack, rule="class-priority")
    with pytest.raises(ValueError, match=r"among class_names, got \['cow'\]"):
        to_semantic(stack, rule="class-priority", priority=["cat", "cow"])
    many = Instances.empty(SIZE_HW, ["BG", *(f"class {i}" for i in range(255))])
    with pytest.raises(ValueError, match=r"at most 254 classes .* got 255"):
        to_semantic(many)
    assert not to_semantic(Instances.empty(SIZE_HW, many.class_names[:255])).any()
