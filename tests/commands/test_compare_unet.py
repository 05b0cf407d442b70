"""`instseg compare-unet`, run on files."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from coco_documents import annotation, sound, write_json, write_photos
from PIL import Image
from stand_in import TINY_CARD, stand_in_model

from instseg.cli import main
from instseg.commands.compare_unet import CompareUnetConfig, read_contest, run
from instseg.core.errors import InputError
from instseg.core.instances import Instances, Masks
from instseg.core.semantic import to_semantic
from instseg.data.coco import CocoData
from instseg.evaluation.coco_ap import evaluate
from instseg.evaluation.semantic import SemanticEvaluator, compare
from instseg.files.image import read_image
from instseg.files.results import coco_annotations
from instseg.models.segmenters import fresh_segmenter
from instseg.predict.predictor import Predictor
from instseg.predict.segmenter import Segmenter
from instseg.scenes.scene import SceneConfig, write_scenes

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 5
SHARED = ("BG", "cup", "dog")  # of cup, dog, lamp, moon and cat, dog, cup and lamp, dog, cup, tree
THRESHOLD = 0.3


def document():
    """Cups, dogs and crowds, a lamp that the U-Net alone knows, a moon that nobody knows."""
    found = sound(IMAGES)
    found["categories"] += [{"id": 9, "name": "lamp"}, {"id": 11, "name": "moon"}]
    for number, image in enumerate(found["images"]):
        left = 5 * number
        for category, top in ((9, 28), (11, 40)):
            square = [left, top, left + 10, top, left + 10, top + 8, left, top + 8]
            new = 1000 + 10 * image["id"] + category
            box = [left, top, 10, 8]
            found["annotations"].append(annotation(new, image["id"], category, [square], box, 80))
    return found


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A dataset, a Mask R-CNN that finds dozens of instances, and a U-Net, none of them trained."""
    folder = tmp_path_factory.mktemp("files")
    write_photos(folder, IMAGES)
    write_json(folder / "data.json", document())
    stand_in_model(TINY_CARD).save(folder / "mask_rcnn.safetensors")
    save_unet(folder / "unet.safetensors", ("BG", "lamp", "dog", "cup", "tree"))
    return folder


def save_unet(path, names):
    torch.manual_seed(1)
    ids = tuple(range(len(names)))
    fresh_segmenter("unet", names, ids, widths=[4, 8], norm=False).save(path)
    return path


def config(files, out, **options):
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
    return CompareUnetConfig(out=out, **(defaults | options))


@pytest.fixture(scope="module")
def compared(files, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("compared")
    assert run(config(files, out)) == 0
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
    """Both models' label maps, each made by the shortest way, against the same truth."""
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
    expected = compare(by_hand["unet"], by_hand["mask_rcnn"])
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
    assert run(config(files, tmp_path, **other)) == 0
    again = comparison(tmp_path)
    at_other = sweep["mIoU"]["smallest-on-top"][sweep["score_threshold"].index(0.2)]
    assert again["semantic"]["mask_rcnn"]["scores"]["mIoU"] == pytest.approx(at_other, abs=1e-12)
    assert again["semantic"]["unet"] == found["semantic"]["unet"]


def test_the_order_of_classes_can_be_given(compared, files, tmp_path):
    options = {"rule": "class-priority", "priority": "cup, cat", "pictures": 0}
    assert run(config(files, tmp_path, **options)) == 0
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
            assert found[kind][side]["scores"] == evaluate(truth, results, kind).scores


def test_it_says_what_it_compares_and_who_is_better(files, tmp_path, capsys):
    assert run(config(files, tmp_path)) == 0
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    for line, words, names in zip(
        lines,
        ("2 of the dataset, whose pixels are ignored", "1 of Mask R-CNN", "2 of the U-Net"),
        ("lamp, moon", "cat", "lamp, tree"),
        strict=True,
    ):
        assert f"not compared, as not all know them: {words}" in line
        assert line.endswith(f"({names})")
        assert f"({names})" in (tmp_path / "comparison.md").read_text()
    assert {"background", "cup", "dog"} == {
        line.split()[0] for line in printed.out.splitlines()[1:4]
    }
    answer, where, doubt = comparison(tmp_path)["verdict"]
    assert printed.out.splitlines()[-3:] == [answer, where, doubt]
    assert "3 of them are in fewer than 10 images" in doubt
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


def test_names_may_hold_anything(files, tmp_path, capsys):
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
    assert run(config(files, out, **options, unet=str(unet), weights=str(ours))) == 0
    assert comparison(out)["per_image"][0]["file_name"] == odd
    text = (out / "comparison.md").read_text()
    assert r"| d\|g \* |" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    columns = {line.replace(r"\|", "").count("|") for line in tables}
    assert columns == {4, 5, 7, 8}
    assert "d|g *" in capsys.readouterr().out


def test_as_a_user_runs_it_with_time_and_memory(files, tmp_path):
    given = config(files, tmp_path / "out")
    options = [f"--{key}={getattr(given, key)}" for key in ("images", "weights", "unet", "out")]
    options += [f"--coco-json={given.coco_json}", "--resamples=100", "--pictures=0"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "compare_unet.py"), *options, "--device=cpu"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "mIoU" in done.stdout.splitlines()[-3]
    for model in comparison(tmp_path / "out")["models"].values():
        seconds = model["seconds"]
        assert 0 < seconds["fastest"] <= seconds["median"] <= seconds["slowest"]
        assert 0 < model["memory_mb"] < 500
    assert "| memory, MB |" in (tmp_path / "out" / "comparison.md").read_text()


def test_drawn_scenes(files, tmp_path):
    unet = save_unet(tmp_path / "unet.safetensors", ("BG", "person", "cup", "car"))
    options = {"coco_json": None, "images": None, "scenes": 2, "pictures": 0}
    out = tmp_path / "out"
    assert run(config(files, out, **options, weights="demo", unet=str(unet))) == 0
    assert len(list((out / "scenes" / "images").iterdir())) == 2
    assert comparison(out)["settings"]["scenes"] == 2
    assert comparison(out)["semantic"]["mask_rcnn"]["scores"]["mIoU"] > 0.2


def test_scenes_are_none_that_networks_learn_from_or_are_chosen_on(files, tmp_path):
    unet = save_unet(tmp_path / "unet.safetensors", ("BG", "person", "cup", "car"))
    options = {"coco_json": None, "images": None, "scenes": 2, "pictures": 0, "seed": 0}
    assert run(config(files, tmp_path, **options, weights="demo", unet=str(unet))) == 0
    compared = {path.read_bytes() for path in (tmp_path / "scenes" / "images").iterdir()}
    for seed in (0, 1):  # of validation, and of training
        write_scenes(tmp_path / str(seed), 2, SceneConfig(seed=seed))
        others = (tmp_path / str(seed) / "images").iterdir()
        assert not compared & {path.read_bytes() for path in others}


def test_as_many_instances_of_both_count(files, tmp_path):
    """The best 100 of all classes, compared or not, as COCO has it."""
    contest, _ = read_contest(config(files, tmp_path))
    rng = np.random.default_rng(0)
    count = 240
    corners = rng.integers(0, 40, size=(count, 2))
    masks = Masks.from_crops([np.ones((2, 2), bool)] * count, [*map(tuple, corners)], (48, 48))
    found = Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=np.arange(count) % 4 + 1,
        scores=np.linspace(1, 0, count),
        masks=masks,
        class_names=contest.segmenter.class_names,  # lamp, dog, cup, tree
    )
    assert len(contest.records(found)) == contest.predictor.choice.max_detections / 2 == 50


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
    assert run(config(tmp_path, tmp_path / "out", **options)) == 0
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
        ({"coco_json": None}, "say what to compare on: --scenes, or --coco-json"),
        ({"scenes": 3}, "say what to compare on: --scenes, or --coco-json"),
        ({"images": None}, "--coco-json needs --images"),
        ({"unet": "demo"}, "demo holds compact, which finds instances; give a semantic model"),
        ({"scenes": -1, "coco_json": None}, "--scenes must lie between 0 and 1,000,000, not -1"),
        ({"score_threshold": 1.5}, "--score-threshold must lie between 0 and 1, not 1.5"),
        ({"resamples": 5}, "--resamples must lie between 100 and 100,000, not 5"),
        ({"pictures": -1}, "--pictures must lie between"),
        ({"priority": "dog,cow"}, "mask_rcnn.safetensors knows no class 'cow', but cat, dog"),
        ({"weights": "{files}/unet.safetensors"}, "which gives label maps, not instances"),
        ({"unet": "{files}/mask_rcnn.safetensors"}, "which finds instances"),
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
        run(config(files, tmp_path / "out", **filled))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_dataset_without_objects_of_the_compared_classes(files, tmp_path):
    data = document()
    data["annotations"] = [a for a in data["annotations"] if a["category_id"] > 7 or a["iscrowd"]]
    path = write_json(tmp_path / "data.json", data)
    with pytest.raises(InputError, match="has no object of the 2 classes that both models know"):
        run(config(files, tmp_path / "out", coco_json=path))


def test_objects_of_no_pixel(files, tmp_path):
    data = document()
    for each in data["annotations"]:
        x, y = each["bbox"][:2]
        each["segmentation"] = [[x, y, x + 0.01, y, x + 0.01, y + 0.01, x, y + 0.01]]
        each["iscrowd"] = 0
    path = write_json(tmp_path / "data.json", data)
    with pytest.raises(InputError, match="no object of the compared classes has a pixel"):
        run(config(files, tmp_path / "out", coco_json=path))


@pytest.mark.parametrize(("channels", "mean"), [(4, 0.5), (3, 20_000.0), (3, 0.01)])
def test_networks_for_arrays_are_no_rivals_on_photos(files, tmp_path, channels, mean):
    path = tmp_path / "unet.safetensors"
    prepare = {"mean": [mean] * channels, "std": [1.0] * channels, "min_size": None}
    options = {"widths": [4, 8], "preprocessing": prepare}
    fresh_segmenter("unet", ("BG", "cup"), (0, 1), **options).save(path)
    with pytest.raises(InputError, match="trained on arrays of other channels or values"):
        run(config(files, tmp_path / "out", unet=str(path)))


def test_a_folder_that_cannot_be_made(files, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    arguments = [f"--coco-json={files / 'data.json'}", f"--images={files}"]
    assert main(["compare-unet", *arguments, f"--out={tmp_path / 'file' / 'out'}"]) == 2
    printed = capsys.readouterr().err
    assert len(printed.splitlines()) == 1
    assert "cannot be made (Not a directory)" in printed
