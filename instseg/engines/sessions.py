"""Exported files in ONNX Runtime and OpenVINO, detectors with the limits of the caller.

The limits are constants in the file. Here they become inputs, so that one loaded file serves all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.engines.limits import MAX_DETECTIONS, THRESHOLDS
from instseg.engines.openvino_core import openvino_core
from instseg.engines.runtimes import Outputs
from instseg.system.processors import allowed_processors
from instseg.system.threads import MOST_WORKERS

RunGraph = Callable[[Mapping[str, NDArray[Any]]], Outputs]
KERNELS_KEPT = 512  # of OpenVINO, by shape: fewer than it keeps by default, so that memory is flat
HINTS = {"fp32": "f32", "bf16": "bf16"}


def open_graph(
    path: Path, engine: str, *, classes: int | None, precision: str, threads: int
) -> RunGraph:
    """What runs an exported file: inputs by name to outputs by name.

    The inputs are `image`, and of a detector `score_thresholds` and `max_detections`. Several
    threads may call it.

    Args:
        path: The .onnx or .xml file.
        engine: `onnxruntime` or `openvino`.
        classes: Of a detector: number of score thresholds, with the background's.
        precision: `fp32` or, with OpenVINO, `bf16`: of what is not stored as int8.
        threads: Threads of the processor that it may use for one image.

    Raises:
        InputError: The runtime cannot load the file.
    """
    try:
        if engine == "onnxruntime":
            return _onnxruntime(path, classes, threads)
        limits = () if classes is None else (THRESHOLDS, MAX_DETECTIONS)
        return _openvino(path, limits, HINTS[precision], threads)
    except InputError:
        raise
    except Exception as error:  # each has its own kinds
        reason = " ".join(str(error).split())[-200:]
        raise InputError(
            f"{path}: {engine} cannot load it ({reason}); copy or export it again, or "
            f"pip install --upgrade {engine}"
        ) from error


def _onnxruntime(path: Path, classes: int | None, threads: int) -> RunGraph:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = False  # it keeps the most that any size of photo has needed
    options.enable_mem_pattern = False  # for sizes that repeat
    model = path.read_bytes() + (b"" if classes is None else _more_inputs(classes))
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]

    def run(inputs: Mapping[str, NDArray[Any]]) -> Outputs:
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    return run


def _more_inputs(classes: int) -> bytes:
    """A part of an ONNX file which, added to its end, makes inputs of the limits' constants.

    Protocol buffers append the repeated fields of messages that follow each other.
    """
    float32, int64 = 1, 7
    infos = ((THRESHOLDS, float32, (classes,)), (MAX_DETECTIONS, int64, ()))
    graph = b""
    for name, kind, sizes in infos:
        shape = b"".join(_field(1, _number(1, size)) for size in sizes)
        tensor = _number(1, kind) + _field(2, shape)
        graph += _field(11, _field(1, name.encode()) + _field(2, _field(1, tensor)))
    return _field(7, graph)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _openvino(path: Path, limits: Sequence[str], hint: str, threads: int) -> RunGraph:
    import openvino

    core = openvino_core()
    model = _openvino_model(core, path)
    for name in limits:
        constant = next(op for op in model.get_ops() if op.get_friendly_name() == name)
        given = openvino.opset13.parameter(constant.shape, constant.get_element_type(), name)
        constant.output(0).replace(given.output(0))
        given.output(0).get_tensor().set_names({name})
        model.add_parameters([given])
    streams = min(max(allowed_processors() // threads, 1), MOST_WORKERS)
    options: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": threads * streams,
        "NUM_STREAMS": streams,  # images at the same time
        "CPU_RUNTIME_CACHE_CAPACITY": KERNELS_KEPT,
    }
    compiled = core.compile_model(model, "CPU", options)
    names = [each.get_any_name() for each in compiled.outputs]
    own = threading.local()

    def run(inputs: Mapping[str, NDArray[Any]]) -> Outputs:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        own.request.infer(dict(inputs))
        return {name: np.array(own.request.get_tensor(name).data) for name in names}

    return run


def _openvino_model(core: Any, path: Path) -> Any:
    if path.suffix.lower() == ".xml":
        return core.read_model(path)
    try:
        import onnx
    except ImportError as error:
        raise InputError(
            f'{path}: OpenVINO needs onnx for it: pip install "instseg[export,openvino]"; or use '
            "onnxruntime"
        ) from error
    from instseg.engines.runtimes import to_openvino

    return to_openvino(onnx.load(path), halves=False)
