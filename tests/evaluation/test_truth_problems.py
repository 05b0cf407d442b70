"""A ground truth against which no number means anything is named."""

import pytest

from instseg.core.classes import COCO_CATEGORY_IDS
from instseg.evaluation.truth_problems import explain_truth
from instseg.files.results import coco_annotations
from instseg.scenes.scene import draw_scene


def truth(**changes):
    """Three drawn scenes; every annotation has `changes`, made from its box."""
    images, annotations = [], []
    for number in (1, 2, 3):
        instances = draw_scene(number).instances
        height, width = instances.size_hw
        images.append({"id": number, "height": height, "width": width})
        for record in coco_annotations(instances, COCO_CATEGORY_IDS):
            changed = {key: change(record["bbox"]) for key, change in changes.items()}
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, **record, **changed}
            )
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": str(i)} for i in COCO_CATEGORY_IDS[1:]],
    }


def test_a_sound_truth_has_no_problem():
    assert explain_truth(truth()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda box: [box[0], box[1], box[0] + box[2], box[1] + box[3]],
        lambda box: [side / 320 for side in box],
    ],
)
def test_boxes_that_do_not_lie_on_the_masks(change):
    (problem,) = explain_truth(truth(bbox=change))
    assert problem.code == "boxes-not-masks"
    assert "doctor --fix" in problem.message


def test_nothing_to_find():
    assert explain_truth({**truth(), "annotations": []})[0].code == "no-ground-truth"
    assert explain_truth(truth(iscrowd=lambda _: 1))[0].code == "only-crowds"


def test_more_classes_than_fit_into_memory():
    categories = [{"id": number, "name": str(number)} for number in range(1, 10_002)]
    (problem,) = explain_truth({**truth(), "categories": categories})
    assert problem.code == "too-many-classes"
    assert "10,001 classes" in problem.message


def test_broken_records_are_named():
    (problem,) = explain_truth({**truth(), "images": [{"id": 1, "height": 10}]})
    assert problem.code == "bad-ground-truth"
    assert "images[0]: expected width" in problem.message
