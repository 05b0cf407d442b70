"""What `Predictor` and `Segmenter` run: a network in torch, or an exported file elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

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
from instseg.models.detections import Choice, Detections
from instseg.models.mask_rcnn import Model, load_detector
from instseg.models.segmenters import SegmenterModel, load_segmenter
from instseg.models.semantic_inference import NetworkSegmenter
from instseg.system.device import PRECISIONS, choose_device, choose_dtype

if TYPE_CHECKING:
    from instseg.engines.running import Graph

ENGINE_PRECISIONS = (*PRECISIONS, "int8")
AnyModel = TypeVar("AnyModel", Model, SegmenterModel)
Runner = TypeVar("Runner")


class Detects(Protocol):
    """A `Detector` or what takes its place."""

    def __call__(self, images: list[Tensor], choice: Choice) -> list[Detections]:
        """Detect in images uint8 (3, H, W) of one size after resizing."""


class Labels(Protocol):
    """A `NetworkSegmenter` or what takes its place."""

    @property
    def live_bytes(self) -> float:
        """Most bytes of feature maps in float32 at once, for each pixel of the input."""

    def prepare(self, pixels: NDArray[Any]) -> Any:
        """What the other methods take, for an image (H, W, C), uint8 or float32."""

    def labels(self, prepared: Sequence[Any]) -> list[NDArray[np.uint8]]:
        """The best class of each pixel: uint8 (H, W) of each image."""

    def semantic_map(self, prepared: Any) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The labels, uint8 (H, W), and their probabilities, float32 (H, W), 0..1."""

    def probabilities(self, prepared: Any) -> NDArray[np.float32]:
        """The probability of each class at each pixel: float32 (K, H, W), 0..1."""


@dataclass(frozen=True, kw_only=True)
class Loaded(Generic[Runner]):
    """What runs.

    Attributes:
        name: The weights, in messages.
        card: The model card.
        device: Where it runs.
        dtype: Floating-point type of the network, of what is not int8.
        engine: `torch`, `openvino` or `onnxruntime`.
        precision: `fp32`, `bf16` or `int8`.
        weights_bytes: Size of the weights in memory.
        parameters: Number of weights; None for exported files.
        runner: What detects, or labels.
    """

    name: str
    card: ModelCard
    device: torch.device
    dtype: torch.dtype
    engine: str
    precision: str
    weights_bytes: int
    parameters: int | None
    runner: Runner


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How the network shall run; the arguments of `Predictor`."""

    device: str | torch.device
    engine: str
    precision: str
    scale: float = 1.0
    compiled: bool = False
    calibration: Sequence[NDArray[np.uint8]] | None
    on_event: OnEvent


@dataclass(frozen=True, kw_only=True)
class _Kind(Generic[AnyModel, Runner]):
    """How one kind of model is loaded, and what runs it."""

    load: Callable[[str | Path], AnyModel]
    in_torch: Callable[[AnyModel, torch.device, torch.dtype], Runner]
    of_graph: Callable[[Graph], Runner]


def choose_detector(
    weights: str | Path | Model,
    run: RunOptions,
    *,
    architecture: str | None,
    progress: Callable[[int, int], None] | None,
) -> Loaded[Detects]:
    """Load weights of a Mask R-CNN in the engine that suits them.

    Raises:
        InputError: Weights, packages or the device are not available, or do not go together.
    """

    def of_graph(graph: Graph) -> Detects:
        from instseg.engines.running import GraphDetector

        return GraphDetector(graph)

    kind: _Kind[Model, Detects] = _Kind(
        load=lambda path: load_detector(path, architecture=architecture, progress=progress),
        in_torch=lambda model, device, dtype: detector_for(
            model, device, dtype, run.scale, compiled=run.compiled
        ),
        of_graph=of_graph,
    )
    return _choose(weights, run, kind, architecture)


def choose_segmenter(
    weights: str | Path | SegmenterModel,
    run: RunOptions,
    *,
    progress: Callable[[int, int], None] | None,
) -> Loaded[Labels]:
    """Load weights of a semantic network in the engine that suits them.

    Raises:
        InputError: As `choose_detector`.
    """

    def of_graph(graph: Graph) -> Labels:
        from instseg.engines.semantic_running import GraphSegmenter

        return GraphSegmenter(graph)

    kind: _Kind[SegmenterModel, Labels] = _Kind(
        load=lambda path: load_segmenter(path, progress=progress),
        in_torch=NetworkSegmenter,
        of_graph=of_graph,
    )
    return _choose(weights, run, kind, None)


def _choose(
    weights: str | Path | AnyModel,
    run: RunOptions,
    kind: _Kind[AnyModel, Runner],
    architecture: str | None,
) -> Loaded[Runner]:
    if run.precision not in ENGINE_PRECISIONS:
        known = ", ".join(ENGINE_PRECISIONS)
        raise ArgumentError(f"{{precision}} must be one of {known}", precision=run.precision)
    if isinstance(weights, str | Path) and is_exported(weights):
        return _of_file(Path(weights), run, kind, architecture)
    choice = engine_for_weights(run.engine, run.precision)
    if (choice.precision == "int8") != (run.calibration is not None):
        raise ArgumentError(
            "{precision} int8 needs photos to calibrate with: give the file that "
            f"{EXPORT_INT8} makes as {{weights}}"
            if run.calibration is None
            else "{calibration} is for {precision} int8"
        )
    beside = None
    if not isinstance(weights, str | Path):
        model, name = weights, f"a {weights.card.architecture} in memory"
        stem = weights.card.architecture
    else:
        named = NAMED.get(str(weights))
        name = named.name if named else printable(Path(weights).name)
        stem = Path(name).stem
        beside = None if named else Path(weights)
        with torch.random.fork_rng(devices=[]):  # drawn at random before it is loaded
            model = kind.load(weights)
    if choice.engine == "torch":
        return _in_torch(name, model, run, choice, kind)
    from instseg.engines.convert import converted

    device = _processor(run, choice)
    file = converted(
        model,
        stem,
        beside,
        choice.engine,
        scale=run.scale,
        calibration=run.calibration,
        on_event=run.on_event,
    )
    return _running(name, model.card, _parameters(model), device, choice, file, kind)


def _parameters(model: AnyModel) -> int:
    return sum(each.numel() for each in model.network.parameters())


def _in_torch(
    name: str,
    model: AnyModel,
    run: RunOptions,
    choice: EngineChoice,
    kind: _Kind[AnyModel, Runner],
) -> Loaded[Runner]:
    device = choose_device(run.device)
    dtype = choose_dtype(choice.precision, device)
    return Loaded(
        name=name,
        card=model.card,
        device=device,
        dtype=dtype,
        engine="torch",
        precision="bf16" if dtype == torch.bfloat16 else "fp32",
        weights_bytes=_parameters(model) * dtype.itemsize,
        parameters=_parameters(model),
        runner=kind.in_torch(model, device, dtype),
    )


def _of_file(
    path: Path, run: RunOptions, kind: _Kind[AnyModel, Runner], architecture: str | None
) -> Loaded[Runner]:
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
    return _running(printable(path.name), file.card, None, device, choice, file, kind)


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
    name: str,
    card: ModelCard,
    parameters: int | None,
    device: torch.device,
    choice: EngineChoice,
    file: ExportedFile,
    kind: _Kind[AnyModel, Runner],
) -> Loaded[Runner]:
    from instseg.engines.running import Graph

    dtype, is_int8 = torch.float32, choice.precision == "int8"
    if choice.engine == "openvino":  # also of what is not int8 in an int8 file
        dtype = choose_dtype("auto" if is_int8 else choice.precision, device)
    precision = "fp32" if dtype == torch.float32 else "bf16"
    graph = Graph(file, choice.engine, precision)
    return Loaded(
        name=name,
        card=card,
        device=device,
        dtype=dtype,
        engine=choice.engine,
        precision="int8" if is_int8 else precision,
        weights_bytes=file.bytes,
        parameters=parameters,
        runner=kind.of_graph(graph),
    )
