"""A verb is a plain function: it prints nothing and leaves the process as it found it."""

import os
import random
import signal
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import scipy.optimize  # these set the environment and warnings filters as they are imported
import scipy.sparse
import torch
import torchvision

import instseg

IMPORTED = (scipy.optimize, scipy.sparse, torchvision)
QUICK = {"max_steps": 1, "batch_size": 2, "workers": 0}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    return instseg.make_scenes(out=tmp_path_factory.mktemp("scenes"), images=3, size=64)


def make_scenes(scenes, out):
    return instseg.make_scenes(out=out, images=1, size=64)


def examine(scenes, out):
    return instseg.examine(scenes.coco_json, scenes.images, report=out / "report.html")


def repair(scenes, out):
    return instseg.repair(scenes.coco_json, scenes.images, out=out / "repaired.json")


def split(scenes, out):
    return instseg.split(scenes.coco_json, out / "parts", val=0.3, test=0)


def merge(scenes, out):
    return instseg.merge([scenes.coco_json, scenes.coco_json], out / "both.json")


def convert(scenes, out):
    return instseg.convert(scenes.coco_json, out / "cvat", to="cvat")


def select(scenes, out):
    return instseg.select(scenes.images, weights="demo", count=1, out=out)


def predict(scenes, out):
    return instseg.Predictor("demo")(instseg.read_image(photo_of(scenes)))


def label(scenes, out):
    return instseg.Segmenter("unet-demo")(photo_of(scenes))


def draw(scenes, out):
    photo = instseg.read_image(photo_of(scenes))
    found = instseg.Predictor("demo")(photo)
    return instseg.write_image(out / "drawn.png", instseg.draw_instances(photo, found))


def evaluate(scenes, out):
    given = {"images": scenes.images, "weights": "demo", "resamples": 100}
    given |= {"report": True, "label_errors": True}
    return instseg.evaluate(scenes.coco_json, **given, out=out)


def compare(scenes, out):
    given = {"images": scenes.images, "resamples": 100, "pictures": 1, "speed": False}
    return instseg.compare(scenes.coco_json, **given, report=True, out=out)


def finetune(scenes, out):
    val = {"val_coco_json": scenes.coco_json, "val_images": scenes.images}
    given = {"weights": "demo", "show_batch": True, "out": out}
    return instseg.finetune(scenes.coco_json, scenes.images, **val, **given, **QUICK)


def train_unet(scenes, out):
    return instseg.train_unet(scenes.coco_json, scenes.images, size=32, out=out, **QUICK)


def export(scenes, out):
    return instseg.export("unet-demo", out=out / "unet.onnx")


VERBS = [
    make_scenes,
    examine,
    repair,
    split,
    merge,
    convert,
    select,
    predict,
    label,
    draw,
    evaluate,
    compare,
    finetune,
    train_unet,
    export,
]


def photo_of(scenes):
    return sorted(scenes.images.iterdir())[0]


def state_of_the_process():
    """All that a function of a library must not change for its caller."""
    kind, keys, *place = np.random.get_state()  # noqa: NPY002 - the state that must stay
    return {
        "signal handlers": [signal.getsignal(number) for number in SIGNALS],
        "environment": dict(os.environ),
        "working directory": Path.cwd(),
        "warnings filters": list(warnings.filters),
        "torch's random numbers": torch.random.get_rng_state().tolist(),
        "numpy's random numbers": (kind, keys.tolist(), place),
        "Python's random numbers": random.getstate(),
        "torch's threads": torch.get_num_threads(),
        "torch's gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "torch's default type": torch.get_default_dtype(),
        "torch's algorithms": (
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.allow_tf32,
            torch.get_float32_matmul_precision(),
            torch.multiprocessing.get_sharing_strategy(),
        ),
        "matplotlib's settings": dict(matplotlib.rcParams),
        "matplotlib's backend": matplotlib.get_backend(auto_select=False),
        "numpy's settings": (np.geterr(), np.get_printoptions()),
        "threads": threading.active_count(),
        "processes": torch.multiprocessing.active_children(),
    }


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_a_verb_prints_nothing_and_leaves_the_process_as_it_was(verb, scenes, tmp_path, capfd):
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    before = state_of_the_process()
    verb(scenes, tmp_path)
    after = state_of_the_process()
    assert [name for name in before if after[name] != before[name]] == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.__name__)
def test_a_verb_works_in_a_thread(verb, scenes, tmp_path, capfd):
    with ThreadPoolExecutor(1) as pool:
        pool.submit(verb, scenes, tmp_path).result()
    assert capfd.readouterr() == ("", "")
