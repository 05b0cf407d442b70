"""Exported semantic networks label pixels as the model does."""

import dataclasses

import numpy as np
import pytest
import torch

from instseg.engines.build import segmenter_graph
from instseg.engines.runtimes import run_onnx, run_openvino, to_openvino
from instseg.exporting.agreement import segmenter_agreement
from instseg.models.load import load_model
from instseg.models.segmenters import fresh_segmenter
from instseg.predict.segmenter import Segmenter
from instseg.scenes.scene import SceneConfig, draw_scene

NAMES, IDS = ("BG", "cat", "dog"), (0, 17, 18)
SIZES = ((96, 128), (131, 97), (1, 33))


def scenes():
    for i, (height, width) in enumerate(SIZES):
        scene = draw_scene(i, SceneConfig(size_hw=(160, 160))).image
        yield f"scene {i}", np.ascontiguousarray(scene[:height, :width])


def agreement_of(model, run):
    segmenter = Segmenter(model, device="cpu", precision="fp32")
    return segmenter_agreement(scenes(), segmenter.semantic_map, run)


def test_the_demo_unet_in_both_programs():
    model = load_model("unet-demo")
    graph = segmenter_graph(model)
    for run in (run_onnx(graph), run_openvino(to_openvino(graph, halves=False))):
        found = agreement_of(model, run)
        assert found.holds, found
        labels = run(draw_scene(1).image)["labels"]
        assert labels.shape == (320, 320)
        assert labels.dtype == np.uint8
        assert labels.max() > 0


@pytest.mark.parametrize(
    ("architecture", "changed"),
    [
        ("unet_small", {"mean": [0.4], "std": [0.2], "min_size": None, "max_size": None}),
        ("unet_small", {"min_size": 64, "max_size": 80}),
        ("unet_efficientnet_lite0", {}),
        ("deeplabv3_mobilenet_v3_large", {}),
    ],
)
def test_other_networks_grey_photos_and_resized_ones(architecture, changed):
    torch.manual_seed(0)
    imagenet = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    preprocessing = {"min_size": None, "max_size": None, **imagenet, **changed}
    model = fresh_segmenter(architecture, NAMES, IDS, preprocessing=preprocessing)
    found = agreement_of(model, run_onnx(segmenter_graph(model)))
    assert found.score < 1e-3
    assert found.labels < 1e-2  # random weights leave pixels undecided


def test_arrays_of_other_channels():
    torch.manual_seed(0)
    preprocessing = {"min_size": None, "max_size": None, "mean": [50.0] * 2, "std": [20.0] * 2}
    model = fresh_segmenter("unet_small", NAMES, IDS, preprocessing=preprocessing)
    card = dataclasses.replace(
        model.card, preprocessing={**model.card.preprocessing, "input": "arrays"}
    )
    model = dataclasses.replace(model, card=card)
    image = np.random.default_rng(0).normal(50, 20, (40, 56, 2)).astype(np.float32)
    found = run_onnx(segmenter_graph(model))(image)
    labels, scores = Segmenter(model, device="cpu", precision="fp32").semantic_map(image)
    assert (labels != found["labels"]).mean() < 1e-2
    assert np.abs(scores - found["scores"]).max() < 1e-3
