"""What `instseg finetune` and `instseg train-unet` refuse to train on, and what they read."""

import json

import pytest
from coco_documents import sound, write_json, write_photos

from instseg.cli import main


def nothing(document):
    document["annotations"] = []


def no_classes(document):
    document["annotations"] = document["categories"] = []


def crowds(document):
    for each in document["annotations"]:
        each["iscrowd"] = 1
    document["annotations"][0]["iscrowd"] = "1"


@pytest.mark.parametrize("change", [nothing, no_classes, crowds])
@pytest.mark.parametrize("verb", ["finetune", "train-unet"])
def test_training_on_nothing_is_refused(tmp_path, capsys, verb, change):
    document = sound()
    change(document)
    path, photos = write_json(tmp_path / "a.json", document), write_photos(tmp_path / "photos")
    out = tmp_path / "out"
    options = ["--coco-json", path, "--images", photos, "--out", out, "--max-steps", "1"]
    if verb == "finetune":
        options += ["--weights", "demo"]
    assert main([verb, *map(str, options)]) == 2
    said = capsys.readouterr().err
    assert str(path) in said and ("no " in said or "crowd" in said)
    assert not list(out.glob("*.safetensors"))


def test_ids_and_sizes_of_another_tool_are_trained_on(tmp_path, capsys):
    document = sound()
    for image in document["images"]:
        image["id"] = float(image["id"])
        del image["width"], image["height"]
    for each in document["annotations"]:
        each["segmentation"] = json.dumps(each["segmentation"])
    path, photos = write_json(tmp_path / "a.json", document), write_photos(tmp_path / "photos")
    options = ["--coco-json", path, "--images", photos, "--out", tmp_path / "out"]
    options += ["--max-steps", "1", "--batch-size", "2", "--size", "64", "--workers", "0"]
    options += ["--val-share", "0"]
    code = main(["train-unet", *map(str, options)])
    assert code == 0, capsys.readouterr().err
    assert "dog" in capsys.readouterr().out
