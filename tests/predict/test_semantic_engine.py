"""Semantic networks find the same in other engines than torch."""

import pickle

import numpy as np
import pytest
from comparison_files import save_unet

from instseg.core.errors import InputError
from instseg.core.events import Notice
from instseg.predict.predictor import Predictor
from instseg.predict.segmenter import Segmenter
from instseg.scenes.scene import SceneConfig, draw_scene

NAMES = ("BG", "cat", "cup", "dog")
SIZES = (64, 80), (51, 33), (1, 40)
SUFFIX = {"onnxruntime": ".onnx", "openvino": ".xml"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_unet(tmp_path_factory.mktemp("engines") / "unet.safetensors", NAMES)


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def converted(request, weights):
    """The engine, and its file for the weights."""
    events = []
    Segmenter(weights, engine=request.param, precision="fp32", on_event=events.append)
    (notice,) = (each for each in events if isinstance(each, Notice))
    (path,) = weights.parent.glob(f"unet.*{SUFFIX[request.param]}")
    assert str(path) in notice.text
    return request.param, path


def images():
    scene = draw_scene(1, SceneConfig(size_hw=(80, 100))).image
    return [scene[:height, :width].copy() for height, width in SIZES]


def test_labels_are_those_of_torch(converted, weights):
    engine, path = converted
    expected = Segmenter(weights, precision="fp32", device="cpu")
    found = Segmenter(path, precision="fp32")
    assert (found.engine, expected.engine) == (engine, "torch")
    assert found.class_names == expected.class_names
    assert found.category_ids == expected.category_ids
    assert len(np.unique(expected(images()[0]))) > 2
    labels = list(found.stream(images()))
    for image, streamed in zip(images(), labels, strict=True):
        best, probability = found.semantic_map(image)
        true, true_probability = expected.semantic_map(image)
        np.testing.assert_array_equal(best, true)
        np.testing.assert_array_equal(streamed, true)
        np.testing.assert_allclose(probability, true_probability, atol=1e-4)
        assert (
            found.instances(image).class_ids.tolist()
            == expected.instances(image).class_ids.tolist()
        )
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again(images()[0]), labels[0])


def test_a_conversion_is_made_once(converted, weights):
    engine, path = converted
    before, events = path.stat().st_mtime_ns, []
    Segmenter(weights, engine=engine, precision="fp32", on_event=events.append)
    assert not events
    assert path.stat().st_mtime_ns == before


def test_grey_photos_and_numbers(converted):
    _, path = converted
    segmenter = Segmenter(path)
    assert segmenter(np.zeros((20, 30, 3), np.uint8)).shape == (20, 30)
    with pytest.raises(InputError, match="takes photos of 8 bits, not float32"):
        segmenter(np.zeros((20, 30, 3), np.float32))


def test_int8_needs_photos_and_labels_nearly_the_same(weights):
    with pytest.raises(InputError, match="--int8 --calibrate"):
        Segmenter(weights, precision="int8")
    expected = Segmenter(weights, precision="fp32", device="cpu")
    small = Segmenter(weights, engine="onnxruntime", precision="int8", calibration=images())
    assert (small(images()[0]) != expected(images()[0])).mean() < 0.1


def test_what_a_file_cannot_do_is_said_in_one_line(converted):
    _, path = converted
    for options, words in (
        ({"engine": "torch"}, "torch cannot run"),
        ({"precision": "int8"}, "--int8 --calibrate"),
        ({"device": "cuda"}, "runs on the processor"),
    ):
        with pytest.raises(InputError, match=words) as raised:
            Segmenter(path, **options)
        assert "\n" not in str(raised.value)
    with pytest.raises(InputError, match="probability of the best class only"):
        Segmenter(path).probabilities(images()[0])
    with pytest.raises(InputError, match="gives semantic maps"):
        Predictor(path)
