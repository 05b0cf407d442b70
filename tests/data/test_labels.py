"""What annotations are in training: objects, regions to ignore, and what nobody looked for."""

import json

import numpy as np
import pytest

from instseg.core.errors import InputError
from instseg.data.augmentation import parse_augmentations
from instseg.data.boxes import Boxes
from instseg.data.coco import CocoData
from instseg.data.labels import TrainingLabels, doubtful_truth
from instseg.training.samples import to_sample

SQUARE = [[10, 10, 30, 10, 30, 30, 10, 30]]


def note(number, category=1, bbox=(10, 10, 20, 20), **values):
    return {"id": number, "image_id": 1, "category_id": category, "bbox": list(bbox), **values}


def labels_of(tmp_path, *annotations, pseudo=(0.15, 0.5), searched=None, **image):
    path = tmp_path / "data.json"
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48, **image}],
        "annotations": list(annotations),
        "categories": [{"id": i, "name": name} for i, name in enumerate(("cat", "dog", "owl"), 1)],
    }
    if searched is not None:
        document["searched"] = searched
    path.write_text(json.dumps(document))
    return TrainingLabels(data=CocoData.read(path, tmp_path), pseudo=pseudo)


def test_boxes_without_masks_are_objects_of_their_own(tmp_path):
    boxed = [note(2, 2, [-5, 20, 30, 50]), note(3, 3, segmentation=[])]
    labels = labels_of(tmp_path, note(1, segmentation=SQUARE), *boxed)
    found = labels.of(0)
    assert found.instances.names == ["cat"]
    assert found.boxes.class_ids.tolist() == [2, 3]
    assert found.boxes.boxes.tolist() == [[0, 20, 25, 48], [10, 10, 30, 30]]
    assert labels.has_masks(0) and labels.classes(0) == {1, 2, 3}
    assert labels.masks_of_classes()[1] == {1: 1, 2: 0, 3: 0}
    with pytest.raises(InputError, match=r"annotation 2.*draw its mask"):
        labels.data.objects(0)
    assert labels.data.without_boxes().objects(0).names == ["cat"]


def test_the_target_tells_masks_from_boxes(tmp_path):
    found = labels_of(
        tmp_path,
        note(1, segmentation=SQUARE),
        note(2, 2, [30, 20, 20, 20]),
        note(3, 3, [0, 0, 0.5, 20]),
        note(4, 3, [5, 5, 9, 9], iscrowd=1),
    ).of(0)
    names = ("BG", "dog", "cat")
    image = np.zeros((48, 64, 3), np.uint8)
    _, target = to_sample(
        image, found.instances, names, found.crowds, boxes=found.boxes, unknown={"cat"}
    )
    assert target["labels"].tolist() == [2, 1]
    assert target["boxes"].tolist() == [[10, 10, 30, 30], [30, 20, 50, 40]]
    assert target["has_mask"].tolist() == [True, False]
    assert target["points"].shape == (2, 0, 3)
    assert target["masks"].dense().sum((1, 2)).tolist() == [400, 0]
    assert target["crowds"].tolist() == [[5, 5, 14, 14]]
    assert target["unknown"].tolist() == [False, False, True]


def test_scores_decide_what_a_finding_is(tmp_path):
    scores = (0.1, 0.15, 0.49, 0.5, 0.9)
    notes = [note(i, 1, [i, i, 20, 20], score=score) for i, score in enumerate(scores, 1)]
    found = labels_of(tmp_path, *notes).of(0).boxes
    assert found.boxes[:, 0].tolist() == [2, 3, 4, 5]
    assert found.class_ids.tolist() == [0, 0, 1, 1]
    strict = labels_of(tmp_path, *notes, pseudo=(0.5, 0.9)).of(0).boxes
    assert strict.class_ids.tolist() == [0, 1]


def test_what_nobody_looked_for_is_unknown_unless_a_detector_did(tmp_path):
    people, finding = note(1), note(2, 2, score=0.3)
    assert labels_of(tmp_path, people).unknown(0) == set()
    assert labels_of(tmp_path, people, labelled=["cat"]).unknown(0) == {"dog", "owl"}
    assert labels_of(tmp_path, people, finding, labelled=["cat"]).unknown(0) == set()
    scored = note(2, 1, score=1.0)  # by a tool that gives a score to what people draw
    assert labels_of(tmp_path, scored, labelled=["cat"]).unknown(0) == {"dog", "owl"}
    searched = labels_of(tmp_path, people, finding, labelled=["cat"], searched=["dog"])
    assert searched.unknown(0) == {"owl"}
    assert labels_of(tmp_path, people, labelled=True).unknown(0) == set()  # a flag of another tool


def test_lvis_knows_what_is_annotated_or_negative(tmp_path):
    both = {"neg_category_ids": [2], "not_exhaustive_category_ids": []}
    assert labels_of(tmp_path, note(1), **both).unknown(0) == {"owl"}
    both["not_exhaustive_category_ids"] = [1]
    labels = labels_of(tmp_path, note(1), **both)
    assert labels.unknown(0) == {"cat", "owl"}
    assert labels.of(0).boxes.class_ids.tolist() == [1]
    scored = labels_of(tmp_path, note(1), note(2, 2, score=0.9), **both)
    assert scored.unknown(0) == {"cat", "owl"}
    assert labels_of(tmp_path, note(1), searched=["owl"], **both).unknown(0) == {"cat"}


def photos_of(tmp_path, *images, **values):
    """Photos with one cat each, from 1."""
    path = tmp_path / "data.json"
    size = {"width": 64, "height": 48}
    document = {
        "images": [{"id": i, "file_name": f"{i}.png", **size, **e} for i, e in enumerate(images)],
        "annotations": [note(i + 1) | {"image_id": i} for i in range(len(images))],
        "categories": [{"id": i, "name": name} for i, name in enumerate(("cat", "dog"), 1)],
    }
    path.write_text(json.dumps(document | values))
    return TrainingLabels(data=CocoData.read(path, tmp_path))


def test_some_photos_are_background_for_the_region_proposals(tmp_path):
    cats, nothing, lvis = {"labelled": ["cat"]}, {"labelled": []}, {"neg_category_ids": []}

    def is_open(*images, **values):
        labels = photos_of(tmp_path, *images, **values)
        return [labels.of(row).is_open for row in range(len(images))]

    assert is_open({}, cats, nothing, lvis) == [False, True, True, False]
    assert is_open(cats, lvis) == [True, False]
    assert is_open(cats, cats, nothing) == [False, False, True]  # else there were no background
    assert is_open({}, cats, searched=["dog"]) == [False, False]


def test_a_doubtful_ground_truth_is_told_with_numbers(tmp_path):
    cats, lvis = {"labelled": ["cat"]}, {"neg_category_ids": []}
    assert doubtful_truth(photos_of(tmp_path, {}, {}).data) == []
    (text,) = doubtful_truth(photos_of(tmp_path, {}, cats, lvis).data)
    assert text.startswith("2 photos of 3 labelled with some classes only; AP counts")
    found = note(1, 1, score=0.9) | {"image_id": 0}
    (text,) = doubtful_truth(photos_of(tmp_path, {}, annotations=[found]).data)
    assert text.startswith("1 annotation with a score, a detector's findings, count as")


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"RandomHorizontalFlip": {"p": 1.0}}, [34, 10, 54, 30]),
        ({"RandomVerticalFlip": {"p": 1.0}}, [10, 18, 30, 38]),
        ({"RandomCrop": {"size": [48, 64]}}, [10, 10, 30, 30]),
        ({"ScaleJitter": {"target_size": [96, 96], "scale_range": [1, 1]}}, [15, 15, 45, 45]),
    ],
)
def test_boxes_move_as_masks_do(tmp_path, step, expected):
    found = labels_of(tmp_path, note(1, segmentation=SQUARE), note(2)).of(0)
    _, instances, _, boxes = parse_augmentations([step]).with_boxes(
        np.zeros((48, 64, 3), np.uint8), found.instances, found.crowds, found.boxes, seed=1
    )
    assert boxes.boxes.tolist() == instances.boxes.tolist() == [expected]


POINTS = {"point_coords": [[12, 14], ["29.5", 10.5]], "point_labels": [1, 0]}


def test_labelled_points_are_read(tmp_path):
    crowd = note(4, 1, iscrowd=1, **POINTS)
    masked = note(3, segmentation=SQUARE, **POINTS)
    labels = labels_of(tmp_path, note(1), note(2, 2, **POINTS), masked, crowd)
    points = labels.of(0).boxes.points
    assert points[1].tolist() == [[12, 14, 1], [29.5, 10.5, 0]]
    assert (points[[0, 2], :, 2] == -1).all()
    assert labels.masks_of_classes()[1] == {1: 1, 2: 1}
    assert labels_of(tmp_path, note(1, **POINTS)).has_masks(0)
    with pytest.raises(
        InputError, match=r"data\.json: annotation 1, .*1 point_labels; correct its"
    ):
        labels_of(tmp_path, note(1, **POINTS | {"point_labels": [1]})).of(0)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"RandomHorizontalFlip": {"p": 1.0}}, [[52, 14, 1], [34.5, 10.5, 0]]),
        ({"RandomVerticalFlip": {"p": 1.0}}, [[12, 34, 1], [29.5, 37.5, 0]]),
        (
            {"ScaleJitter": {"target_size": [96, 96], "scale_range": [1, 1]}},
            [[18, 21, 1], [44.25, 15.75, 0]],
        ),
    ],
)
def test_points_move_with_their_photo(tmp_path, step, expected):
    found = labels_of(tmp_path, note(1, **POINTS)).of(0)
    photo = np.zeros((48, 64, 3), np.uint8)
    moved = parse_augmentations([step]).with_boxes(
        photo, found.instances, found.crowds, found.boxes, seed=1
    )
    assert moved[3].points[0].tolist() == pytest.approx(np.array(expected), abs=1e-4)


def test_points_keep_to_the_pixel_that_they_mark(tmp_path):
    found = labels_of(tmp_path, note(1, **POINTS | {"point_coords": [[12.5, 14.5], [29.5, 10.5]]}))
    photo = np.zeros((48, 64, 3), np.uint8)
    photo[14, 12] = photo[10, 29] = 255
    labels = found.of(0)
    crop = parse_augmentations([{"RandomCrop": {"size": [16, 24]}}, "RandomHorizontalFlip"])
    seen = []
    for seed in range(12):
        image, _, _, boxes = crop.with_boxes(
            photo, labels.instances, labels.crowds, labels.boxes, seed=seed
        )
        left = boxes.points[0, boxes.points[0, :, 2] >= 0]
        x, y = left[:, :2].astype(int).T
        assert len(left) == (image[..., 0] > 0).sum() and (image[y, x] == 255).all()
        seen.append(len(left))
    assert {*seen} >= {0, 1}


def test_points_under_a_pasted_object_are_gone(tmp_path):
    found = labels_of(tmp_path, note(1, **POINTS)).of(0)
    pasted = labels_of(tmp_path, note(1, segmentation=[[0, 0, 20, 0, 20, 48, 0, 48]])).of(0)
    photo = np.zeros((48, 64, 3), np.uint8)
    copy = parse_augmentations([{"CopyPaste": {"p": 1.0}}])
    boxes = copy.with_boxes(
        photo, found.instances, found.crowds, found.boxes, seed=1,
        other=lambda: (photo + 9, pasted.instances),
    )[3]  # fmt: skip
    assert boxes.points[0, :, 2].tolist() == [-1, 0]
    assert boxes.boxes.tolist() == [[10, 10, 30, 30]]


def test_boxes_that_have_left_the_photo_are_zero(tmp_path):
    found = labels_of(tmp_path, note(1, bbox=[0, 0, 20, 20]), note(2, bbox=[0, 0, 64, 48])).of(0)
    crop = parse_augmentations([{"RandomCrop": {"size": [8, 8]}}])
    results = [
        crop.with_boxes(
            np.zeros((48, 64, 3), np.uint8), found.instances, found.crowds, found.boxes, seed=seed
        )[3].boxes
        for seed in range(8)
    ]
    assert any((each[0] == 0).all() for each in results)
    assert all(each[1].tolist() == [0, 0, 8, 8] for each in results)
    assert all((each >= 0).all() and (each <= 8).all() for each in results)


def test_ignored_boxes_stay_as_long_as_anything_is_left(tmp_path):
    boxes = np.array([[0, 0, 63, 47], [0, 0, 63, 47], [0, 0, 2, 2]], np.float32)
    photo = np.zeros((48, 64, 3), np.uint8)
    found = labels_of(tmp_path).of(0)
    crop = parse_augmentations([{"RandomCrop": {"size": [3, 3]}}])
    given = Boxes.of(boxes, np.array([0, 1, 0]))
    left = [
        crop.with_boxes(photo, found.instances, found.crowds, given, seed=seed)[3].boxes
        for seed in range(40)
    ]
    sides = np.array(left)[:, :, 2:] - np.array(left)[:, :, :2]
    assert (sides[:, 0] > 0).all()
    assert (sides[:, 1] == 0).all()  # 9 pixels of an object are too few
    assert (sides[:, 2] == 0).all(axis=1).any()


def test_narrow_ignored_boxes_are_in_the_target(tmp_path):
    narrow = [note(1, bbox=[5, 5, 0.5, 9], iscrowd=1), note(2, bbox=[5, 5, 0.5, 9])]
    found = labels_of(tmp_path, *narrow).of(0)
    image = np.zeros((48, 64, 3), np.uint8)
    _, target = to_sample(image, found.instances, ("BG", "cat"), boxes=found.boxes)
    assert target["crowds"].tolist() == [[5, 5, 5.5, 14]]
    assert not len(target["boxes"])
    assert not target["is_open"]
