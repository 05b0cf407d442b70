"""The embedded weights do what the README says, on scenes that they were not trained on."""

import json
from pathlib import Path

import pytest

from instseg import Predictor, Segmenter
from instseg.cli import main
from instseg.data.coco import CocoData
from instseg.data.semantic_data import CocoSemantic
from instseg.evaluation.coco_ap import average_precision
from instseg.evaluation.semantic import SemanticEvaluator
from instseg.files.image import read_image
from instseg.files.model_file import read_model_card
from instseg.predict.dataset import predict_dataset
from instseg.scenes.scene import SCENE_CLASSES, SceneConfig, draw_scene, write_scenes

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
PATH = WEIGHTS / "demo.safetensors"


@pytest.fixture(scope="module")
def predictor():
    return Predictor("demo", precision="fp32")


def matched(found, truth):
    """How many true objects an instance of the same class overlaps by more than half."""
    same = found.class_ids[:, None] == [found.class_names.index(name) for name in truth.names]
    return int(((found.masks.iou(truth.masks) > 0.5) & same).any(axis=0).sum())


def test_the_file_is_small_and_describes_itself():
    assert PATH.stat().st_size <= 12e6
    card = read_model_card(PATH)
    assert card.architecture == "compact"
    assert card.class_names == ("BG", *SCENE_CLASSES)
    assert card.provenance["metrics"]["segm"]["AP"] >= 0.58
    assert min(card.provenance["metrics"]["segm"]["per_class"].values()) >= 0.30


def test_the_stated_accuracy_is_reached(tmp_path):
    data = CocoData.read(write_scenes(tmp_path, 40), tmp_path / "images")
    careful = Predictor("demo", precision="fp32", score_threshold=0.01)
    results = predict_dataset(careful, data)
    assert average_precision(data.document(), results, "segm")["AP"] > 0.58


def test_the_unet_is_smaller_and_labels_scenes(tmp_path):
    path = WEIGHTS / "unet-demo.safetensors"
    assert path.stat().st_size <= 1.1e6
    card = read_model_card(path)
    assert card.class_names == ("BG", *SCENE_CLASSES)
    data = CocoSemantic(data=CocoData.read(write_scenes(tmp_path, 40), tmp_path / "images"))
    segmenter = Segmenter("unet-demo", precision="fp32")
    evaluator = SemanticEvaluator(card.class_names)
    for row in range(len(data)):
        image, labels = data.load(row)
        evaluator.add(labels, segmenter(image))
    scores = evaluator.scores(resamples=0).scores
    assert scores["mIoU"] > 0.75
    assert scores["mIoU"] == pytest.approx(card.provenance["metrics"]["scores"]["mIoU"], abs=0.05)


def test_an_object_that_a_seam_cuts_is_found_whole():
    """A scene four times the size that the network looks at, in tiles of its size."""
    scene = draw_scene(3, SceneConfig(size_hw=(640, 640), objects=(14, 18), object_px=(24, 150)))
    tiled = Predictor("demo", precision="fp32", tile=320, overlap=0.25)
    found = tiled(scene.image)
    truth = scene.instances
    assert matched(found, truth) >= 0.8 * len(truth)
    assert len(found) <= 1.3 * len(truth)  # no object twice
    whole = matched(Predictor("demo", precision="fp32")(scene.image), truth)
    assert matched(found, truth) >= whole


def test_flipping_keeps_what_was_found(predictor):
    scene = draw_scene(1)
    flipped = Predictor("demo", precision="fp32", flip=True)(scene.image)
    assert matched(flipped, scene.instances) >= matched(predictor(scene.image), scene.instances) - 1
    assert (flipped.scores <= 1).all()


def test_bf16_finds_the_same_objects(predictor):
    scene = draw_scene(2)
    rough = Predictor("demo", precision="bf16")(scene.image)
    exact = predictor(scene.image)
    sure = exact[exact.scores > 0.8]
    assert matched(rough, sure) == len(sure)


def test_the_command_of_the_readme(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["make-scenes", "--images", "3", "--out", str(tmp_path / "scenes")]) == 0
    photos = str(tmp_path / "scenes" / "images")
    assert main(["infer", photos, "--weights", "demo", "--out", str(out)]) == 0
    document = json.loads((out / "predictions.json").read_text())
    assert len(document["images"]) == 3
    assert document["annotations"]
    drawn = [read_image(out / f"{number:06d}.png") for number in range(3)]
    plain = [read_image(path) for path in sorted(Path(photos).iterdir())]
    assert all((one != other).any() for one, other in zip(drawn, plain, strict=True))
    assert "predictions.json" in capsys.readouterr().out


@pytest.mark.cuda
def test_bfloat16_on_the_gpu_has_the_same_ap(tmp_path, gpu):
    data = CocoData.read(write_scenes(tmp_path, 16), tmp_path / "images")
    ap = {}
    for device, precision in ((gpu, "bf16"), ("cpu", "fp32")):
        predictor = Predictor("demo", device=device, precision=precision, score_threshold=0.01)
        results = predict_dataset(predictor, data)
        ap[precision] = average_precision(data.document(), results, "segm")["AP"]
    assert ap["bf16"] == pytest.approx(ap["fp32"], abs=0.02)
