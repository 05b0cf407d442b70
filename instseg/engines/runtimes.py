"""Exported files in the programs that run them."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.engines.limits import MAX_DETECTIONS, THRESHOLDS
from instseg.engines.openvino_core import openvino_core
from instseg.system.atomic import replacing

Outputs = dict[str, NDArray[Any]]
Run = Callable[[NDArray[Any]], Outputs]
NEEDED = {  # packages by format: to write it, and to run it
    "onnx": (("onnx", "onnxscript"), ("onnxruntime",)),
    "openvino": (("onnx", "onnxscript", "openvino"), ()),
}
EXTRA = {
    "onnx": "export",
    "onnxscript": "export",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
}


def require_packages(kind: str, *, to_run: bool) -> None:
    """Raise InputError, with the command that installs them, if packages are missing."""
    writing, running = NEEDED[kind]
    missing = [name for name in (*writing, *(running if to_run else ())) if not _is_here(name)]
    if missing:
        extras = ",".join(dict.fromkeys(EXTRA[name] for name in missing))
        raise InputError(
            f'export to {kind} needs {" and ".join(missing)}: pip install "instseg[{extras}]"'
        )


def _is_here(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def run_onnx(model: Any) -> Run:
    """An ONNX graph (its proto) in ONNX Runtime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_outputs()]
    return lambda image: dict(zip(names, session.run(names, {"image": image}), strict=True))


def run_openvino(model: Any) -> Run:
    """A model of OpenVINO, on the CPU, computing in float32."""
    compiled = openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    names = [each.get_any_name() for each in compiled.outputs]

    def run(image: NDArray[Any]) -> Outputs:
        request.infer({"image": image})
        return {name: np.array(request.get_tensor(name).data) for name in names}

    return run


def to_openvino(model: Any, *, halves: bool) -> Any:
    """An ONNX graph (its proto) as a model of OpenVINO, its weights stored as they will be.

    The thresholds of a detector stay constants of their names: nothing is computed from them.
    """
    import openvino

    from instseg.engines.graph import without_constants

    open_model, values = without_constants(model, (THRESHOLDS, MAX_DETECTIONS))
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "model.onnx"), Path(folder, "model.xml")
        source.write_bytes(open_model.SerializeToString())
        converted = openvino.convert_model(source)
        for name, value in values.items():
            constant = openvino.opset13.constant(value, name=name)
            unset = converted.input(name).get_node()
            unset.output(0).replace(constant.output(0))
            converted.remove_parameter(unset)
        openvino.save_model(converted, target, compress_to_fp16=halves)
        weights = target.with_suffix(".bin").read_bytes()
        tensor = openvino.Tensor(np.frombuffer(weights, np.uint8).copy())
        return openvino_core().read_model(target.read_text(encoding="utf-8").encode(), tensor)


def write_onnx(model: Any, texts: Mapping[str, str], path: Path) -> None:
    """Write an ONNX graph with its metadata."""
    import onnx

    onnx.helper.set_model_props(model, dict(texts))
    with replacing(path, durable=True) as temporary:
        temporary.write_bytes(model.SerializeToString())


def write_openvino(model: Any, texts: Mapping[str, str], path: Path) -> None:
    """Write a model of OpenVINO as PATH.xml and PATH.bin; texts are its rt_info `instseg`."""
    import openvino

    for name, text in texts.items():
        model.set_rt_info(text, ["instseg", name])
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "model.xml")
        openvino.save_model(model, target, compress_to_fp16=False)  # halves stay halves
        for suffix in (".bin", ".xml"):
            with replacing(path.with_suffix(suffix), durable=True) as temporary:
                shutil.copyfile(target.with_suffix(suffix), temporary)
