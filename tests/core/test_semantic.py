"""Semantic maps of instances, and instances of semantic maps."""

import numpy as np
import pytest
from coco_documents import crowd, donut, sound, write_json
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from instseg.core.instances import Instances, Masks
from instseg.core.semantic import from_semantic, to_semantic
from instseg.data.coco import CocoData

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


def test_threshold_keeps_only_scores_above_it_as_the_predictor_does():
    stack = make_stack([1, 2], [0.5, 0.4], [2, 5])
    assert np.unique(to_semantic(stack, score_threshold=0.4)).tolist() == [0, 1]
    assert np.unique(to_semantic(stack, score_threshold=0.5)).tolist() == [0]


def test_without_a_threshold_even_score_0_is_drawn():
    stack = make_stack([1], [0.0], [2])
    assert np.unique(to_semantic(stack)).tolist() == [0, 1]
    assert np.unique(to_semantic(stack, score_threshold=0.0)).tolist() == [0]


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


def test_ignored_regions_of_another_image_are_refused():
    with pytest.raises(ValueError, match=r"ignore: expected size \(6, 8\), got \(8, 6\)"):
        to_semantic(make_stack([1], [1.0], [2]), ignore=Masks.empty((8, 6)))


def test_truth_of_a_coco_dataset(tmp_path):
    data = CocoData.read(write_json(tmp_path / "data.json", sound()), tmp_path)
    labels = to_semantic(data.objects(0), rule="smallest-on-top", ignore=data.crowds(0))
    assert data.class_names == ("BG", "cup", "dog")
    assert (labels[donut()] == 2).all()
    assert (labels[crowd() & ~donut()] == 255).all()
    assert (labels[6:24, 12:38] == 1).all()
    assert labels[0, 0] == 0


def test_truth_of_real_photos_is_what_coco_decodes(coco_dir, capsys):
    path = coco_dir / "annotations" / "instances_val2017.json"
    data, peer = CocoData.read(path, coco_dir / "val2017"), COCO(path)
    ids = dict(zip(data.category_ids, range(len(data.category_ids)), strict=True))
    crowds = 0
    for row, image in enumerate(data.images):
        annotations = peer.imgToAnns[image.id]
        dense = [peer.annToMask(a).astype(bool) for a in annotations]
        expected = np.zeros((image.height, image.width), dtype=np.uint8)
        for a, mask in zip(annotations, dense, strict=True):
            expected[mask & bool(a["iscrowd"])] = 255
            crowds += a["iscrowd"]
        largest_first = sorted(range(len(dense)), key=lambda i: (-dense[i].sum(), -i))
        for i in largest_first:
            if not annotations[i]["iscrowd"]:
                expected[dense[i]] = ids[annotations[i]["category_id"]]
        labels = to_semantic(data.objects(row), rule="smallest-on-top", ignore=data.crowds(row))
        np.testing.assert_array_equal(labels, expected)
    assert crowds


def label_of_a_pixel(on_it, rule, priority, areas, ignored):
    """The definition in words: `on_it` are (class name, id, score, index) that cover the pixel."""

    def order(one):
        name, _, score, index = one
        place = [*priority, name].index(name)
        first = {"score": 0, "smallest-on-top": areas[index], "class-priority": place}
        return first[rule], -score, index

    if not on_it:
        return 255 if ignored else 0
    return min(on_it, key=order)[1]


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    rule=st.sampled_from(["score", "smallest-on-top", "class-priority"]),
    priority=st.permutations(["cat", "dog", "cup"]).flatmap(
        lambda names: st.integers(0, 3).map(lambda n: names[:n])
    ),
    threshold=st.sampled_from([0.0, 0.5]),
)
def test_every_rule_is_what_it_says_pixel_for_pixel(seed, rule, priority, threshold):
    rng = np.random.default_rng(seed)
    dense = rng.random((int(rng.integers(0, 7)), *SIZE_HW)) < rng.uniform(0.1, 0.9)
    masks, ignored = Masks.from_dense(dense), rng.random(SIZE_HW) < 0.3
    instances = Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=rng.integers(1, 4, len(dense)),
        scores=rng.integers(0, 4, len(dense)) / 4,  # often equal
        masks=masks,
        class_names=("BG", "cat", "dog", "cup"),
    )
    labels = to_semantic(
        instances,
        rule=rule,
        score_threshold=threshold,
        priority=priority,
        ignore=Masks.from_dense(ignored[None]),
    )
    rows = list(zip(instances.names, instances.class_ids, instances.scores, strict=True))
    areas = dense.sum(axis=(1, 2))
    for y, x in np.ndindex(*SIZE_HW):
        on_it = [(*rows[i], i) for i in np.flatnonzero(dense[:, y, x]) if rows[i][2] > threshold]
        expected = label_of_a_pixel(on_it, rule, priority, areas, ignored[y, x])
        assert labels[y, x] == expected


def test_no_instances():
    labels = to_semantic(Instances.empty(SIZE_HW, ("BG", "cat")), rule="smallest-on-top")
    assert labels.shape == SIZE_HW
    assert not labels.any()


def test_wrong_arguments():
    stack = make_stack([1], [1.0], [2])
    with pytest.raises(ValueError, match=r"rule='biggest' must be one of score, "):
        to_semantic(stack, rule="biggest")
    with pytest.raises(ValueError, match="for rule 'class-priority', got None"):
        to_semantic(stack, rule="class-priority")
    with pytest.raises(ValueError, match=r"among class_names, got \['cow'\]"):
        to_semantic(stack, rule="class-priority", priority=["cat", "cow"])
    many = Instances.empty(SIZE_HW, ["BG", *(f"class {i}" for i in range(255))])
    with pytest.raises(ValueError, match=r"at most 254 classes .* got 255"):
        to_semantic(many)
    assert not to_semantic(Instances.empty(SIZE_HW, many.class_names[:255])).any()


def test_classes_of_a_map_become_regions():
    labels = np.zeros((6, 8), np.uint8)
    labels[1:3, 2:5], labels[4, 0], labels[5, 7] = 2, 1, 255
    found = from_semantic(labels, ("BG", "cup", "dog"), {2: 0.5})
    assert found.names == ["cup", "dog"] and found.scores.tolist() == [1.0, 0.5]
    assert found.boxes.tolist() == [[0, 4, 1, 5], [2, 1, 5, 3]]
    assert found.masks.areas().tolist() == [1, 6]
    assert len(from_semantic(np.full((2, 2), 255, np.uint8), ("BG",))) == 0
