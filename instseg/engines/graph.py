"""One ONNX graph of two parts: what prepares the image, and the network."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper
from onnxscript import optimizer
from torch import Tensor, nn

from instseg.engines.limits import THRESHOLDS
from instseg.engines.prepare import LARGEST_SIDE_PX, Prepare

OPSET = 18
BETWEEN = ("prepared", "resized", "size")  # values that the first part gives the second
LEAST_SIDE_PX = 32
HALVED = 256  # tensors of more values than this are stored as fp16, if wanted


def joined(
    prepare: Prepare,
    network: nn.Module,
    image: Tensor,
    *,
    multiple: int,
    outputs: Sequence[str],
    constants: Mapping[str, Tensor] | None = None,
) -> onnx.ModelProto:
    """The graph `image -> outputs` of two modules.

    Args:
        prepare: Image to the values named in `BETWEEN`, such as `PrepareForDetector`.
        network: These values to the outputs.
        image: An image (H, W, C), to follow the modules with.
        multiple: Both sides of the prepared image are multiples of this.
        outputs: Names of the outputs.
        constants: Further arguments of the network by name, which become initializers that users
            may change: nothing is computed from them beforehand.
    """
    sides = {axis: torch.export.Dim(name, min=2, max=LARGEST_SIDE_PX) for axis, name in _SIDES}
    first = _exported(prepare, (image,), ({0: sides[0], 1: sides[1]},), ["image"], BETWEEN)
    given = _example(len(prepare.mean), multiple)
    # torch would treat the first layers in another way below 17 pixels, the graph does not
    least = 2 if multiple > 1 else LEAST_SIDE_PX
    multiples = [
        torch.export.Dim(name, min=least, max=LARGEST_SIDE_PX) for name in ("down", "right")
    ]
    padded = {2 + axis: multiple * each for axis, each in enumerate(multiples)}
    inputs = [f"{name}_in" for name in BETWEEN]
    fixed = constants or {}
    dynamic = (padded, None, None, *(None for _ in fixed))
    second = _exported(network, (*given, *fixed.values()), dynamic, [*inputs, *fixed], outputs)
    first = compose.add_prefix(first, "prepare.", rename_inputs=False, rename_outputs=False)
    model = compose.merge_models(first, second, io_map=list(zip(BETWEEN, inputs, strict=True)))
    # both parts have sizes named u0: ONNX Runtime would take them for equal, and share memory
    del model.graph.value_info[:]
    _name_sizes(model)
    for name, value in fixed.items():
        (unset,) = (each for each in model.graph.input if each.name == name)
        model.graph.input.remove(unset)
        model.graph.initializer.append(numpy_helper.from_array(value.numpy(), name))
    return model


def _example(channels: int, multiple: int) -> tuple[Tensor, Tensor, Tensor]:
    """Values of `BETWEEN` in which no side of a feature map is 1, which torch would take as fixed.

    Args:
        channels: Of the prepared image.
        multiple: A power of two.
    """
    down, right = (count * max(multiple, LEAST_SIDE_PX) for count in (11, 13))
    resized = torch.tensor([down - 3, right - 5])
    return torch.zeros(1, channels, down, right), resized, 2 * resized


def _name_sizes(model: onnx.ModelProto) -> None:
    """Name the sizes of the inputs and outputs that differ from photo to photo."""
    is_detector = model.graph.output[0].name == "boxes"
    for each in (*model.graph.input, *model.graph.output):
        names = ("detections",) if is_detector and each.name != "image" else ("height", "width")
        for size, name in zip(each.type.tensor_type.shape.dim, names, strict=False):
            if size.HasField("dim_param"):
                size.dim_param = name


_SIDES = ((0, "height"), (1, "width"))


@contextmanager
def _no_progress_thread() -> Iterator[None]:
    """Keep torch from leaving a thread behind: that of tqdm, which it uses where installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield
        return
    interval, tqdm.monitor_interval = tqdm.monitor_interval, 0
    try:
        yield
    finally:
        tqdm.monitor_interval = interval


def _exported(
    module: nn.Module,
    args: tuple[Tensor, ...],
    dynamic: tuple[Any, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> onnx.ModelProto:
    """A module as an ONNX graph."""
    with torch.no_grad(), warnings.catch_warnings(), _no_progress_thread():
        warnings.simplefilter("ignore")  # of torch and torchvision about each other
        program = torch.export.export(module.eval(), args, dynamic_shapes=dynamic, strict=False)
        found = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            optimize=False,  # its pattern matching takes minutes
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
        )
    assert found is not None
    optimizer.fold_constants(found.model)
    optimizer.remove_unused_nodes(found.model)
    return found.model_proto


def stop_suppression_at(model: onnx.ModelProto, most: str) -> None:
    """Let a graph's last non-maximum suppression end when it has kept as many as an initializer.

    The best are kept first, so that nothing else changes; with 80,000 candidates it takes 5 ms
    instead of 700.
    """
    last = [node for node in model.graph.node if node.op_type == "NonMaxSuppression"][-1]
    last.input[2] = most


def store_halves(model: onnx.ModelProto) -> None:
    """Store large float32 tensors as fp16, in place; the graph computes in float32 as before."""
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size <= HALVED:
            continue
        most = np.finfo(np.float16).max
        name = tensor.name
        tensor.CopyFrom(
            numpy_helper.from_array(values.clip(-most, most).astype(np.float16), f"{name}.fp16")
        )
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def with_thresholds(model: onnx.ModelProto, threshold: float) -> onnx.ModelProto:
    """A copy of a detector's graph with one score threshold for all classes."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    for tensor in copied.graph.initializer:
        if tensor.name == THRESHOLDS:
            values = np.full_like(numpy_helper.to_array(tensor), threshold)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return copied


def without_constants(
    model: onnx.ModelProto, names: Sequence[str]
) -> tuple[onnx.ModelProto, dict[str, NDArray[Any]]]:
    """A copy of a graph in which these initializers are inputs, and their values by name."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    values = {}
    for tensor in [each for each in copied.graph.initializer if each.name in names]:
        values[tensor.name] = numpy_helper.to_array(tensor)
        sizes = list(tensor.dims)
        copied.graph.input.append(
            helper.make_tensor_value_info(tensor.name, tensor.data_type, sizes)
        )
        copied.graph.initializer.remove(tensor)
    return copied, values
