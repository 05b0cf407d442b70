"""Other engines than torch find the same."""

import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from comparison_files import write_files
from stand_in import TINY_CARD, stand_in_model

from instseg.comparison.compare import compare
from instseg.core.errors import InputError
from instseg.core.events import Notice
from instseg.evaluation.evaluate import evaluate
from instseg.predict.predictor import Predictor
from instseg.predict.segmenter import Segmenter
from instseg.scenes.scene import SceneConfig, draw_scene, write_scenes

IMAGE = draw_scene(1).image
SIZES = ((320, 320), (200, 330), (2, 700))
SUFFIX = {"onnxruntime": ".onnx", "openvino": ".xml"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("engines") / "tiny.safetensors"
    stand_in_model(TINY_CARD).save(path)
    return path


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def converted(request, weights):
    """The engine, and its file for the weights."""
    events = []
    Predictor(weights, engine=request.param, precision="fp32", on_event=events.append)
    (notice,) = (each for each in events if isinstance(each, Notice))
    (path,) = weights.parent.glob(f"tiny.*{SUFFIX[request.param]}")
    assert str(path) in notice.text
    return request.param, path


def assert_same(one, other):
    assert one.size_hw == other.size_hw
    np.testing.assert_array_equal(one.class_ids, other.class_ids)
    np.testing.assert_allclose(one.boxes, other.boxes, atol=0.01)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
    assert (one.masks.dense() != other.masks.dense()).sum(axis=(1, 2)).max(initial=0) <= 3


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"score_threshold": 0.01},
        {"score_threshold": 0.05, "max_detections": 7},
        {"score_threshold": 0.05, "classes": ["dog"], "max_detections": 150},
        {"flip": True, "score_threshold": 0.1},
        {"tile": 128},
    ],
)
def test_options_do_what_they_do_in_torch(converted, weights, options):
    engine, path = converted
    expected = Predictor(weights, precision="fp32", device="cpu", **options)
    found = Predictor(path, precision="fp32", **options)
    assert found.engine == engine
    assert found.class_names == expected.class_names
    assert found.category_ids == expected.category_ids
    for image in [draw_scene(i, SceneConfig(size_hw=size)).image for i, size in enumerate(SIZES)]:
        assert_same(found(image), expected(image))
    assert len(expected(IMAGE)) > 3


def test_two_photos_at_once_find_what_each_finds_alone(converted):
    _, path = converted
    images = [draw_scene(seed, SceneConfig(size_hw=(96, 128))).image for seed in range(6)]
    predictor = Predictor(path, precision="fp32", score_threshold=0.05)
    expected = [predictor(image) for image in images]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert predictor.workers(len(images)).count == 2
        found = list(predictor.stream(images))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(found, expected, strict=True):
        assert_same(one, other)


def test_a_conversion_is_made_once(converted, weights):
    engine, path = converted
    before, events = path.stat().st_mtime_ns, []
    again = Predictor(weights, engine=engine, precision="fp32", on_event=events.append)
    assert not events
    assert path.stat().st_mtime_ns == before
    assert_same(again(IMAGE), Predictor(weights, precision="fp32")(IMAGE))


def test_it_goes_to_other_processes(converted):
    _, path = converted
    predictor = Predictor(path, precision="fp32")
    expected = predictor(IMAGE)
    assert_same(pickle.loads(pickle.dumps(predictor))(IMAGE), expected)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert_same(pool.apply(predictor, (IMAGE,)), expected)


def test_evaluate_takes_an_exported_file(converted, weights, tmp_path):
    _, path = converted
    coco_json = write_scenes(tmp_path, 3, SceneConfig(size_hw=(160, 160)))
    options = {"precision": "fp32", "plots": False, "resamples": 100}
    (tmp_path / "names.json").write_text(
        Path(coco_json).read_text(encoding="utf-8").replace('"person"', '"cat"')
    )
    data = tmp_path / "names.json", tmp_path / "images"
    found, expected = (evaluate(*data, weights=each, **options) for each in (path, weights))
    assert abs(found.bbox.AP - expected.bbox.AP) < 1e-6
    with pytest.raises(InputError, match="cannot change an exported file"):
        evaluate(*data, weights=path, save_thresholds=True, out=tmp_path / "out")


def test_compare_takes_exported_files(weights, tmp_path):
    engine, files = "onnxruntime", write_files(tmp_path)
    options = {
        "coco_json": files / "data.json",
        "images": files,
        "unet": files / "unet.safetensors",
        "precision": "fp32",
        "resamples": 100,
        "speed": False,
    }
    expected = compare(**options, weights=weights).to_dict()
    found = compare(**options, weights=weights, engine=engine).to_dict()
    (unet,) = files.glob("unet.*.onnx")
    (ours,) = weights.parent.glob("tiny.*.onnx")
    exported = compare(**options | {"unet": unet, "weights": ours}).to_dict()
    assert exported["semantic"] == found["semantic"]
    for side in ("unet", "mask_rcnn"):
        models = [each["models"][side] for each in (expected, found, exported)]
        assert [each["engine"] for each in models] == ["torch", engine, engine]
        assert models[0]["parameters"] == models[1]["parameters"] > 0
        assert models[2]["parameters"] is None
        scores = [each["semantic"][side]["scores"]["mIoU"] for each in (found, expected)]
        assert scores[0] == pytest.approx(scores[1], abs=0.01)


def test_what_a_file_cannot_do_is_said_in_one_line(converted, weights, tmp_path):
    engine, path = converted
    for options, words in (
        ({"engine": "torch"}, "torch cannot run"),
        ({"preset": "fast"}, "fixed input size"),
        ({"precision": "int8"}, "--int8 --calibrate"),
        ({"device": "cuda"}, "runs on the processor"),
        ({"architecture": "resnet50_fpn"}, "holds compact"),
        ({"engine": "fast"}, "unknown"),
    ):
        with pytest.raises(InputError, match=words) as raised:
            Predictor(path, **options)
        assert "\n" not in str(raised.value)
    if engine == "openvino":
        with pytest.raises(InputError, match="file of OpenVINO"):
            Predictor(path, engine="onnxruntime")
    with pytest.raises(InputError, match="predicts instances"):
        Segmenter(path)


def test_int8_needs_photos(weights):
    with pytest.raises(InputError, match="--int8 --calibrate"):
        Predictor(weights, precision="int8")
    with pytest.raises(InputError, match="engine"):
        Predictor(weights, engine="torch", precision="int8", calibration=[IMAGE])
    with pytest.raises(InputError, match="calibration"):
        Predictor(weights, calibration=[IMAGE])


def test_a_damaged_graph(converted, tmp_path):
    _, path = converted
    broken = tmp_path / f"broken{path.suffix}"
    data = path.read_bytes()
    broken.write_bytes(data.replace(b"NonMaxSuppression", b"NonMaxSuppressiox"))
    if path.suffix == ".xml":
        broken.with_suffix(".bin").write_bytes(path.with_suffix(".bin").read_bytes())
    with pytest.raises(InputError, match="cannot load it") as raised:
        Predictor(broken)
    assert "\n" not in str(raised.value)
