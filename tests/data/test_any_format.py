import json
import shutil

import pytest

from instseg import InputError, convert, evaluate
from instseg.data.any_format import FOR_MEASURING, read_dataset
from instseg.data.coco import CocoData
from instseg.scenes.scene import SceneConfig, write_scenes


@pytest.fixture(scope="module")
def yolo(tmp_path_factory):
    """Drawn scenes as YOLO polygons, two for training and two for validation."""
    folder = tmp_path_factory.mktemp("scenes")
    for split, start in (("train", 0), ("val", 2)):
        scenes = SceneConfig(size_hw=(64, 64))
        coco_json = write_scenes(folder / split, 2, scenes, start=start)
        coco_json.rename(folder / split / "_annotations.json")
        for photo in (folder / split / "images").iterdir():
            photo.rename(folder / split / photo.name)
    return convert(folder, folder / "yolo", to="yolo-seg", copy_photos=True).path


def test_each_split_is_a_dataset(yolo, tmp_path):
    told = []
    found = read_dataset(yolo, on_event=told.append)
    assert list(found.splits) == ["train", "val"]
    for folder in (None, tmp_path):
        data = found.coco("val", folder)
        assert len(data) == 2
        data.require_photos()
        image, truth = data.load(0)
        assert image.shape == (64, 64, 3)
        assert len(truth)
    assert found.first_of(FOR_MEASURING, told.append, "measures on") == "val"
    assert any("measures on the split val, 2 photos" in getattr(e, "text", "") for e in told)


def test_a_coco_file_is_read_too(yolo, tmp_path):
    done = convert(yolo, tmp_path / "out", to="coco")
    found = read_dataset(done.path / "val.json", yolo)
    assert list(found.splits) == ["val"]
    assert isinstance(found.coco("val", None), CocoData)


def test_photos_must_be_there(yolo, tmp_path):
    done = convert(yolo, tmp_path / "out", to="coco")
    with pytest.raises(InputError, match="photos are not found"):
        read_dataset(done.path)


def test_results_are_measured_on_labels_of_any_format(yolo, tmp_path):
    truth = read_dataset(yolo).coco("val", None).document()
    results = [{**each, "score": 0.9} for each in truth["annotations"]]
    assert pytest.approx(1) == evaluate(data=yolo, results=results, resamples=100).segm.AP
    found = evaluate(data=yolo, results=results, resamples=100, out=tmp_path / "out", plots=False)
    assert pytest.approx(1) == found.segm.AP
    assert (tmp_path / "out" / "data.json").is_file()
    with pytest.raises(InputError, match="say what to measure on"):
        evaluate("val.json", data=yolo, results=results)


def test_training_takes_the_splits(yolo, tmp_path):
    from instseg.training.any_data import with_data
    from instseg.training.finetune_options import FinetuneOptions
    from instseg.training.unet_options import TrainUnetOptions

    for kind in (FinetuneOptions, TrainUnetOptions):
        given = kind(data=yolo, out=tmp_path / kind.verb)
        given.check()
        options = with_data(given, lambda event: None)
        assert options.coco_json == tmp_path / kind.verb / "data_train.json"
        assert options.val_coco_json == tmp_path / kind.verb / "data_val.json"
        assert len(CocoData.read(options.val_coco_json, options.val_images)) == 2
        with pytest.raises(InputError, match="say what to train on"):
            kind(coco_json="train.json", images="photos", data=yolo).check()


def test_a_run_on_yolo_polygons(yolo, tmp_path):
    from instseg import finetune

    result = finetune(
        data=yolo,
        weights="none",
        architecture="compact",
        max_steps=1,
        batch_size=1,
        workers=0,
        device="cpu",
        out=tmp_path / "out",
    )
    assert result.steps == 1
    assert "AP" in result.metrics["segm"]


def test_the_doctor_takes_them(yolo, tmp_path, capsys):
    from instseg.cli import main

    copy = tmp_path / "yolo"
    shutil.copytree(yolo, copy)
    given = [f"--data={copy}", f"--out={tmp_path / 'out'}", "--no-contact-sheet"]
    assert main(["doctor", *given]) == 0
    out = capsys.readouterr().out
    assert "2 images" in out
    assert (tmp_path / "out" / "data_val.json").is_file()
    assert main(["doctor", *given, "--coco-json=train.json"]) == 2
    assert "say what to check" in capsys.readouterr().err


def test_a_comparison_takes_them(yolo):
    from instseg.comparison.compare import CompareOptions, _data

    data = _data(CompareOptions(data=yolo), yolo.parent)
    assert len(data) == 2
    with pytest.raises(InputError, match="say what to compare on"):
        CompareOptions(data=yolo, scenes=3)


@pytest.mark.parametrize("name", ["cvat", "labelme", "via"])
def test_what_a_person_has_seen_is_certain(yolo, tmp_path, name):
    document = read_dataset(yolo).splits["val"].document
    for each in document["annotations"]:
        each["score"] = 0.3  # which training would not take for objects
    (tmp_path / "found.json").write_text(json.dumps(document))
    convert(tmp_path / "found.json", tmp_path / name, to=name, images=yolo, copy_photos=True)
    told = []
    found = read_dataset(tmp_path / name, on_event=told.append)
    (labels,) = found.splits.values()
    assert len(labels.annotations) == len(document["annotations"])
    assert not any("score" in each for each in labels.annotations)
    assert any("with a score: certain, as seen in" in getattr(e, "text", "") for e in told)


@pytest.mark.parametrize("name", ["voc", "cityscapes", "instance-png", "label-map"])
def test_formats_of_png_files_are_taken(yolo, tmp_path, name):
    done = convert(yolo, tmp_path / name, to=name, copy_photos=True)
    found = read_dataset(done.path)
    assert list(found.splits) == ["train", "val"]
    data = found.coco("train", None)
    data.require_photos()
    assert len(data.load(0)[1])


def test_label_studio_exports_are_taken(yolo, tmp_path, capsys):
    from instseg.cli import main

    export = convert(yolo, tmp_path / "labelled", to="label-studio").path
    found = read_dataset(export, yolo)
    assert list(found.splits) == ["train", "val"]
    truth = found.coco("val", None).document()
    results = [{**each, "score": 0.9} for each in truth["annotations"]]
    measured = evaluate(data=export, images=yolo, results=results, resamples=100)
    assert pytest.approx(1) == measured.segm.AP
    given = [f"--data={export}", f"--images={yolo}", f"--out={tmp_path / 'out'}"]
    assert main(["doctor", *given, "--no-contact-sheet"]) == 0
    assert "2 images" in capsys.readouterr().out
