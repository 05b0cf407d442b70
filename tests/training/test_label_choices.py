"""What is decided and told of annotations before training."""

import json

import pytest

from instseg.core.errors import InputError
from instseg.core.events import Notice, Warned
from instseg.data.coco import CocoData
from instseg.training.finetune import validation_data
from instseg.training.finetune_options import FinetuneOptions
from instseg.training.label_choices import (
    check_labels,
    choose_box_supervision,
    choose_mask_head,
)

PSEUDO = (0.15, 0.5)
SQUARE = [[10, 10, 30, 10, 30, 30, 10, 30]]


def note(category=1, image=1, **values):
    return {"image_id": image, "category_id": category, "bbox": [10, 10, 20, 20], **values}


def data_of(tmp_path, annotations, images=({},), **values):
    size = {"width": 64, "height": 48}
    document = {
        "images": [
            {"id": i, "file_name": f"{i}.png", **size, **each} for i, each in enumerate(images, 1)
        ],
        "annotations": [{"id": i, **each} for i, each in enumerate(annotations, 1)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    path = tmp_path / "data.json"
    path.write_text(json.dumps(document | values))
    return CocoData.read(path, tmp_path)


def told(data):
    events = []
    check_labels(data, PSEUDO, events.append)
    assert all(event.text.startswith(f"{data.coco_json}: ") for event in events)
    return [(type(event), event.text.removeprefix(f"{data.coco_json}: ")) for event in events]


def head(tmp_path, masks, boxes, chosen=None):
    """The choice for so many cats with masks, and with boxes alone, beside dogs with masks."""
    cats = [note(segmentation=SQUARE)] * masks + [note()] * boxes
    return choose_mask_head(
        data_of(tmp_path, [*cats, *[note(2, segmentation=SQUARE)] * 3]), chosen, PSEUDO
    )


def test_a_mask_head_is_shared_only_for_a_class_that_lacks_masks(tmp_path):
    assert head(tmp_path, masks=9, boxes=1) is True
    assert head(tmp_path, masks=0, boxes=1) is True
    assert head(tmp_path, masks=10, boxes=1) is None  # the dogs are few, and all have masks
    assert head(tmp_path, masks=3, boxes=0) is None
    assert head(tmp_path, masks=0, boxes=1, chosen="per-class") is False


def test_boxes_train_masks_where_nothing_else_does(tmp_path):
    def of(chosen, *annotations):
        events = []
        data = data_of(tmp_path, annotations)
        used = choose_box_supervision(data, chosen, PSEUDO, events.append)
        return used, [event.text.removeprefix(f"{data.coco_json}: ") for event in events]

    masked = note(segmentation=SQUARE)
    pointed = note(point_coords=[[12, 12]], point_labels=[1])
    used, (text,) = of("auto", note(), note(iscrowd=1))
    assert used and text.startswith("1 of 1 annotation have no mask; they train masks by their box")
    assert of("auto", note(), masked) == (
        False, ["1 of 2 annotations have no mask; they train boxes only"]
    )  # fmt: skip
    used, texts = of("auto", note(), pointed)
    assert not used and texts[0] == (
        "1 of 2 annotations have labelled points and no mask; they train masks by these"
    )
    assert of("on", note(), masked)[0]
    assert not of("off", note())[0]
    assert of("auto", masked) == (False, [])


def test_nothing_is_told_of_usual_annotations(tmp_path):
    assert told(data_of(tmp_path, [note(segmentation=SQUARE)])) == []


def test_a_search_by_a_detector_is_told(tmp_path):
    cats = [{"labelled": ["cat"]}, {}]
    found = [note(), note(2, score=0.7)]
    ((kind, text),) = told(data_of(tmp_path, found, cats))
    assert kind is Notice
    assert text.startswith("1 annotation with scores of classes that `labelled` lacks, so a det")
    assert told(data_of(tmp_path, found, cats, searched=["dog"])) == []
    assert told(data_of(tmp_path, [note(score=1.0)], cats)) == []


def test_background_of_partly_labelled_photos_is_told(tmp_path):
    ((kind, text),) = told(data_of(tmp_path, [note()], [{"labelled": ["cat"]}]))
    assert kind is Notice
    assert text.startswith("no photo is labelled with all classes, so region proposals learn")


def test_fields_that_are_not_used_are_warned_of(tmp_path):
    images = [{"labelled": True}, {"labelled": ["cat", "owl"]}, {"labelled": 3}]
    warnings = told(data_of(tmp_path, [note(score=95), note(2)], images, searched="dog"))
    assert {kind for kind, _ in warnings} == {Warned}
    texts = [text for _, text in warnings]
    assert texts[0] == "`labelled` names owl, no class of the file"
    assert texts[1].startswith("`labelled` of 2 photos is not a list")
    assert texts[1].endswith("the first is 1.png")
    assert texts[2].startswith("`searched` is not a list")
    assert texts[3].startswith("1 annotation with a score that is not a number from 0 to 1")


def test_findings_of_low_scores_alone_are_nothing_to_train_on(tmp_path):
    data = data_of(tmp_path, [note(score=0.4), note(score=0.2), note(iscrowd=1)])
    with pytest.raises(InputError, match=r"no objects to train on: 2 annotations .* below 0\.5"):
        check_labels(data, PSEUDO)
    check_labels(data, (0.1, 0.4))


def test_doubtful_validation_data_are_warned_of(tmp_path):
    val = data_of(tmp_path, [note(score=0.9)], [{"labelled": ["cat"]}, {}])
    events = []
    validation_data(FinetuneOptions(val_coco_json=val), val.class_names, events.append)
    assert {type(event) for event in events} == {Warned}
    assert [event.text.removeprefix(f"{val.coco_json}: ")[:30] for event in events] == [
        "1 photo of 2 labelled with som",
        "1 annotation with a score, a d",
    ]
