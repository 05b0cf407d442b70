"""The type that flows through the program."""

import subprocess
import sys

import numpy as np
import pytest

from instseg.core.instances import Instances, Masks

NAMES = ("BG", "cat", "dog", "cup")


def make_instances(count=3, size_hw=(10, 12), class_names=NAMES, **changed):
    """`count` instances with 2 x 2 masks along the diagonal."""
    crops = [np.ones((2, 2), dtype=bool)] * count
    places = [(2 * i, 2 * i) for i in range(count)]
    fields = {
        "boxes": [[2 * i, 2 * i, 2 * i + 2, 2 * i + 2] for i in range(count)],
        "class_ids": [i % 3 + 1 for i in range(count)],
        "scores": [1 - i / 10 for i in range(count)],
        "masks": Masks.from_crops(crops, places, size_hw),
        "class_names": class_names,
    }
    return Instances(**{**fields, **changed})


def assert_rows(instances, rows, of):
    np.testing.assert_array_equal(instances.boxes, of.boxes[rows])
    np.testing.assert_array_equal(instances.class_ids, of.class_ids[rows])
    np.testing.assert_array_equal(instances.scores, of.scores[rows])
    np.testing.assert_array_equal(instances.masks.dense(), of.masks.dense()[rows])
    assert instances.class_names == of.class_names


def test_fields_have_fixed_types():
    for instances in (make_instances(), make_instances(0), Instances.empty((10, 12), NAMES)):
        count = len(instances)
        assert (instances.boxes.dtype, instances.boxes.shape) == (np.float32, (count, 4))
        assert (instances.class_ids.dtype, instances.class_ids.shape) == (np.int64, (count,))
        assert (instances.scores.dtype, instances.scores.shape) == (np.float32, (count,))
        assert len(instances.masks) == count
        assert instances.size_hw == (10, 12)
        assert instances.class_names == NAMES


def test_indexing_filters_every_field():
    instances = make_instances(5)
    for index in (slice(1, 4), [4, 0], [], np.array([-1, 2]), instances.scores > 0.75):
        assert_rows(instances[index], index, instances)
    assert_rows(instances[1], [1], instances)
    assert_rows(instances[-1], [4], instances)
    with pytest.raises(IndexError):
        instances[5]


def test_iteration_and_names():
    instances = make_instances(4)
    assert instances.names == ["cat", "dog", "cup", "cat"]
    singles = list(instances)
    assert [single.names for single in singles] == [["cat"], ["dog"], ["cup"], ["cat"]]
    assert repr(instances) == "Instances(4 in 10 x 12: 2 cat, 1 dog, 1 cup)"
    assert list(make_instances(0)) == []


def test_nothing_found_is_told_without_a_colon():
    assert repr(make_instances(3)[:0]) == "Instances(0 in 10 x 12)"


@pytest.mark.parametrize("index", [True, np.False_, None, "cat"])
def test_one_value_in_place_of_a_list_is_told_with_the_way_to_choose_a_class(index):
    instances = make_instances(4)
    for chosen in (instances, instances.masks):
        with pytest.raises(TypeError, match=r"x\[\[name == \"chair\" for name in x\.names\]\]"):
            chosen[index]
    assert len(instances[[name == "cat" for name in instances.names]]) == 2


def test_concatenate():
    instances = make_instances(5)
    empty = Instances.empty((10, 12), NAMES)
    assert_rows(
        Instances.concatenate([instances[:2], empty, instances[2:]]), slice(None), instances
    )
    assert len(Instances.concatenate([empty])) == 0
    other_names = Instances.empty((10, 12), ("BG", "cat"))
    with pytest.raises(ValueError, match="expected the same in every part"):
        Instances.concatenate([instances, other_names])
    with pytest.raises(ValueError, match="expected one image size"):
        Instances.concatenate([instances, Instances.empty((3, 3), NAMES)])
    with pytest.raises(ValueError, match=r"expected one image size, got \[\]"):
        Instances.concatenate([])


def test_frozen():
    boxes = np.zeros((3, 4), dtype=np.float32)
    instances = make_instances(boxes=boxes)
    with pytest.raises(AttributeError):
        instances.scores = [0, 0, 0]
    for array in (instances.boxes, instances.class_ids, instances.scores):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 1
    boxes[:] = 1  # the caller's own array stays writable
    assert not instances.boxes.any()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"boxes": np.zeros((2, 4))}, r"boxes: expected shape \(3, 4\) for 3 masks, got \(2, 4\)"),
        ({"boxes": np.zeros((3, 5))}, r"expected shape \(3, 4\) for 3 masks, got \(3, 5\)"),
        ({"boxes": []}, r"expected shape \(3, 4\) for 3 masks, got \(0, 4\)"),
        (
            {"boxes": [[0, 0, np.inf, 1]] * 3},
            r"finite numbers, got \[0.0, 0.0, inf, 1.0\]",
        ),
        ({"class_ids": [1, 2]}, r"class_ids: expected shape \(3,\) for 3 masks, got \(2,\)"),
        (
            {"class_ids": [1, 1.9, 2]},
            r"class_ids: expected whole numbers, got \[1\.0, 1\.9, 2\.0\]",
        ),
        ({"class_ids": [1, np.nan, 2]}, "class_ids: expected whole numbers"),
        ({"class_ids": [1, 1e300, 2]}, "class_ids: expected whole numbers"),
        ({"class_ids": ["cat", "dog", "cup"]}, "class_ids: expected whole numbers"),
        ({"class_ids": [1, 0, 2]}, r"class_ids: expected 1\.\.3, got 0 in row 1"),
        ({"class_ids": [1, 3, 4]}, r"class_ids: expected 1\.\.3, got 4 in row 2"),
        ({"scores": [[1], [1], [1]]}, r"scores: expected shape \(3,\) for 3 masks, got \(3, 1\)"),
        ({"scores": [0.5, 1.5, 0]}, r"scores: expected 0\.\.1, got 1.5 in row 1"),
        ({"scores": [0.5, 0.5, np.nan]}, r"scores: expected 0\.\.1, got nan in row 2"),
        ({"class_names": ("cat", "dog", "cup")}, r'class_names: expected "BG" first, got'),
    ],
)
def test_messages_name_expected_and_actual(changed, message):
    with pytest.raises(ValueError, match=message):
        make_instances(**changed)


def test_whole_class_ids_may_come_as_floats():
    assert make_instances(class_ids=[1.0, 2.0, 3.0]).class_ids.tolist() == [1, 2, 3]


def test_a_notebook_shows_outlines_and_a_table_with_escaped_names():
    instances = make_instances(class_names=("BG", "<b>cat</b>", "dog", "cup"))
    shown = instances._repr_html_()
    assert (
        "<td>&lt;b&gt;cat&lt;/b&gt;</td><td>1.000</td><td>4</td><td>0.0, 0.0, 2.0, 2.0</td>"
        in shown
    )
    assert shown.count("<tr>") == 4
    assert shown.count("<path") == 3
    assert "<b>" not in shown and "<script" not in shown
    assert "and 5 more" in make_instances(105, size_hw=(300, 300), scores=[1] * 105)._repr_html_()
    assert make_instances(0)._repr_html_().count("<tr>") == 1
    strange = make_instances(class_names=("BG", "\ud800x", "\x1b[31m", "cup"))
    assert "<td>?x</td>" in strange._repr_html_() and strange._repr_html_().encode()
    assert "1 ?[31m" in repr(strange)


def test_numpy_only():
    code = "import sys, instseg.core.semantic; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_array_in_place_of_masks_is_told_with_what_makes_masks_of_it():
    with pytest.raises(ValueError, match=r"masks: expected Masks, got ndarray; Masks.from_dense"):
        Instances(
            boxes=[[0, 0, 1, 1]],
            class_ids=[1],
            scores=[1],
            masks=np.ones((1, 2, 2), bool),
            class_names=("BG", "cat"),
        )
