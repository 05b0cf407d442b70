"""int8: the layers of a graph quantized after training, with photos that show their ranges.

Convolutions and linear layers get int8 weights, one scale for each output channel, and uint8
inputs and outputs, one scale for each tensor, as pairs of ONNX's `QuantizeLinear` and
`DequantizeLinear`. ONNX Runtime and OpenVINO both make int8 layers of them. What decides about
places and probabilities stays in float32: resizing and normalisation, the first convolution, the
last layers of each head, transposed convolutions and everything after the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxscript import optimizer
from onnxscript.rewriter import rewrite
from onnxscript.rewriter.rules.common import fuse_batchnorm_into_conv_rule

from instseg.core.errors import InputError
from instseg.engines.graph import BETWEEN, with_thresholds
from instseg.engines.limits import THRESHOLDS
from instseg.engines.runtimes import Run, run_onnx

LEAST_SCORE = 0.01  # heads see the objects of higher scores; AP needs these
FLOAT_LAYERS = (  # the last ones of a detector, by the names of their weights
    *("rpn.head.cls_logits", "rpn.head.bbox_pred"),
    *("heads.box_predictor", "heads.mask_predictor"),
    *("backbone.mask_lateral", "backbone.mask_reduce"),  # only RoIAlign uses them, in float
)
FLOAT_OPERATIONS = ("ConvTranspose", "MatMul")  # of the network, behind layers in int8
ALL = None
CARRIERS = {  # operations that int8 values pass through, and the number of their tensors
    "Relu": 1,
    "Clip": 1,
    "MaxPool": 1,
    "Resize": 1,
    "Add": 2,
    "Concat": ALL,
}
LEVELS = 255
SMALLEST_SCALE = 1e-8
Floats = NDArray[np.float64]


def quantized(
    model: onnx.ModelProto,
    images: Iterable[NDArray[Any]],
    runs: Callable[[onnx.ModelProto], Run] = run_onnx,
) -> onnx.ModelProto:
    """A copy of a graph whose layers compute in int8.

    Args:
        model: A graph of `detector_graph` or `segmenter_graph`, in float32.
        images: Photos for calibration, as the graph takes them; they are run once.
        runs: What runs a graph.

    Raises:
        InputError: There are no images, or a detector finds nothing in all of them.
    """
    graph = _plain(model)
    plan = plan_of(graph)
    seen = _observed(graph, plan, images, runs)
    return _Quantizer(graph, plan, seen).quantized()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is quantized of a graph.

    Attributes:
        layers: Names of the nodes that compute in int8: `Conv` and `Gemm`.
        inputs: Their inputs.
        tensors: All tensors in uint8.
        kept: Names of the weights of layers that stay in float32.
    """

    layers: frozenset[str]
    inputs: frozenset[str]
    tensors: frozenset[str]
    kept: tuple[str, ...]


def plan_of(model: onnx.ModelProto) -> Plan:
    """Choose the layers and tensors of a graph."""
    graph = model.graph
    weights = {each.name for each in graph.initializer}
    layers = [node for node in graph.node if _is_layer(node, weights)]
    ends = [node for node in graph.node if node.op_type in FLOAT_OPERATIONS]
    followed = _followed(graph.node, {node.input[0] for node in (*layers, *ends)})
    chosen: list[onnx.NodeProto] = []
    kept: list[onnx.NodeProto] = []
    for node in layers:
        is_last = node.output[0] not in followed or node.input[1].startswith(FLOAT_LAYERS)
        is_first = node.input[0] == BETWEEN[0]
        (kept if is_last or is_first else chosen).append(node)
    inputs = frozenset(node.input[0] for node in chosen)
    return Plan(
        layers=frozenset(node.name for node in chosen),
        inputs=inputs,
        tensors=_tensors(graph.node, inputs | {node.output[0] for node in chosen}),
        kept=tuple(dict.fromkeys(node.input[1] for node in kept)),
    )


def _is_layer(node: onnx.NodeProto, weights: set[str]) -> bool:
    """Whether this is a convolution or a linear layer (out, in) with constant weights."""
    if node.op_type not in ("Conv", "Gemm") or not weights.issuperset(node.input[1:]):
        return False
    given = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    is_linear = given.get("transB") == 1 and given.get("alpha", 1) == given.get("beta", 1) == 1
    return node.op_type == "Conv" or (is_linear and not given.get("transA"))


def _followed(nodes: Sequence[onnx.NodeProto], inputs: set[str]) -> set[str]:
    """The tensors on which these inputs depend, and they themselves."""
    found = set(inputs)
    for node in reversed(nodes):
        if not found.isdisjoint(node.output):
            found.update(node.input)
    return found


def _tensors(nodes: Sequence[onnx.NodeProto], given: set[str] | frozenset[str]) -> frozenset[str]:
    """Add what operations without weights make of these tensors alone."""
    found, uses = set(given), {name: 0 for node in nodes for name in node.output}
    for node in nodes:
        for name in node.input:
            uses[name] = uses.get(name, 0) + 1
        count = CARRIERS.get(node.op_type, 0)
        if count != 0 and found.issuperset(node.input[:count]):
            found.update(node.output[:1])
    for node in nodes:  # only the result of a convolution and its ReLU is rounded
        is_alone = node.op_type in ("Relu", "Clip") and uses[node.input[0]] == 1
        if is_alone and found.issuperset((node.input[0], node.output[0])):
            found.discard(node.input[0])
    return frozenset(found)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What the photos have shown of the tensors.

    Attributes:
        low: By tensor, the mean of the photos' smallest values, at most 0.
        high: That of the largest, at least 0.
        mean: By input of a layer, the mean of each channel: float64 (C,).
    """

    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)
    mean: dict[str, Floats] = field(default_factory=dict)


def _observed(
    model: onnx.ModelProto,
    plan: Plan,
    images: Iterable[NDArray[Any]],
    runs: Callable[[onnx.ModelProto], Run],
) -> _Seen:
    """Run images, with the extremes of each tensor as further outputs."""
    run = runs(_watched(with_thresholds(model, LEAST_SCORE), plan))
    sums: dict[str, list[Floats]] = {name: [] for name in plan.tensors}
    means: dict[str, list[Floats]] = {name: [] for name in plan.inputs}
    for image in images:
        found = run(image)
        for name in plan.tensors:
            low, high = float(found[f"{name}.low"]), float(found[f"{name}.high"])
            if low > high:  # no detections
                continue
            sums[name].append(np.array([min(low, 0.0), max(high, 0.0)]))
            if name in means:
                means[name].append(found[f"{name}.mean"].astype(np.float64))
    if not all(sums.values()):
        raise InputError(
            "calibration: no photos, or the model finds nothing in them, so that the ranges of its "
            "values stay unknown; give photos with objects"
        )
    ranges = {name: np.mean(each, axis=0).tolist() for name, each in sums.items()}
    return _Seen(
        low={name: low for name, (low, _) in ranges.items()},
        high={name: high for name, (_, high) in ranges.items()},
        mean={name: np.mean(each, axis=0) for name, each in means.items()},
    )


def _watched(model: onnx.ModelProto, plan: Plan) -> onnx.ModelProto:
    """The graph with a smallest and largest value of each tensor, and the means of inputs."""
    graph = model.graph
    maps = {node.input[0] for node in graph.node if node.op_type == "Conv"}
    graph.initializer.append(numpy_helper.from_array(np.array([0, 2, 3]), "axes_of_map"))
    graph.initializer.append(numpy_helper.from_array(np.array([0]), "axes_of_row"))
    added = []
    for name in sorted(plan.tensors):
        for operation, word in (("ReduceMin", "low"), ("ReduceMax", "high")):
            added.append(helper.make_node(operation, [name], [f"{name}.{word}"], keepdims=0))
    for name in sorted(plan.inputs):
        axes = "axes_of_map" if name in maps else "axes_of_row"
        added.append(helper.make_node("ReduceMean", [name, axes], [f"{name}.mean"], keepdims=0))
    graph.node.extend(added)
    graph.output.extend(
        helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None) for node in added
    )
    return model


class _Quantizer:
    """Writes a graph anew, node by node."""

    def __init__(self, model: onnx.ModelProto, plan: Plan, seen: _Seen) -> None:
        self.model, self.plan, self.seen = model, plan, seen
        self.values = {each.name: each for each in model.graph.initializer}
        self.scales: dict[str, np.float32] = {}
        self.weights: dict[str, tuple[NDArray[np.float32], Floats]] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def quantized(self) -> onnx.ModelProto:
        """The new graph."""
        for node in self.model.graph.node:
            copied = onnx.NodeProto()
            copied.CopyFrom(node)
            copied.input[:] = [
                f"{name}.int8" if name in self.plan.tensors else name for name in node.input
            ]
            if node.name in self.plan.layers:
                self._layer(node, copied)
            self.nodes.append(copied)
            for name in node.output:
                if name in self.plan.tensors:
                    self._rounded(name)
        made = onnx.ModelProto()
        made.CopyFrom(self.model)
        used = {name for node in self.nodes for name in node.input}
        kept = [each for each in self.model.graph.initializer if each.name in used]
        del made.graph.node[:], made.graph.initializer[:]
        made.graph.node.extend(self.nodes)
        made.graph.initializer.extend([*kept, *self.constants])
        return made

    def _rounded(self, name: str) -> None:
        """Round a tensor to uint8; all that use it use this."""
        low, high = self.seen.low[name], self.seen.high[name]
        scale = np.float32(max((high - low) / LEVELS, SMALLEST_SCALE))
        self.scales[name] = scale
        zero = np.uint8(round(float(np.clip(-low / scale, 0, LEVELS))))
        for word, value in (("scale", scale), ("zero", zero)):
            self._constant(f"{name}.{word}", np.array(value))
        given = [f"{name}.scale", f"{name}.zero"]
        for operation, source, target in (
            ("QuantizeLinear", name, f"{name}.uint8"),
            ("DequantizeLinear", f"{name}.uint8", f"{name}.int8"),
        ):
            self.nodes.append(helper.make_node(operation, [source, *given], [target], target))

    def _layer(self, node: onnx.NodeProto, copied: onnx.NodeProto) -> None:
        """Give a layer int8 weights, and an int32 bias without the mean error of the weights."""
        source, weight = node.input[0], node.input[1]
        if weight not in self.weights:
            values = numpy_helper.to_array(self.values[weight])  # [out,...]
            scales = np.abs(values).reshape(len(values), -1).max(1) / 127
            scales = scales.clip(SMALLEST_SCALE).astype(np.float32)
            by_channel = scales.reshape(-1, *(1 for _ in values.shape[1:]))
            rounded = np.round(values / by_channel).astype(np.int8)
            self._int8(weight, rounded, scales)
            self.weights[weight] = scales, (values - rounded * by_channel).astype(np.float64)
        scales, error = self.weights[weight]
        bias = np.zeros(len(scales))
        if len(node.input) > 2:
            bias += numpy_helper.to_array(self.values[node.input[2]])
        bias += mean_output(error, self.seen.mean[source])
        steps = (self.scales[source] * scales).astype(np.float32)
        name = f"{node.name}.bias"
        most = np.iinfo(np.int32).max
        self._int8(name, (bias / steps).round().clip(-most, most).astype(np.int32), steps)
        copied.input[1:] = [f"{weight}.int8", f"{name}.int8"]

    def _int8(self, name: str, values: NDArray[Any], scales: NDArray[np.float32]) -> None:
        """A constant of integers and their scales along the first axis."""
        zero = np.zeros(len(scales), values.dtype)
        parts = {"values": values, "scale": scales, "zero": zero}
        for word, value in parts.items():
            self._constant(f"{name}.{word}", value)
        given, made = [f"{name}.{word}" for word in parts], f"{name}.int8"
        self.nodes.append(helper.make_node("DequantizeLinear", given, [made], made, axis=0))

    def _constant(self, name: str, value: NDArray[Any]) -> None:
        self.constants.append(numpy_helper.from_array(value, name))


def mean_output(weights: Floats, mean: Floats) -> Floats:
    """What weights (out, in / groups, ...) give on average for inputs of these means (in,)."""
    summed = weights.reshape(*weights.shape[:2], -1).sum(2)  # [out,in/groups]
    groups = len(mean) // summed.shape[1]
    inputs = mean.reshape(groups, -1).repeat(len(summed) // groups, axis=0)  # [out,in/groups]
    return np.asarray((summed * inputs).sum(1))


def _plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the graph of a semantic network, with its BatchNorm folded into convolutions.

    Detectors have none, and their thresholds must not be folded into other constants.
    """
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    if any(each.name == THRESHOLDS for each in model.graph.initializer):
        return copied
    most = sum(np.prod(each.dims, dtype=int) for each in model.graph.initializer)
    optimizer.fold_constants(copied, input_size_limit=most, output_size_limit=most)
    return rewrite(copied, [fuse_batchnorm_into_conv_rule])
