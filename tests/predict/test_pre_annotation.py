"""Predictions as what annotation tools import."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image
from stand_in import TINY_CARD, stand_in_model

from instseg import convert
from instseg.core.events import Notice
from instseg.formats.convert import read_labels
from instseg.formats.shapes import mask_of, size_of
from instseg.predict.folder import predict_folder
from instseg.predict.photos import NamedPhoto, name_photos
from instseg.predict.pictures import Pictures
from instseg.predict.predictor import Predictor
from instseg.scenes.scene import draw_scene

TOOLS = ("cvat", "label-studio", "labelme", "yolo", "yolo-seg", "coco")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Sequence[NamedPhoto]:
    folder = tmp_path_factory.mktemp("data") / "my photos"
    folder.mkdir()
    scene = draw_scene(0).image
    for number in range(3):
        Image.fromarray(scene[: 100 + number, :120]).save(folder / f"{number}.png")
    return name_photos(sorted(folder.iterdir()))


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    model = stand_in_model(TINY_CARD)
    options = {"score_threshold": 0.3, "max_detections": 6, "classes": ["cat", "cup"]}
    return Predictor(model, device="cpu", precision="fp32", **options)


def run(predictor, photos, out, to, **options):
    wanted = Pictures(overlay=False)
    return predict_folder(predictor, photos, out, pictures=wanted, to=to, **options)


def document(out):
    return json.loads((out / "predictions.json").read_text())


@pytest.mark.parametrize("to", TOOLS)
def test_what_is_written_is_read_again(predictor, photos, tmp_path, to):
    told = []
    done = run(predictor, photos, tmp_path, to, on_event=told.append).pre_annotation
    found = document(tmp_path)["annotations"]
    assert (done.folder, done.photos, done.objects) == (tmp_path / to, 3, len(found))
    labels, read_as = read_labels(tmp_path / to, photos[0].path.parent)
    assert read_as.name == to
    assert len(labels.images) == 3
    assert len(labels.annotations) == len(found) > 3
    assert set(labels.class_names().values()) == {"cat", "cup"}
    if to == "yolo":
        assert done.mean_iou is None
    else:
        assert 0.5 < done.least_iou <= done.mean_iou < 1
    notes = [event.text for event in told if isinstance(event, Notice)]
    assert any("score: not written" in note for note in notes) == to.startswith("yolo")
    if not to.startswith("yolo"):
        assert {a["score"] for a in labels.annotations} == {a["score"] for a in found}


def ious(labels, found):
    """IoU of each object with the mask that was found for it, in order."""
    sizes = {each["id"]: size_of(each) for each in labels.images}
    result = []
    for one, other in zip(labels.annotations, found, strict=True):
        size = sizes[one["image_id"]]
        result.append(float(mask_of(one, size).iou(mask_of(other, size))[0, 0]))
    return result


@pytest.mark.parametrize("to", ["coco", "yolo-seg"])
def test_the_stated_agreement_is_that_of_what_was_written(predictor, photos, tmp_path, to):
    done = run(predictor, photos, tmp_path, to, tolerance=2.0).pre_annotation
    found = document(tmp_path)["annotations"]
    labels, _ = read_labels(tmp_path / to)
    outlines = [isinstance(each["segmentation"], list) for each in labels.annotations]
    of_outlines = [iou for iou, own in zip(ious(labels, found), outlines, strict=True) if own]
    if to == "yolo-seg":
        of_outlines = ious(labels, found)  # whose holes are outlines too
    assert done.least_iou == pytest.approx(min(of_outlines), abs=1e-6)
    assert done.mean_iou == pytest.approx(np.mean(of_outlines), abs=1e-6)


@pytest.mark.parametrize("to", ["label-studio", "cvat", "coco"])
def test_without_a_tolerance_every_pixel_is_kept(predictor, photos, tmp_path, to):
    done = run(predictor, photos, tmp_path, to, tolerance=0.0, polygons=True).pre_annotation
    assert done.mean_iou is done.least_iou is None
    found = document(tmp_path)["annotations"]
    assert ious(read_labels(tmp_path / to)[0], found) == [1.0] * len(found)


def test_boxes_are_those_of_the_masks(predictor, photos, tmp_path):
    run(predictor, photos, tmp_path, "coco", tolerance=0.0)
    labels, _ = read_labels(tmp_path / "coco")
    sizes = {image["id"]: size_of(image) for image in labels.images}
    for each in labels.annotations:
        left, top, right, bottom = mask_of(each, sizes[each["image_id"]]).boxes_xyxy()[0].tolist()
        assert each["bbox"] == [left, top, right - left, bottom - top]


def test_label_studio_gets_predictions_with_scores(predictor, photos, tmp_path):
    run(predictor, photos, tmp_path, "label-studio")
    tasks = json.loads((tmp_path / "label-studio" / "tasks.json").read_text())
    assert [each["data"]["image"] for each in tasks] == [
        f"/data/local-files/?d=my%20photos/{number}.png" for number in range(3)
    ]
    scores = [each["score"] for each in document(tmp_path)["annotations"]]
    results = [task["predictions"][0]["result"] for task in tasks]
    assert [each["score"] for result in results for each in result] == scores
    assert {task["predictions"][0]["model_version"] for task in tasks} == {predictor.name}
    assert not any("annotations" in task for task in tasks)


def test_a_resumed_run_writes_the_photos_of_both_and_keeps_what_people_did(
    predictor, photos, tmp_path
):
    told = []
    run(predictor, photos[:1], tmp_path, "labelme")
    corrected = tmp_path / "labelme" / "0.json"
    corrected.write_text("corrected")
    done = run(predictor, photos, tmp_path, "labelme", resume=True, on_event=told.append)
    assert (done.done, done.skipped, done.pre_annotation.photos) == (2, 1, 3)
    assert len(read_labels(tmp_path / "labelme")[0].images) == 3
    assert (tmp_path / "labelme_1" / "0.json").read_text() == "corrected"
    assert any("now labelme_1" in event.text for event in told if isinstance(event, Notice))


def test_corrected_labels_are_converted(predictor, photos, tmp_path):
    run(predictor, photos, tmp_path, "label-studio")
    path = tmp_path / "label-studio" / "tasks.json"
    tasks = json.loads(path.read_text())
    for task in tasks:  # as Label Studio makes an annotation of a prediction that is submitted
        task["annotations"] = [{"result": task["predictions"][0]["result"]}]
    path.write_text(json.dumps(tasks))
    images = photos[0].path.parent
    done = convert(path, tmp_path / "corrected", to="coco", images=images)
    assert done.objects == len(document(tmp_path)["annotations"])
    assert not done.notes
