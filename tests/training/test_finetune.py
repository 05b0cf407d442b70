"""`instseg.finetune` as a Python user calls it."""

import csv
import json
import random
import re
import signal
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import instseg
from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import (
    ClassesMatched,
    EpochDone,
    Notice,
    Progress,
    StepDone,
    TrainingStarted,
    Warned,
)
from instseg.data.coco import CocoData
from instseg.models.mask_rcnn import load_detector
from instseg.scenes.scene import SceneConfig, write_scenes

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return write_scenes(folder, 4, SceneConfig(size_hw=(64, 64)))


@pytest.fixture
def train(scenes, tiny_weights, tmp_path):
    """Trains for a few small steps into `out`."""
    finetune = instseg.finetune

    def train(out="out", **options):
        data = (
            {} if "resume" in options else {"coco_json": scenes, "images": scenes.parent / "images"}
        )
        usual = {
            "weights": tiny_weights,
            "batch_size": 2,
            "epochs": 2,
            "workers": 0,
            "device": "cpu",
            "precision": "fp32",
            "out": tmp_path / out,
        }
        if "resume" in options:
            usual = {}
        return finetune(**{**data, **usual, **options})

    return train


def same_weights(one, two):
    first, second = load_file(one), load_file(two)
    return first.keys() == second.keys() and all(
        np.array_equal(values, second[name]) for name, values in first.items()
    )


def rows(path):
    return list(csv.DictReader(path.open()))


def test_events_come_in_order_and_the_result_is_what_lies_in_the_folder(train, scenes, tmp_path):
    told = []
    result = train(val_coco_json=str(scenes), on_event=told.append, show_batch=True)
    kinds = [type(event) for event in told if not isinstance(event, Progress)]
    assert kinds == [
        ClassesMatched,
        Notice,  # batches.png
        TrainingStarted,
        *(StepDone, StepDone, EpochDone),
        *(StepDone, StepDone, EpochDone),
    ]
    started = next(event for event in told if isinstance(event, TrainingStarted))
    assert (started.steps, started.first_step, started.epochs) == (4, 0, 2)
    assert started.images_per_step == 2
    steps = [event for event in told if isinstance(event, StepDone)]
    assert [(each.step, each.steps) for each in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert all({"loss", "loss_mask", "lr"} <= each.figures.keys() for each in steps)
    assert all(each.memory_bytes > 0 for each in steps)
    epochs = [event for event in told if isinstance(event, EpochDone)]
    assert [(each.epoch, each.step) for each in epochs] == [(1, 2), (2, 4)]
    assert epochs[0].is_best and epochs[0].pictures["worst"].dtype == np.uint8
    predicted = [each for each in told if isinstance(each, Progress) and each.task == "predicting"]
    assert (predicted[-1].done, predicted[-1].total) == (4, 4)

    out = tmp_path / "out"
    assert result.best == out / "best.safetensors"
    assert result.metrics == json.loads((out / "metrics.json").read_text())
    assert (result.steps, result.finished) == (4, True)
    assert [row["epoch"] for row in result.history] == [1, 2]
    logged = [{k: float(v) for k, v in row.items()} for row in rows(out / "epochs.csv")]
    assert list(result.history) == logged
    assert result.history[-1]["mask_AP"] == pytest.approx(epochs[-1].figures["mask_AP"], rel=1e-5)
    assert repr(result).startswith(f"FinetuneResult('{result.best}', 4 steps, box AP ")
    assert "<td>2</td>" in result._repr_html_()
    assert instseg.Predictor(result.best, device="cpu").class_names[0] == "BG"


def test_nothing_of_the_user_is_touched_and_training_works_twice(
    train, scenes, tiny_weights, tmp_path, capfd
):
    model = load_detector(tiny_weights)
    before = {name: values.clone() for name, values in model.network.state_dict().items()}
    learning = [weight.requires_grad for weight in model.network.parameters()]
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    torch.manual_seed(7)
    chance, python_chance = torch.get_rng_state(), random.getstate()
    data = CocoData.read(scenes, scenes.parent / "images")
    results = [
        train(out, coco_json=data, images=None, weights=model, max_steps=1) for out in ("1", "2")
    ]
    assert same_weights(*(result.best for result in results))
    assert results[0].metrics == {} and results[0].history == []
    after = model.network.state_dict()
    assert all(torch.equal(values, after[name]) for name, values in before.items())
    assert [weight.requires_grad for weight in model.network.parameters()] == learning
    assert not model.network.training
    assert torch.equal(torch.get_rng_state(), chance)
    assert random.getstate() == python_chance
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert capfd.readouterr() == ("", "")


def test_another_run_in_the_folder_keeps_the_earlier_weights(train, tmp_path):
    first, told = train(max_steps=1, seed=1).best.read_bytes(), []
    again = train(max_steps=1, seed=2, on_event=told.append)
    assert (tmp_path / "out" / "best_1.safetensors").read_bytes() == first
    assert again.best.read_bytes() != first
    words = f"{again.best}: that of the earlier run is now best_1.safetensors"
    assert words in [each.text for each in told if isinstance(each, Warned)]


def test_cancelling_from_another_thread_saves_and_the_run_goes_on_as_if_it_had_not_stopped(
    train, scenes, tiny_weights, tmp_path
):
    whole = train("whole", val_coco_json=scenes, weights=load_detector(tiny_weights))
    cancel, stepped, results = threading.Event(), threading.Event(), []

    def on_event(event):
        if isinstance(event, StepDone) and event.step == 2:
            stepped.set()
            cancel.wait()

    def run():
        options = {"weights": load_detector(tiny_weights), "on_event": on_event, "cancel": cancel}
        results.append(train("stopped", val_coco_json=scenes, **options))

    thread = threading.Thread(target=run)
    thread.start()
    assert stepped.wait(timeout=300)
    cancel.set()
    thread.join()
    (stopped,) = results
    assert not stopped.finished and "not finished" in repr(stopped)
    assert stopped.steps == 2
    assert (tmp_path / "stopped" / "checkpoint.pt").exists()
    with pytest.raises(
        ArgumentError, match="is of a run that was stopped; continue it with resume"
    ):
        train("stopped")
    told = []
    resumed = train(resume=str(tmp_path / "stopped"), on_event=told.append)
    assert resumed.finished and resumed.steps == 4
    assert f"continuing after step {stopped.steps}" in next(
        each.text for each in told if isinstance(each, Notice)
    )
    assert same_weights(whole.best, resumed.best)
    assert resumed.history == whole.history
    assert not (tmp_path / "stopped" / "checkpoint.pt").exists()
    assert not (tmp_path / "stopped" / "start.safetensors").exists()


def test_a_run_of_an_older_version_is_refused_in_one_line(tmp_path):
    old = {"command": "FinetuneConfig", "accumulate": 1, "ended": False}
    (tmp_path / "options.json").write_text(json.dumps(old))
    with pytest.raises(
        InputError, match=r"options\.json: is of a run of another version"
    ) as caught:
        instseg.finetune(resume=tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ArgumentError, match="resume uses the options of its run"):
        instseg.finetune(resume=tmp_path, seed=3)


def test_errors_of_a_dataset_are_warnings_and_a_repair_is_asked_for(train, scenes, tmp_path):
    document = json.loads(scenes.read_text())
    document["annotations"][0]["bbox"] = [1, 2, 0, -3]
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(document))
    told = []
    with pytest.raises(ArgumentError, match=" auto_repair trains on"):
        train(coco_json=broken, on_event=told.append)
    assert [type(each) for each in told] == [Warned]
    assert "box-degenerate" in told[0].text
    assert train(coco_json=broken, auto_repair=True, max_steps=1).finished
    assert (tmp_path / "out" / "sound_train.json").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "say what to train on: coco_json with images, data, or scenes"),
        ({"coco_json": "a.json"}, "coco_json needs images"),
        ({"scenes": 8, "weights": "none"}, "weights none needs architecture"),
        ({"scenes": 8, "init_classes": "cup"}, "init_classes cup: expected OLD=NEW"),
        ({"scenes": 8, "epochs": 0}, "epochs=0 must be at least 1"),
        ({"scenes": 8, "patience": 3}, "schedule plateau and patience need val_coco_json"),
        ({"scenes": 8, "min_size": 8}, "min_size=8 must be at least 64"),
    ],
)
def test_errors_name_the_argument(tmp_path, options, words):
    with pytest.raises(ArgumentError) as caught:
        instseg.finetune(**options, out=tmp_path / "out")
    assert str(caught.value).startswith(words)
    assert not (tmp_path / "out").exists()


def test_the_example_for_mlflow_logs_every_step_and_epoch(monkeypatch, scenes, train):
    logged = []
    stand_in = types.ModuleType("mlflow")
    stand_in.log_metrics = lambda figures, step: logged.append((dict(figures), step))
    monkeypatch.setitem(sys.modules, "mlflow", stand_in)
    text = (DOCS / "api" / "events.md").read_text()
    (example,) = (
        code for code in re.findall(r"```python\n(.*?)```", text, re.S) if "mlflow" in code
    )
    assert example.count("\n") <= 12
    monkeypatch.setattr(
        instseg,
        "finetune",
        lambda *_, on_event: train(val_coco_json=scenes, on_event=on_event),
        raising=False,
    )
    exec(example, {})
    assert [step for _, step in logged] == [1, 2, 2, 3, 4, 4]
    assert "loss" in logged[0][0] and "val_mask_AP" not in logged[0][0]
    assert "mask_AP" in logged[2][0]


def change(document, kind):
    """A dataset with masks as one without, or as one on which not everything is annotated."""
    for each in document["annotations"]:
        if kind != "lvis":
            del each["segmentation"]
        if kind == "points":
            each["point_coords"] = [[each["bbox"][0] + 2, each["bbox"][1] + 2]]
            each["point_labels"] = [1]
        if kind == "scores":
            each["score"] = 0.2 + 0.6 * (each["id"] % 2)
    first = document["categories"][0]
    for image in document["images"]:
        if kind == "lvis":
            image |= {"neg_category_ids": [first["id"]], "not_exhaustive_category_ids": []}
        elif kind not in ("boxes", "points"):
            image["labelled"] = [first["name"]]


@pytest.mark.parametrize(
    ("kind", "use"),
    [(kind, "auto") for kind in ("boxes", "labelled", "lvis", "scores", "points")]
    + [("boxes", "off")],
)
def test_boxes_points_and_partly_labelled_photos_are_learnt_from(
    kind, use, train, scenes, tmp_path
):
    document, told = json.loads(scenes.read_text()), []
    change(document, kind)
    path = tmp_path / "data.json"
    path.write_text(json.dumps(document))
    result = train(
        coco_json=path, epochs=None, max_steps=2, box_supervision=use, on_event=told.append
    )
    texts = [each.text for each in told if isinstance(each, Notice)]
    bare = kind not in ("lvis", "points")
    words = {"auto": "masks by their boxes;", "off": "boxes only"}[use]
    assert any(f"have no mask; they train {words}" in text for text in texts) == bare
    losses = [each.figures["loss_mask"] for each in told if isinstance(each, StepDone)]
    without = bare and use == "off"
    assert len(losses) == 2 and all((loss == 0) == without for loss in losses)
    shared = instseg.load_model(result.best).card.architecture_args.get("class_agnostic_mask")
    assert bool(shared) == without


def test_scenes_have_no_boxes_alone():
    with pytest.raises(InputError, match=r"box_supervision on needs coco_json"):
        instseg.finetune(scenes=10, box_supervision="on")
