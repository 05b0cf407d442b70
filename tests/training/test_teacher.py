"""`finetune` with unlabelled photos, as a Python user calls it."""

import csv
import json

import numpy as np
import pycocotools.mask
import pytest
import torch
from safetensors.numpy import load_file

import instseg
from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import Notice, PhotoFailed, StepDone
from instseg.scenes.scene import SceneConfig, write_scenes

STEPS = 10  # 2 of labelled photos, and twice 4


class KilledError(Exception):
    """What ends a run in the middle of it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four labelled scenes, and five without labels."""
    folder = tmp_path_factory.mktemp("scenes")
    config = SceneConfig(size_hw=(64, 64), classes=("cup", "clock"))
    write_scenes(folder / "labelled", 4, config)
    write_scenes(folder / "others", 5, config, start=4)
    return folder


def train(folder, weights, out, **options):
    usual = {
        "coco_json": folder / "labelled" / "annotations.json",
        "images": folder / "labelled" / "images",
        "unlabelled": folder / "others" / "images",
        "unlabelled_scores": "0.02,0.1",
        "init_classes": "cat=cup,dog=clock",
        "weights": weights,
        "batch_size": 2,
        "epochs": 3,
        "save_every": 3,
        "show_batch": True,
        "workers": 0,
        "device": "cpu",
        "precision": "fp32",
        "out": out,
    }
    return instseg.finetune(**{**usual, **options})


@pytest.fixture(scope="module")
def whole(folder, tiny_weights, tmp_path_factory):
    """A run without an interruption, and its events."""
    told = []
    out = tmp_path_factory.mktemp("whole")
    train(folder, tiny_weights, out, workers=1, on_event=told.append)
    return out, told


def test_each_epoch_tells_and_logs_its_pseudo_labels(whole, folder):
    out, told = whole
    texts = [each.text for each in told if isinstance(each, Notice) and "epoch" in each.text]
    assert [text.split(":")[0] for text in texts] == ["epoch 2", "epoch 3"]
    steps = [each.figures for each in told if isinstance(each, StepDone)]
    assert [each["pseudo_labels"] > 0 for each in steps] == [False] * 2 + [True] * 8
    assert texts[0].startswith(f"epoch 2: {steps[2]['pseudo_labels']:.0f} pseudo-label")
    assert texts[1].startswith(f"epoch 3: {steps[-1]['pseudo_labels']:.0f} pseudo-label")
    (row,) = csv.DictReader((out / "log.csv").open())
    assert float(row["pseudo_labels"]) > 0 and float(row["pseudo_ignored"]) >= 0


@pytest.mark.parametrize("step", [5, 8], ids=["within an epoch", "between two"])
def test_a_killed_run_goes_on_to_the_same_end(whole, folder, tiny_weights, tmp_path, step):
    """The checkpoint is of three steps before, or two; photos that come later change nothing."""

    def kill(event):
        if isinstance(event, StepDone) and event.step == step:
            raise KilledError

    with pytest.raises(KilledError):
        train(folder, tiny_weights, tmp_path, on_event=kill)
    added = folder / "others" / "images" / "added.jpg"
    added.write_bytes((folder / "others" / "images" / "000004.jpg").read_bytes())
    try:
        found = instseg.finetune(resume=tmp_path)
    finally:
        added.unlink()
    assert found.finished and found.steps == STEPS
    one, two = load_file(whole[0] / "best.safetensors"), load_file(found.best)
    assert all(np.array_equal(values, two[name]) for name, values in one.items())


def test_an_object_has_one_pseudo_label(folder, tiny_weights, tmp_path):
    """The surer one, where the network sees two classes."""

    def kill(event):
        if isinstance(event, StepDone) and event.step == 4:
            raise KilledError

    with pytest.raises(KilledError):
        train(folder, tiny_weights, tmp_path, on_event=kill)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    labels = [json.loads(text) for text in state["kept"]["unlabelled"]["found"].values()]
    assert labels and all(each["class_ids"] for each in labels)
    for each in labels:
        ious = pycocotools.mask.iou(each["masks"], each["masks"], [0] * len(each["masks"]))
        assert np.triu(ious, 1).max() <= 0.5


def test_photos_that_cannot_be_read_do_not_end_the_run(folder, tiny_weights, tmp_path):
    photos = [folder / "others" / "images" / f"{i:06d}.jpg" for i in range(4, 7)]
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(photos[0].read_bytes()[:700])
    told = []
    found = train(
        *(folder, tiny_weights, tmp_path / "out"),
        unlabelled=[cut, *photos[1:]],
        on_event=told.append,
        show_batch=False,
    )
    assert found.finished
    (failed,) = (each for each in told if isinstance(each, PhotoFailed))
    assert str(cut) in failed.text and "\n" not in failed.text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ema_decay": 0.0}, "needs --ema-decay above 0"),
        ({"epochs": 1}, "change --unlabelled-start or train longer"),
        ({"unlabelled_scores": "0.7,0.3"}, "--unlabelled-scores 0.7,0.3: expected two scores"),
        ({"unlabelled_start": 0}, "--unlabelled-start must be at least 1"),
        ({"coco_json": None, "images": None, "scenes": 8, "epochs": None}, "needs --coco-json"),
    ],
)
def test_what_does_not_go_together_is_one_line(folder, tiny_weights, tmp_path, options, words):
    with pytest.raises(ArgumentError) as caught:
        train(folder, tiny_weights, tmp_path, **options)
    assert words in caught.value.as_options()


def test_all_photos_broken_is_one_line(folder, tiny_weights, tmp_path):
    cut = tmp_path / "cut.jpg"
    cut.write_bytes((folder / "others" / "images" / "000004.jpg").read_bytes()[:700])
    with pytest.raises(InputError, match="as all unlabelled photos of this epoch"):
        train(folder, tiny_weights, tmp_path / "out", unlabelled=cut, show_batch=False)
