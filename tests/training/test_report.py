"""The report of a training run."""

import json
import shutil
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import instseg
from instseg.core.errors import InputError
from instseg.core.events import Warned, ignore
from instseg.report.components import Bars, Gallery, Lines, Numbers, Picture, Table
from instseg.scenes.scene import SceneConfig, write_scenes
from instseg.training import report as training_report
from instseg.training.options import FinetuneOptions, TrainUnetOptions
from instseg.training.report import POINTS, RunReport

SCENES, STEPS = 4, 4


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    return write_scenes(folder, SCENES, SceneConfig(size_hw=(64, 64)))


@pytest.fixture
def pages(monkeypatch):
    """The reports that a run writes, as pages."""
    written = []
    whole = RunReport.page

    def page(self):
        written.append(whole(self))
        return written[-1]

    monkeypatch.setattr(RunReport, "page", page)
    return written


def usual(scenes, out, **others):
    options = {
        "coco_json": scenes,
        "images": scenes.parent / "images",
        "val_coco_json": scenes,
        "batch_size": 2,
        "epochs": 2,
        "workers": 0,
        "device": "cpu",
        "precision": "fp32",
        "out": out,
    }
    return options | others


def parts(page, kind):
    return [each for section in page.sections for each in section.components if type(each) is kind]


def numbers_of(page):
    (numbers,) = parts(page, Numbers)
    return {each.label: each.value for each in numbers.numbers}
