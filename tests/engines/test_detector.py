"""Exported Mask R-CNNs find what the model finds, in photos of any size."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from stand_in import TINY_CARD, stand_in_model

from instseg.engines.build import DetectorLimits, detector_graph, metadata
from instseg.engines.graph import store_halves, with_thresholds
from instseg.engines.runtimes import (
    run_onnx,
    run_openvino,
    to_openvino,
    write_onnx,
    write_openvino,
)
from instseg.exporting.agreement import Reference, as_detections, detector_agreement
from instseg.models.load import load_model
from instseg.models.mask_rcnn import coco_card
from instseg.scenes.scene import SceneConfig, draw_scene

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "run_exported.py"
SIZES = ((320, 320), (480, 640), (640, 427), (250, 801))


def limits_of(model, threshold=0.3, most=100):
    thresholds = torch.full((len(model.card.class_names),), threshold)
    return DetectorLimits(score_thresholds=thresholds, max_detections=most)


def scenes(sizes=SIZES):
    for i, size in enumerate(sizes):
        yield f"scene {i}", draw_scene(i, SceneConfig(size_hw=size)).image


@pytest.fixture
def demo(demo_graph):
    return demo_graph


def test_photos_of_any_size_have_the_same_detections(demo):
    model, limits, graph = demo
    large = np.tile(draw_scene(5, SceneConfig(size_hw=(480, 640))).image, (6, 6, 1))  # 11 MP
    found = detector_agreement(
        [*scenes(), ("large", large)], Reference(model, limits), run_onnx(graph)
    )
    assert found.holds, found
    assert found.detections > 20
    assert found.mask < 1e-3


def test_bf16_in_openvino_pools_from_the_same_places(demo):
    """Coordinates rounded to bf16 would be wrong by a pixel, and with them boxes and masks."""
    import openvino

    _, _, graph = demo
    model = to_openvino(with_thresholds(graph, 0.5), halves=False)
    images = [image for _, image in scenes(SIZES[:2])]
    found = {}
    for hint in ("f32", "bf16"):
        options = {"INFERENCE_PRECISION_HINT": hint}
        run = openvino.compile_model(model, "CPU", options)
        found[hint] = [run({"image": image}).to_dict().values() for image in images]
    for exact, rounded in zip(found["f32"], found["bf16"], strict=True):
        boxes, _, _, masks = exact
        boxes_bf16, _, _, masks_bf16 = rounded
        assert len(boxes) == len(boxes_bf16) > 3
        nearest = np.abs(boxes[:, None] - boxes_bf16).max(-1).argmin(1)
        assert np.abs(boxes - boxes_bf16[nearest]).mean() < 0.2
        assert np.abs(masks - masks_bf16[nearest]).mean() < 0.005


def test_a_photo_without_objects_has_no_detections(demo):
    _, _, graph = demo
    found = run_onnx(graph)(np.zeros((200, 300, 3), np.uint8))
    assert found["boxes"].shape == (0, 4)
    assert found["masks"].shape == (0, 28, 28)
    assert found["labels"].dtype == np.int64


def test_sides_that_torchvision_resizes_to_one_pixel_less_are_too(demo):
    model, limits, graph = demo
    (found,) = (
        detector_agreement([each], Reference(model, limits), run_onnx(graph))
        for each in scenes([(154, 200)])
    )
    assert found.holds, found


def test_openvino_finds_the_same(demo):
    model, limits, graph = demo
    run = run_openvino(to_openvino(graph, halves=False))
    sizes = (*SIZES[:2], (1200, 1600))
    found = detector_agreement(scenes(sizes), Reference(model, limits), run)
    assert found.holds, found
    assert run(np.zeros((200, 300, 3), np.uint8))["boxes"].shape == (0, 4)


def test_fp16_halves_the_file_and_moves_boxes_little(demo, tmp_path):
    model, limits, graph = demo
    halved = onnx.ModelProto()
    halved.CopyFrom(graph)
    store_halves(halved)
    assert halved.ByteSize() < 0.55 * graph.ByteSize()
    found = detector_agreement(scenes(SIZES[:2]), Reference(model, limits), run_onnx(halved))
    assert found.box_px < 1


def test_thresholds_can_be_changed_in_the_graph(demo):
    model, limits, graph = demo
    image = draw_scene(0).image
    low = as_detections(run_onnx(with_thresholds(graph, 0.05))(image))
    expected = Reference(model, limits)(image, 0.05)
    assert len(low.boxes) == len(expected.boxes)
    assert low.scores.min() < 0.3


def test_an_onnx_file_tells_about_itself(demo, tmp_path):
    model, limits, graph = demo
    path = tmp_path / "demo.onnx"
    write_onnx(graph, metadata(model, "fp32", limits), path)
    loaded = onnx.load(path)
    onnx.checker.check_model(loaded)
    texts = {each.key: each.value for each in loaded.metadata_props}
    assert json.loads(texts["class_names"]) == list(model.card.class_names)
    assert json.loads(texts["score_thresholds"])["car"] == 0.3
    assert texts["architecture"] == "compact"
    assert [each.name for each in loaded.graph.input] == ["image"]
    assert [each.name for each in loaded.graph.output] == ["boxes", "labels", "scores", "masks"]


def test_the_script_of_the_docs_runs_it_with_onnxruntime_alone(demo, tmp_path):
    model, limits, graph = demo
    write_onnx(graph, metadata(model, "fp32", limits), tmp_path / "demo.onnx")
    scene = draw_scene(3)
    Image.fromarray(scene.image).save(tmp_path / "photo.png")
    forbidden = "import sys; sys.modules.update(torch=None, instseg=None, torchvision=None)\n"
    script = tmp_path / "script.py"
    script.write_text(forbidden + SCRIPT.read_text(encoding="utf-8"))
    done = subprocess.run(
        [sys.executable, script, tmp_path / "demo.onnx", tmp_path / "photo.png"],
        capture_output=True,
        text=True,
        check=True,
    )
    expected = Reference(model, limits)(scene.image)
    names = [model.card.class_names[i] for i in expected.class_ids.tolist()]
    shown = [line.partition(", box")[0].rpartition(" ")[0] for line in done.stdout.splitlines()]
    assert shown == names


def test_an_openvino_pair_tells_about_itself(demo, tmp_path):
    import openvino

    model, limits, graph = demo
    path = tmp_path / "demo.xml"
    converted = to_openvino(graph, halves=True)
    write_openvino(converted, metadata(model, "fp16", limits), path)
    loaded = openvino.Core().read_model(path)
    assert loaded.get_rt_info(["instseg", "architecture"]).astype(str) == "compact"
    assert path.with_suffix(".bin").stat().st_size < 0.55 * graph.ByteSize()
    assert len(run_openvino(loaded)(draw_scene(3).image)["boxes"]) > 3


SMALL = {"min_size": 128, "max_size": 192}  # quick; the graph is the same


@pytest.mark.parametrize("architecture", ["resnet50_fpn", "resnet50_fpn_v2"])
def test_torchvisions_networks(architecture):
    card = coco_card(architecture)
    card = dataclasses.replace(card, preprocessing={**card.preprocessing, **SMALL})
    model = stand_in_model(card)
    limits = limits_of(model, 0.1)
    run = run_onnx(detector_graph(model, limits))
    found = detector_agreement(scenes(SIZES[:3]), Reference(model, limits), run)
    assert not found.unequal, found
    assert found.detections > 10
    assert found.box_px < 0.01  # random weights magnify rounding


def test_context_features_and_one_regression_for_all_classes():
    model = load_model("photos")
    limits = limits_of(model, 0.1)
    run = run_onnx(detector_graph(model, limits))
    found = detector_agreement(scenes(), Reference(model, limits), run)
    assert found.holds, found
    assert found.detections > 5


def test_masks_that_all_classes_share():
    arguments = {**TINY_CARD.architecture_args, "class_agnostic_mask": True}
    model = stand_in_model(dataclasses.replace(TINY_CARD, architecture_args=arguments))
    limits = limits_of(model)
    run = run_onnx(detector_graph(model, limits))
    found = detector_agreement(scenes(SIZES[:3]), Reference(model, limits), run)
    assert not found.unequal, found
    assert found.detections
    assert found.mask < 1e-3
