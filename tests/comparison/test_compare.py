"""Mask R-CNN beside a U-Net, compared from Python."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from coco_documents import write_json
from comparison_files import document, save_unet, write_files
from PIL import Image
from stand_in import TINY_CARD, stand_in_model

import instseg
from instseg.comparison.compare import compare
from instseg.core.errors import InputError
from instseg.core.events import Warned
from instseg.core.semantic import to_semantic
from instseg.data.coco import CocoData
from instseg.evaluation.coco_ap import measure_ap
from instseg.evaluation.semantic import SemanticEvaluator, score_differences
from instseg.files.image import read_image
from instseg.files.results import coco_annotations
from instseg.models.mask_rcnn import load_detector
from instseg.models.segmenters import fresh_segmenter, load_segmenter
from instseg.predict.predictor import Predictor
from instseg.predict.segmenter import Segmenter
from instseg.scenes.scene import SceneConfig, write_scenes
from instseg.system.lock import only_run_in

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 5
SHARED = ("BG", "cup", "dog")  # of cup, dog, lamp, moon and cat, dog, cup and lamp, dog, cup, tree
THRESHOLD = 0.3
ANY_SIZE = {"min_size": None, "max_size": None}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    return write_files(tmp_path_factory.mktemp("files"))


def run(files, out=None, **options):
    defaults = {
        "coco_json": files / "data.json",
        "images": files,
        "weights": str(files / "mask_rcnn.safetensors"),
        "unet": str(files / "unet.safetensors"),
        "score_threshold": THRESHOLD,
        "resamples": 100,
        "pictures": 1,
        "speed": False,
        "device": "cpu",
        "precision": "fp32",
    }
    return compare(out=out, **(defaults | options))


@pytest.fixture(scope="module")
def compared(files, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("compared")
    run(files, out)
    return out


def comparison(out):
    return json.loads((out / "comparison.json").read_text())


def in_shared(labels, names, other=0):
    """Labels in the classes that are compared, one class after the other."""
    found = np.where(labels == 255, 255, other)
    for label, name in enumerate(names):
        if name in SHARED:
            found[labels == label] = SHARED.index(name)
    return found


@pytest.fixture(scope="module")
def by_hand(files):
    """Both models' semantic maps, each made by the shortest way, against the same truth."""
    data = CocoData.read(files / "data.json", files)
    segmenter = Segmenter(files / "unet.safetensors", device="cpu", precision="fp32")
    predictor = Predictor(
        files / "mask_rcnn.safetensors", device="cpu", precision="fp32", score_threshold=THRESHOLD
    )
    evaluators = {"unet": SemanticEvaluator(SHARED), "mask_rcnn": SemanticEvaluator(SHARED)}
    for row in range(len(data)):
        photo, objects = data.load(row)
        truth = to_semantic(objects, rule="smallest-on-top", ignore=data.crowds(row))
        truth = in_shared(truth, data.class_names, other=255)
        assert {255, 0, 1, 2} == set(np.unique(truth))
        unet = in_shared(segmenter(photo), segmenter.class_names)
        ours = in_shared(to_semantic(predictor(photo)), predictor.class_names)
        evaluators["unet"].add(truth, unet)
        evaluators["mask_rcnn"].add(truth, ours)
    return {side: each.scores(resamples=100) for side, each in evaluators.items()}


def test_both_are_measured_as_each_would_be_alone(compared, by_hand):
    found = comparison(compared)["semantic"]
    for side, scores in by_hand.items():
        assert found[side] == json.loads(json.dumps(scores.as_json()))
        assert scores.scores["mIoU"] > 0
    expected = score_differences(by_hand["unet"], by_hand["mask_rcnn"])
    assert found["difference"] == json.loads(json.dumps(expected))
    for image, one, other in zip(
        comparison(compared)["per_image"],
        *(by_hand[side].of_images()["mIoU"] for side in ("unet", "mask_rcnn")),
        strict=True,
    ):
        assert (image["unet"], image["mask_rcnn"]) == (one, other)


def test_the_effect_of_rules_and_thresholds(compared, files, tmp_path):
    found = comparison(compared)
    sweep = found["thresholds"]
    chosen = sweep["score_threshold"].index(THRESHOLD)
    assert sweep["score_threshold"] == sorted(sweep["score_threshold"])
    for rule, block in found["rules"].items():
        assert sweep["mIoU"][rule][chosen] == pytest.approx(block["scores"]["mIoU"], abs=1e-12)
    assert len({block["scores"]["mIoU"] for block in found["rules"].values()}) == 3
    other = {"rule": "smallest-on-top", "score_threshold": 0.2, "pictures": 0}
    run(files, tmp_path, **other)
    again = comparison(tmp_path)
    at_other = sweep["mIoU"]["smallest-on-top"][sweep["score_threshold"].index(0.2)]
    assert again["semantic"]["mask_rcnn"]["scores"]["mIoU"] == pytest.approx(at_other, abs=1e-12)
    assert again["semantic"]["unet"] == found["semantic"]["unet"]


def test_the_order_of_classes_can_be_given(compared, files, tmp_path):
    options = {"rule": "class-priority", "priority": "cup, cat", "pictures": 0}
    run(files, tmp_path, **options)
    given, default = comparison(tmp_path), comparison(compared)
    assert given["settings"]["priority"] == ["cup", "cat"]
    assert default["settings"]["priority"] == ["cat", "dog", "cup"]
    one, other = (found["thresholds"]["mIoU"]["class-priority"] for found in (given, default))
    assert one != other


def test_the_other_way_round_is_coco_ap_of_regions(compared, files):
    data = CocoData.read(files / "data.json", files)
    segmenter = Segmenter(files / "unet.safetensors", device="cpu", precision="fp32")
    predictor = Predictor(
        files / "mask_rcnn.safetensors", device="cpu", precision="fp32", score_threshold=0.01
    )
    truth = data.document()
    truth["categories"] = [each for each in truth["categories"] if each["id"] in (3, 7)]
    truth["annotations"] = [a for a in truth["annotations"] if a["category_id"] in (3, 7)]
    ids = {"cup": 3, "dog": 7}
    found = comparison(compared)["instances"]
    for side, look in (("unet", segmenter.instances), ("mask_rcnn", predictor)):
        results = []
        for image in data.images:
            instances = look(read_image(files / image.file_name))
            records = coco_annotations(instances, [ids.get(n, 0) for n in instances.class_names])
            results += [{"image_id": image.id, **r} for r in records if r["category_id"]]
        assert results
        for kind in ("bbox", "segm"):
            assert found[kind][side]["scores"] == measure_ap(truth, results, kind).scores


def test_it_says_what_it_compares_and_who_is_better(files, tmp_path):
    events = []
    run(files, tmp_path, on_event=events.append)
    lines = [event.text for event in events if isinstance(event, Warned)]
    for line, words, names in zip(
        lines,
        ("2 of the dataset, whose pixels are ignored", "1 of Mask R-CNN", "2 of the U-Net"),
        ("lamp, moon", "cat", "lamp, tree"),
        strict=True,
    ):
        assert f"not compared, as not all know them: {words}" in line
        assert line.endswith(f"({names})")
        assert f"({names})" in (tmp_path / "comparison.md").read_text()
    answer, _, doubt = comparison(tmp_path)["verdict"]
    assert "3 of 3 classes are in fewer than 10 images" in doubt
    text = (tmp_path / "comparison.md").read_text()
    assert f"**{answer}**" in text
    assert "| cup | 5 |" in text


def test_pictures_and_files(compared):
    found = comparison(compared)
    names = {path.name for path in compared.iterdir()}
    assert names == {"comparison.json", "comparison.md", "score_thresholds.png", *found["pictures"]}
    assert len(found["pictures"]) == 6
    for name in found["pictures"]:
        assert f"({name})" in (compared / "comparison.md").read_text()
        with Image.open(compared / name) as picture:
            assert picture.width > 5 * 80
    assert found["versions"]["torch"] == torch.__version__
    assert found["models"]["unet"]["parameters"] < found["models"]["mask_rcnn"]["parameters"]


def test_names_may_hold_anything(files, tmp_path):
    odd = "a|b `*<i>_\n[x](y) жук.png"
    data = document()
    (tmp_path / odd).write_bytes((files / "10.png").read_bytes())
    for image in data["images"]:
        image["file_name"] = odd
    data["categories"][1]["name"] = "d|g\n*"
    unet = save_unet(tmp_path / "unet.safetensors", ("BG", "cup", "d|g\n*"))
    ours = tmp_path / "ours.safetensors"
    card = replace(TINY_CARD, class_names=("BG", "cat", "d|g\n*", "cup"))
    stand_in_model(card).save(ours)
    options = {"coco_json": write_json(tmp_path / "data.json", data), "images": tmp_path}
    out = tmp_path / "out"
    run(files, out, **options, unet=str(unet), weights=str(ours))
    assert comparison(out)["per_image"][0]["file_name"] == odd
    text = (out / "comparison.md").read_text()
    assert r"| d\|g \* |" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    columns = {line.replace(r"\|", "").count("|") for line in tables}
    assert columns == {4, 5, 7, 8}


def test_drawn_scenes(files, tmp_path):
    unet = save_unet(tmp_path / "unet.safetensors", ("BG", "person", "cup", "car"))
    options = {"coco_json": None, "images": None, "scenes": 2, "pictures": 0}
    out = tmp_path / "out"
    run(files, out, **options, weights="demo", unet=str(unet))
    assert len(list((out / "scenes" / "images").iterdir())) == 2
    assert comparison(out)["settings"]["scenes"] == 2
    assert comparison(out)["semantic"]["mask_rcnn"]["scores"]["mIoU"] > 0.2


def test_scenes_are_none_that_networks_learn_from_or_are_chosen_on(files, tmp_path):
    unet = save_unet(tmp_path / "unet.safetensors", ("BG", "person", "cup", "car"))
    options = {"coco_json": None, "images": None, "scenes": 2, "pictures": 0, "seed": 0}
    run(files, tmp_path, **options, weights="demo", unet=str(unet))
    compared = {path.read_bytes() for path in (tmp_path / "scenes" / "images").iterdir()}
    for seed in (0, 1):  # of validation, and of training
        write_scenes(tmp_path / str(seed), 2, SceneConfig(seed=seed))
        others = (tmp_path / str(seed) / "images").iterdir()
        assert not compared & {path.read_bytes() for path in others}


def test_real_photos(coco_dir, tmp_path):
    """Two model files, COCO's own annotations with crowds, photos of all sizes."""
    names = ("BG", "person", "car", "chair")
    card = replace(TINY_CARD, class_names=names, category_ids=(0, 1, 3, 62))
    stand_in_model(card).save(tmp_path / "mask_rcnn.safetensors")
    save_unet(tmp_path / "unet.safetensors", names)
    document = json.loads((coco_dir / "annotations" / "instances_val2017.json").read_text())
    crowded = {each["image_id"] for each in document["annotations"] if each["iscrowd"]}
    document["images"].sort(key=lambda image: image["id"] not in crowded)
    document["images"] = document["images"][:10]
    kept = {image["id"] for image in document["images"]}
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] in kept]
    path = write_json(tmp_path / "data.json", document)
    options = {"coco_json": path, "images": coco_dir / "val2017"}
    run(tmp_path, tmp_path / "out", **options)
    found = comparison(tmp_path / "out")
    assert crowded & kept
    assert len(found["per_image"]) == 10
    pixels = {row["class"]: row["pixels"] for row in found["semantic"]["unet"]["per_class"]}
    assert pixels == {
        row["class"]: row["pixels"] for row in found["semantic"]["mask_rcnn"]["per_class"]
    }
    assert pixels["person"] > 5_000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"coco_json": None}, "say what to compare on: scenes, data, or coco_json with images"),
        ({"scenes": 3}, "say what to compare on: scenes, data, or coco_json"),
        ({"images": None}, "coco_json needs images"),
        ({"unet": "demo"}, "demo holds compact, which predicts instances; give a semantic model"),
        ({"scenes": -1, "coco_json": None}, "scenes=-1 must lie between 0 and 1,000,000"),
        ({"score_threshold": 1.5}, "score_threshold=1.5 must lie between 0 and 1"),
        ({"resamples": 5}, "resamples=5 must lie between 100 and 100,000"),
        ({"pictures": -1}, "pictures=-1 must lie between"),
        ({"priority": ["dog", "cow"]}, "mask_rcnn.safetensors knows no class 'cow', but cat, dog"),
        ({"weights": "{files}/unet.safetensors"}, "which gives semantic maps, not instances"),
        ({"unet": "{files}/mask_rcnn.safetensors"}, "which predicts instances"),
        ({"unet": "{files}/none.safetensors"}, "none.safetensors: no such weights file"),
        ({"weights": "demo"}, "no class is in the dataset (cup, dog, lamp, moon), in Mask"),
        ({"images": Path("elsewhere")}, "elsewhere: 5 of 5 photos are not there"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(files, tmp_path, options, said):
    filled = {k: v.format(files=files) if isinstance(v, str) else v for k, v in options.items()}
    if options.get("weights") == "demo":
        filled["unet"] = str(save_unet(tmp_path / "unet.safetensors", ("BG", "zebra")))
    with pytest.raises(InputError) as caught:
        run(files, tmp_path / "out", **filled)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_dataset_without_objects_of_the_compared_classes(files, tmp_path):
    data = document()
    data["annotations"] = [a for a in data["annotations"] if a["category_id"] > 7 or a["iscrowd"]]
    path = write_json(tmp_path / "data.json", data)
    with pytest.raises(InputError, match="has no object of the 2 classes that both models know"):
        run(files, tmp_path / "out", coco_json=path)


def test_objects_of_no_pixel(files, tmp_path):
    data = document()
    for each in data["annotations"]:
        x, y = each["bbox"][:2]
        each["segmentation"] = [[x, y, x + 0.01, y, x + 0.01, y + 0.01, x, y + 0.01]]
        each["iscrowd"] = 0
    path = write_json(tmp_path / "data.json", data)
    with pytest.raises(InputError, match="no object of the compared classes has a pixel"):
        run(files, tmp_path / "out", coco_json=path)


@pytest.mark.parametrize(("channels", "mean"), [(4, 0.5), (3, 20_000.0), (3, 0.01)])
def test_networks_for_arrays_are_no_rivals_on_photos(files, tmp_path, channels, mean):
    path = tmp_path / "unet.safetensors"
    prepare = {"mean": [mean] * channels, "std": [1.0] * channels} | ANY_SIZE
    options = {"widths": [4, 8], "preprocessing": prepare}
    fresh_segmenter("unet", ("BG", "cup"), (0, 1), **options).save(path)
    with pytest.raises(InputError, match="trained on arrays of other channels or values"):
        run(files, tmp_path / "out", unet=str(path))


def test_as_a_user_types_it(files, tmp_path, capsys, monkeypatch):
    """Nothing is printed, and nothing written without `out`."""
    monkeypatch.chdir(tmp_path)
    found = instseg.compare(
        str(files / "data.json"),
        images=str(files),
        weights=files / "mask_rcnn.safetensors",
        unet=files / "unet.safetensors",
        resamples=100,
        device="cpu",
    )
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
    assert found.written == ()
    content = found.to_dict()
    assert content["models"]["unet"]["seconds"]["median"] > 0
    means = content["semantic"]
    assert found.mask_rcnn.mIoU == means["mask_rcnn"]["scores"]["mIoU"]
    assert found.unet.scores["mDice"] == means["unet"]["scores"]["mDice"]
    assert found.difference.value == pytest.approx(found.mask_rcnn.mIoU - found.unet.mIoU)
    assert [each.name for each in found.per_class] == ["BG", "cup", "dog"]
    assert found.per_class[1].unet == means["unet"]["per_class"][1]["IoU"]
    assert found.mask_rcnn.mask_AP == content["instances"]["segm"]["mask_rcnn"]["scores"]["AP"]
    for each in content["instances"]["segm"]["difference"].values():  # 5 images are too few
        assert (each["interval"], each["p"]) == (None, None)
    assert repr(found).startswith("Comparison(Mask R-CNN 0.")
    assert len(repr(found)) < 120


def test_to_dict_is_the_file(files, tmp_path):
    found = run(files, tmp_path)
    assert found.to_dict() == comparison(tmp_path)
    assert {path.name for path in found.written} == {path.name for path in tmp_path.iterdir()}
    found.to_dict()["verdict"].clear()
    assert found.to_dict()["verdict"] == list(found.verdict)


def test_loaded_models_and_data_do_as_well_as_files(files, compared):
    model = load_detector(files / "mask_rcnn.safetensors")
    unet = load_segmenter(files / "unet.safetensors")
    data = CocoData.read(files / "data.json", files)
    options = {"coco_json": data, "images": None, "weights": model, "unet": unet, "speed": True}
    found = run(files, **options).to_dict()
    assert found["semantic"] == comparison(compared)["semantic"]
    assert found["settings"]["weights"] == "loaded compact"
    assert found["settings"]["coco_json"] == str(files / "data.json")
    assert found["models"]["mask_rcnn"]["seconds"]["median"] > 0


def test_drawn_scenes_need_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = instseg.compare(scenes=1, resamples=100, speed=False, device="cpu")
    assert found.mask_rcnn.mIoU > 0.2
    assert list(tmp_path.iterdir()) == []
    assert weights_of(found) == ("demo", "unet-demo")


def weights_of(found):
    models = found.to_dict()["models"]
    return models["mask_rcnn"]["weights"], models["unet"]["weights"]


def test_photos_of_ones_own_are_compared_with_weights_for_photos(files):
    assert weights_of(run(files, weights="auto", unet="auto")) == ("photos", "photos-unet")


def test_the_notebook_shows_tables_with_names_escaped(files, tmp_path):
    data = document()
    data["categories"][1]["name"] = "<b>&"
    unet = save_unet(tmp_path / "unet.safetensors", ("BG", "cup", "<b>&"))
    path = write_json(tmp_path / "data.json", data)
    card = replace(TINY_CARD, class_names=("BG", "cat", "<b>&", "cup"))
    stand_in_model(card).save(tmp_path / "ours.safetensors")
    options = {"coco_json": path, "weights": tmp_path / "ours.safetensors", "unet": unet}
    shown = run(files, **options)._repr_html_()
    assert "<b>" not in shown
    assert "&lt;b&gt;&amp;" in shown
    assert shown.count("<table>") == 3


def test_progress_is_told(files):
    events = []
    run(files, on_event=events.append)
    assert [(e.done, e.total) for e in events if getattr(e, "task", "") == "comparing"] == [
        (done, 5) for done in range(6)
    ]


def test_it_runs_in_a_thread(files):
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run, files).result().images == 5


def test_what_a_card_says_of_its_input_counts(files, tmp_path):
    """Arrays in 0..1 look like photos, and photos of one hard contrast do not."""
    for kind, std in (("arrays", 0.2), ("photos", 0.9)):
        prepare = {"mean": [0.5] * 3, "std": [std] * 3} | ANY_SIZE
        options = {"widths": [4, 8], "preprocessing": prepare | {"input": kind}}
        model = fresh_segmenter("unet", ("BG", "cup"), (0, 1), **options)
        if kind == "arrays":
            with pytest.raises(InputError, match="trained on arrays"):
                run(files, unet=model)
        else:
            assert run(files, unet=model).unet.mIoU >= 0


def test_a_folder_of_another_run_is_refused(files, tmp_path):
    words = rf"another run writes here \(process {os.getpid()} on"
    with only_run_in(tmp_path), pytest.raises(InputError, match=words):
        run(files, tmp_path)
