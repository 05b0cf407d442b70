"""Which engine runs a model, and in which precision."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from instseg.core.errors import ArgumentError, InputError
from instseg.files.exported_file import ExportedFile

ENGINES = ("auto", "torch", "openvino", "onnxruntime")
RUNTIMES = ("openvino", "onnxruntime")  # those that run exported files, the faster one first
EXPORT_INT8 = "instseg export WEIGHTS --int8 --calibrate PHOTOS"


@dataclass(frozen=True, kw_only=True)
class EngineChoice:
    """An engine and its precision.

    Attributes:
        engine: `torch`, `openvino` or `onnxruntime`.
        precision: `auto`, `fp32`, `bf16` or `int8`.
    """

    engine: str
    precision: str


def engine_for_weights(engine: str, precision: str) -> EngineChoice:
    """The engine of weights that torch could run too.

    `auto` is torch, except for int8: where the processor has bf16 products, OpenVINO was up to 1.16
    times as fast as torch for the two large networks and slower for the small ones, and a model is
    converted for minutes first; see "Engines" in docs/performance.md.

    Raises:
        InputError: It is unknown, not installed, or lacks this precision.
    """
    _check_names(engine)
    if engine == "auto" and precision == "int8":
        engine = next(filter(_is_installed, RUNTIMES), RUNTIMES[0])
    elif engine == "auto":
        engine = "torch"
    return _checked(engine, precision)


def engine_for_file(file: ExportedFile, engine: str, precision: str) -> EngineChoice:
    """The engine of an exported file.

    Raises:
        InputError: It is unknown, not installed, cannot run the file, or lacks this precision.
    """
    _check_names(engine)
    if engine == "torch":
        raise ArgumentError(
            f"{file.path} is an exported file, which torch cannot run; leave {{engine}} out"
        )
    if file.kind == "openvino":
        if engine == "onnxruntime":
            raise ArgumentError(f"{file.path} is a file of OpenVINO; leave {{engine}} out")
        engine = "openvino"
    elif engine == "auto":
        engine = next(filter(_is_installed, ("onnxruntime", "openvino")), "onnxruntime")
    is_int8 = file.dtype == "int8"
    if precision == "int8" and not is_int8:
        raise ArgumentError(f"{file.path} is not int8; make one that is with {EXPORT_INT8}")
    if precision in ("fp32", "bf16") and is_int8:
        raise ArgumentError(
            f"{file.path} computes in int8; leave {{precision}} out or export it without int8"
        )
    return _checked(engine, "int8" if is_int8 else precision)


def _check_names(engine: str) -> None:
    if engine not in ENGINES:
        raise InputError(f"engine {engine!r} is unknown; use one of {', '.join(ENGINES)}")


def _checked(engine: str, precision: str) -> EngineChoice:
    if engine == "torch":
        if precision == "int8":
            raise ArgumentError("{precision} int8 needs {engine} openvino or onnxruntime")
        return EngineChoice(engine=engine, precision=precision)
    if not _is_installed(engine):
        raise InputError(f'{engine} is not installed: pip install "instseg[{engine}]"')
    if engine == "onnxruntime" and precision == "bf16":
        raise ArgumentError("{engine} onnxruntime has no {precision} bf16; use fp32, or openvino")
    return EngineChoice(engine=engine, precision=precision)


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
