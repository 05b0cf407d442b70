"""`instseg.train_unet` as a Python user calls it."""

import json
import shutil
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

import instseg
from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import (
    ClassesCounted,
    EpochDone,
    Notice,
    Progress,
    StepDone,
    TrainingStarted,
)
from instseg.models.segmenters import fresh_segmenter, load_segmenter


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """Six images of noise with a bright half, which is class 1."""
    folder = tmp_path_factory.mktemp("arrays")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (6, 32, 32)).astype(np.uint8)
    images[:, :, 16:] += 150
    masks = np.zeros((6, 32, 32), dtype=np.uint8)
    masks[:, :, 16:] = 1
    np.save(folder / "images.npy", images)
    np.save(folder / "masks.npy", masks)
    return {"images": folder / "images.npy", "masks": str(folder / "masks.npy")}


def train(arrays, out, **options):
    usual = {"epochs": 2, "batch_size": 2, "workers": 0, "device": "cpu", "precision": "fp32"}
    data = {**arrays, "val_images": arrays["images"], "val_masks": arrays["masks"]}
    return instseg.train_unet(**{**data, **usual, "out": out, **options})


@pytest.fixture(scope="module")
def stopped(arrays, tmp_path_factory):
    """A run that was cancelled after four of its six steps."""
    cancel, out = threading.Event(), tmp_path_factory.mktemp("stopped")

    def cancel_at_four(event):
        if isinstance(event, StepDone) and event.step == 4:
            cancel.set()

    assert not train(arrays, out, on_event=cancel_at_four, cancel=cancel).finished
    return out


def test_events_come_in_order_and_the_result_is_what_lies_in_the_folder(arrays, tmp_path, capfd):
    told = []
    torch.manual_seed(7)
    chance = torch.get_rng_state()
    result = train(arrays, tmp_path, on_event=told.append)
    assert torch.equal(torch.get_rng_state(), chance)
    assert capfd.readouterr() == ("", "")
    kinds = [type(event) for event in told if not isinstance(event, Progress)]
    epoch = [StepDone, StepDone, StepDone, EpochDone]
    assert kinds == [ClassesCounted, TrainingStarted, *epoch, *epoch]
    assert (
        told[[type(each) for each in told].index(ClassesCounted)].pixels["training"] == [3072] * 2
    )
    assert "mIoU" in next(event for event in told if isinstance(event, StepDone)).figures
    assert {each.task for each in told if isinstance(each, Progress)} == {
        *("reading training images", "reading validation images", "measuring")
    }
    assert result.metrics == json.loads((tmp_path / "metrics.json").read_text())
    assert [row["step"] for row in result.history] == [3, 6]
    assert (result.steps, result.finished) == (6, True)
    assert repr(result).startswith("TrainUnetResult(") and "mIoU" in repr(result)
    assert instseg.Segmenter(result.best, device="cpu")(np.load(arrays["images"])[0]).max() <= 1


def test_a_model_is_left_as_it_is_and_a_cancelled_run_goes_on(arrays, tmp_path):
    model = fresh_segmenter(
        "unet",
        ("BG", "class 1"),
        (0, 1),
        preprocessing={"min_size": None, "max_size": None, "mean": [0.4], "std": [0.3]},
        widths=(4, 8),
    )
    before = {name: values.clone() for name, values in model.network.state_dict().items()}
    whole = train(arrays, tmp_path / "whole", weights=model)
    cancel = threading.Event()

    def cancel_at_four(event):
        if isinstance(event, StepDone) and event.step == 4:
            cancel.set()

    out = tmp_path / "stopped"
    stopped = train(arrays, out, weights=model, on_event=cancel_at_four, cancel=cancel)
    assert (stopped.steps, stopped.finished) == (4, False)
    resumed = instseg.train_unet(resume=out)
    assert resumed.finished and resumed.history == whole.history
    one, two = load_file(whole.best), load_file(resumed.best)
    assert all(np.array_equal(values, two[name]) for name, values in one.items())
    assert load_segmenter(whole.best).card.architecture == "unet"
    after = model.network.state_dict()
    assert all(torch.equal(values, after[name]) for name, values in before.items())


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("options.json", lambda b: b.replace(b'"epochs": 2', b'"epochs": "2"'), "is damaged"),
        ("options.json", lambda b: b.replace(b'"loss": "', b'"loss": ["x"], "x": "'), "version"),
        ("options.json", lambda b: b.replace(b'"values": ""', b'"values": []'), "is damaged"),
        ("log.csv", lambda b: b.replace(b"\n4,", b"\n\xff,"), "is damaged; remove it"),
        ("log.csv", lambda b: b.replace(b"\n4,", b"\nfour,"), "is damaged; remove it"),
        ("checkpoint.pt", lambda b: b.replace(b"network", b"netwerk"), "checkpoint"),
        ("checkpoint.pt", lambda b: b[:1000], "is not a complete checkpoint"),
    ],
)
def test_a_damaged_file_of_a_stopped_run_is_named(stopped, tmp_path, name, damage, words):
    shutil.copytree(stopped, tmp_path / "run")
    path = tmp_path / "run" / name
    content = damage(path.read_bytes())
    assert content != path.read_bytes()
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        instseg.train_unet(resume=tmp_path / "run")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "say what to train on: coco_json or masks, either with images, data, or scenes"),
        ({"masks": "m"}, "masks needs images"),
        ({"scenes": 8, "val_share": 1}, "val_share=1 must be at least 0 and below 1"),
        ({"scenes": 8, "clip_grad_norm": 0}, "clip_grad_norm=0 must be above 0"),
        ({"scenes": 8, "skips": False, "architecture": "fcn_resnet50"}, "skips=False is for"),
    ],
)
def test_errors_name_the_argument(tmp_path, options, words):
    with pytest.raises(ArgumentError) as caught:
        instseg.train_unet(**options, out=tmp_path / "out")
    assert str(caught.value).startswith(words)
    assert not (tmp_path / "out").exists()


def test_masks_of_another_name_are_paired_and_ignored_pixels_are_told(tmp_path):
    for folder, name in (("images", "brain_{}"), ("masks", "outline of {} by hand")):
        (tmp_path / folder).mkdir()
        for number in range(3):
            values = np.zeros((32, 32), dtype=np.uint8)
            values[8:16, 8 * number : 8 * number + 8] = 1
            values[16:] = 255 if folder == "masks" else 7
            stem = name.format(f"x{number}" if folder == "images" else f"brain_x{number}")
            Image.fromarray(values).save(tmp_path / folder / f"{stem}.png")
    events = []
    result = instseg.train_unet(
        images=tmp_path / "images",
        masks=tmp_path / "masks",
        mask_name="outline of {} by hand.png",
        values="0=BG,1=tumour",
        val_share=0,
        max_steps=1,
        out=tmp_path / "out",
        device="cpu",
        on_event=events.append,
    )
    assert result.finished
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert "50% of the pixels of the training images are ignored" in notices


def test_a_mask_name_is_for_masks():
    with pytest.raises(ArgumentError, match="mask_name is for masks"):
        instseg.train_unet(scenes=4, mask_name="{}.png")
