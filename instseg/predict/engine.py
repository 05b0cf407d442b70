"""What `Predictor` detects with: a network in torch, or an exported file in another engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instseg.core.errors import ArgumentError
from instseg.core.events import OnEvent
from instseg.core.wording import printable
from instseg.engines.choice import EXPORT_INT8, EngineChoice, engine_for_file, engine_for_weights
from instseg.files.exported_file import ExportedFile, is_exported, read_exported
from instseg.files.model_card import ModelCard
from instseg.files.weights import NAMED, locate
from instseg.models.batch_detector import detector_for
from instseg.models.inference import Choice, Detections
from instseg.models.mask_rcnn import Model, load_detector
from instseg.system.device import PRECISIONS, choose_device, choose_dtype

ENGINE_PRECISIONS = (*PRECISIONS, "int8")


class Detects(Protocol):
    """A `Detector` or what takes its place."""

    def __call__(self, images: list[Tensor], choice: Choice) -> list[Detections]:
        """Detect in images uint8 (3, H, W) of one size after resizing."""


@dataclass(frozen=True, kw_only=True)
class LoadedDetector:
    """What detects.

    Attributes:
        name: The weights, in messages.
        card: The model card.
        device: Where it runs.
        dtype: Floating-point type of the network, of what is not int8.
        engine: `torch`, `openvino` or `onnxruntime`.
        weights_bytes: Size of the weights in memory.
        detector: What detects.
    """

    name: str
    card: ModelCard
    device: torch.device
    dtype: torch.dtype
    engine: str
    weights_bytes: int
    detector: Detects


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How the network shall run; the arguments of `Predictor`."""

    device: str | torch.device
    engine: str
    precision: str
    scale: float
    compiled: bool
    calibration: Sequence[NDArray[np.uint8]] | None
    on_event: OnEvent


def choose_detector(
    weights: str | Path | Model,
    run: RunOptions,
    *,
    architecture: str | None,
    progress: Callable[[int, int], None] | None,
) -> LoadedDetector:
    """Load weights in the engine that suits them.

    Raises:
        InputError: Weights, packages or the device are not available, or do not go together.
    """
    if run.precision not in ENGINE_PRECISIONS:
        known = ", ".join(ENGINE_PRECISIONS)
        raise ArgumentError(f"{{precision}} must be one of {known}", precision=run.precision)
    if isinstance(weights, str | Path) and is_exported(weights):
        return _of_file(Path(weights), run, architecture)
    choice = engine_for_weights(run.engine, run.precision)
    if (choice.precision == "int8") != (run.calibration is not None):
        raise ArgumentError(
            "{precision} int8 needs photos to calibrate with: give the file that "
            f"{EXPORT_INT8} makes as {{weights}}"
            if run.calibration is None
            else "{calibration} is for {precision} int8"
        )
    beside = None
    if isinstance(weights, Model):
        model, name = weights, f"a {weights.card.architecture} in memory"
    else:
        named = NAMED.get(str(weights))
        name = named.name if named else printable(Path(weights).name)
        beside = None if named else Path(weights)
        with torch.random.fork_rng(devices=[]):  # drawn at random before it is loaded
            model = load_detector(weights, architecture=architecture, progress=progress)
    if choice.engine == "torch":
        device = choose_device(run.device)
        dtype = choose_dtype(choice.precision, device)
        return LoadedDetector(
            name=name,
            card=model.card,
            device=device,
            dtype=dtype,
            engine="torch",
            weights_bytes=sum(each.numel() for each in model.network.parameters()) * dtype.itemsize,
            detector=detector_for(model, device, dtype, run.scale, compiled=run.compiled),
        )
    from instseg.engines.convert import converted

    device = _processor(run, choice)
    file = converted(
        model,
        model.card.architecture if isinstance(weights, Model) else Path(name).stem,
        beside,
        choice.engine,
        scale=run.scale,
        calibration=run.calibration,
        on_event=run.on_event,
    )
    return _running(name, model.card, device, choice, file)


def _of_file(path: Path, run: RunOptions, architecture: str | None) -> LoadedDetector:
    file = read_exported(locate(path))
    choice = engine_for_file(file, run.engine, run.precision)
    if architecture not in (None, file.card.architecture):
        raise ArgumentError(
            f"{path} holds {file.card.architecture}, not {architecture}; leave {{architecture}} out"
        )
    if run.scale != 1:
        raise ArgumentError(f"{path} has a fixed input size; leave {{preset}} out")
    if run.calibration is not None:
        raise ArgumentError(f"{path} cannot be calibrated any more; leave {{calibration}} out")
    device = _processor(run, choice)
    return _running(printable(path.name), file.card, device, choice, file)


def _processor(run: RunOptions, choice: EngineChoice) -> torch.device:
    if str(run.device) not in ("auto", "cpu"):
        raise ArgumentError(
            f"{{engine}} {choice.engine} runs on the processor; leave {{device}} out",
            device=str(run.device),
        )
    if run.compiled:
        raise ArgumentError(f"{{compile}} is for {{engine}} torch, not {choice.engine}")
    return torch.device("cpu")


def _running(
    name: str, card: ModelCard, device: torch.device, choice: EngineChoice, file: ExportedFile
) -> LoadedDetector:
    from instseg.engines.running import GraphDetector

    dtype = torch.float32
    if choice.engine == "openvino":  # also of what is not int8 in an int8 file
        dtype = choose_dtype("auto" if choice.precision == "int8" else choice.precision, device)
    detector = GraphDetector(file, choice.engine, "fp32" if dtype == torch.float32 else "bf16")
    detector.open()  # so that a file that cannot be loaded is known at once
    return LoadedDetector(
        name=name,
        card=card,
        device=device,
        dtype=dtype,
        engine=choice.engine,
        weights_bytes=file.bytes,
        detector=detector,
    )
