"""What the folder of a run keeps."""

import json
from pathlib import Path

import pytest

from instseg.core.errors import ArgumentError, InputError
from instseg.data.coco import CocoData
from instseg.models.mask_rcnn import load_detector
from instseg.scenes.scene import SceneConfig, write_scenes
from instseg.training.finetune_options import FinetuneOptions
from instseg.training.resume import (
    drop_resume_files,
    kept_options,
    provenance_of,
    read_options,
    refuse_stopped_run,
    write_options,
)


def write(folder, options, *, ended=False):
    given = options.given()
    write_options(folder, "finetune", kept_options(folder, given), ended=ended)
    return given.keys()


def test_options_come_back_with_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = write(Path("run"), FinetuneOptions("train.json", Path("photos"), seed=5, out="run"))
    found = read_options(tmp_path / "run", "finetune", names)
    assert found["coco_json"] == str(tmp_path / "train.json")
    assert found["images"] == str(tmp_path / "photos")
    assert found["out"] == str(tmp_path / "run")
    assert (found["weights"], found["seed"], found["resume"]) == ("coco-v2", 5, None)
    assert FinetuneOptions(**found).seed == 5


def test_objects_become_files_that_go_away_in_the_end(tmp_path, tiny_weights):
    path = write_scenes(tmp_path / "data", 2, SceneConfig(size_hw=(64, 64)))
    data = CocoData.read(path, tmp_path / "data" / "images")
    options = FinetuneOptions(data, weights=load_detector(tiny_weights))
    found = read_options(tmp_path, "finetune", write(tmp_path, options))
    again = CocoData.read(Path(found["coco_json"]), Path(found["images"]))
    assert again.document() == data.document()
    assert load_detector(found["weights"]).card.class_names == ("BG", "cat", "dog")
    told = provenance_of(options.given())
    assert (told["coco_json"], told["weights"]) == ("annotations.json", "a compact in memory")
    assert json.dumps(told)
    assert provenance_of({"weights": str(tiny_weights)}) == {"weights": tiny_weights.name}
    drop_resume_files(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["data", "options.json"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"command": "train_unet"}, "is of a run of another command"),
        ({"command": "FinetuneConfig"}, "is of a run of another version of instseg"),
        ({"accumulate": 1}, "is of a run of another version of instseg"),
        ({"ended": True}, "the run has ended, with this model file"),
    ],
)
def test_a_run_that_cannot_go_on_is_one_line(tmp_path, change, words):
    names = write(tmp_path, FinetuneOptions(scenes=8))
    path = tmp_path / "options.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=words) as caught:
        read_options(tmp_path, "finetune", names)
    assert "\n" not in str(caught.value)


def test_a_dataset_with_other_classes_ends_the_run(tmp_path):
    path = write_scenes(tmp_path / "data", 2, SceneConfig(size_hw=(64, 64)))
    names = write(tmp_path, FinetuneOptions(path, tmp_path / "data" / "images"))
    assert read_options(tmp_path, "finetune", names)
    document = json.loads(path.read_text())
    first, second = document["categories"][:2]
    first["name"], second["name"] = second["name"], first["name"]
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="has other classes, or other ids of them, than when"):
        read_options(tmp_path, "finetune", names)
    options = json.loads((tmp_path / "options.json").read_text())
    del options["categories"]  # of an older version
    (tmp_path / "options.json").write_text(json.dumps(options))
    assert read_options(tmp_path, "finetune", names)


def test_a_stopped_run_is_not_begun_anew(tmp_path):
    refuse_stopped_run(tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    with pytest.raises(ArgumentError) as caught:
        refuse_stopped_run(tmp_path)
    assert (
        f"continue it with --resume {tmp_path}, choose another --out" in caught.value.as_options()
    )
