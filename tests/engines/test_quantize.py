"""Graphs in int8 find what the graphs in float32 find, nearly."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from instseg.core.errors import InputError
from instseg.engines.build import segmenter_graph
from instseg.engines.quantize import plan_of, quantized
from instseg.engines.runtimes import run_onnx, run_openvino, to_openvino
from instseg.exporting.agreement import as_detections
from instseg.models.load import load_model
from instseg.scenes.scene import draw_scene


def scenes(count, start=0):
    return [draw_scene(i).image for i in range(start, start + count)]


def types_of(model):
    return {each.name: each.data_type for each in model.graph.initializer}


@pytest.fixture(scope="module")
def both(demo_graph):
    """The graph of the demo weights, and the same in int8."""
    _, _, graph = demo_graph
    return graph, quantized(graph, scenes(6, 100))


def found_again(expected, found):
    """Share of the certain detections that have one of the same class nearby."""
    sure = expected.scores > 0.5
    apart = (expected.boxes[sure][:, None] - found.boxes[None]).abs().amax(2)
    same = expected.class_ids[sure][:, None] == found.class_ids[None]
    return float(((apart < 5) & same).any(1).float().mean())


def test_a_detector_in_both_programs(both):
    graph, small = both
    onnx.checker.check_model(small)
    assert small.ByteSize() < 0.4 * graph.ByteSize()
    expected = run_onnx(graph)
    runs = run_onnx(small), run_openvino(to_openvino(small, halves=False))
    for image in scenes(3):
        for run in runs:
            assert found_again(as_detections(expected(image)), as_detections(run(image))) >= 0.8
    for run in runs:
        assert run(np.zeros((200, 300, 3), np.uint8))["boxes"].shape == (0, 4)


def test_first_and_last_layers_stay_in_float32(both):
    graph, small = both
    kept = plan_of(graph).kept
    types = types_of(small)
    assert all(types[name] == TensorProto.FLOAT for name in kept)
    assert any("cls_score" in name for name in kept)
    assert types["heads.box_head.fc6.weight.values"] == TensorProto.INT8
    assert sum(kind == TensorProto.INT8 for kind in types.values()) > 30


def test_photos_without_objects_cannot_calibrate_a_detector(demo_graph):
    _, _, graph = demo_graph
    with pytest.raises(InputError, match="give photos with objects"):
        quantized(graph, [])


def test_batch_norm_of_a_semantic_network_is_folded():
    graph = segmenter_graph(load_model("unet-demo"))
    small = quantized(graph, scenes(4, 100))
    assert all(node.op_type != "BatchNormalization" for node in small.graph.node)
    assert small.ByteSize() < 0.45 * graph.ByteSize()
    image = draw_scene(0).image
    labels = [run_onnx(each)(image)["labels"] for each in (graph, small)]
    assert (labels[0] != labels[1]).mean() < 0.01
