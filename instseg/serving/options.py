"""The options of `serve` and `make_app`."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from instseg.core.errors import ArgumentError, require_between
from instseg.core.events import OnEvent, ignore
from instseg.core.options import python_only
from instseg.system.memory import parse_bytes

if TYPE_CHECKING:
    from instseg.predict.predictor import Predictor

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s)")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the service takes, and for how long; the common part of both options.

    Args:
        batch_size: Photos that wait are predicted together, so many at most. Only photos of equal
            size share a batch of the network; useful on a GPU.
        batch_wait: How long a photo waits for others to fill its batch, such as 5ms.
        queue: Photos that may wait for a worker. Further requests are answered with 429.
        max_bytes: Largest request, such as 32MB; larger ones are answered with 413.
        max_pixels: Most pixels of a photo, by its header; larger ones are answered with 413.
        timeout: Seconds after which a request that still waits is answered with 503, and one
            that is being predicted with 504.
        body_timeout: Seconds in which a request must have arrived.
        on_event: Called when the service is ready, and when a worker ends.
    """

    batch_size: int = 1
    batch_wait: str = "5ms"
    queue: int = 32
    max_bytes: str = "32MB"
    max_pixels: int = 100_000_000
    timeout: float = 30.0
    body_timeout: float = 30.0
    on_event: OnEvent = python_only(ignore)

    def __post_init__(self) -> None:
        require_between(1, 1024, batch_size=self.batch_size)
        require_between(1, 100_000, queue=self.queue)
        require_between(1, max_pixels=self.max_pixels)
        require_between(0.01, 86_400, timeout=self.timeout, body_timeout=self.body_timeout)
        self.batch_wait_s  # noqa: B018  that both are understood
        self.most_bytes  # noqa: B018

    @property
    def batch_wait_s(self) -> float:
        """`batch_wait` in seconds."""
        found = _DURATION.fullmatch(self.batch_wait.strip())
        if not found:
            raise ArgumentError(
                "{batch_wait} must be a time such as 5ms or 0.1s", batch_wait=self.batch_wait
            )
        return float(found[1]) * (0.001 if found[2] == "ms" else 1)

    @property
    def most_bytes(self) -> int:
        """`max_bytes` as a number."""
        try:
            return parse_bytes(self.max_bytes)
        except ArgumentError:
            raise ArgumentError(
                "{max_bytes} must be a size such as 32MB", max_bytes=self.max_bytes
            ) from None


@dataclass(frozen=True)
class AppOptions(Limits):
    """Makes a web application that answers with what a predictor finds.

    Args:
        predictor: Runs in threads of this process: one on a GPU, several on a CPU.
        api_key: Requests must bring it; None takes it from $INSTSEG_API_KEY, where it is set.
    """

    predictor: Predictor
    _: KW_ONLY
    api_key: str | None = None


@dataclass(frozen=True)
class ServeOptions(Limits):
    """Answers requests for the instances in photos, over HTTP.

    Requests must bring the key in the environment variable INSTSEG_API_KEY, where it is set.

    Args:
        weights: coco-v2, coco-v1, photos, demo, or the path of a model file, a .pth file, or an
            exported .onnx or .xml file.
        architecture: Architecture of a .pth file: resnet50_fpn or resnet50_fpn_v2.
        host: Address to listen on; 0.0.0.0 is all of this machine.
        port: Port to listen on; 0 takes a free one.
        workers: Processes that predict. By default one for each GPU, or else one for each
            processor, 4 at most, which share the processors.
        device: auto, cpu, cuda, cuda:1 or mps. With auto and cuda, workers share all GPUs.
        engine: What runs the model: torch, openvino or onnxruntime; auto is torch, or what runs
            an exported file.
        precision: Floating-point precision; auto uses bf16 if the processor supports it natively.
        preset: fast resizes photos to 0.6 of the default size.
        score_threshold: Minimum score for all classes, 0 to 1, of requests that do not bring one.
            By default those stored in the model file, and 0.5 for classes without one.
        classes: Keep only these classes, comma-separated.
        max_detections: At most this many detections per photo.
        cross_class_nms: If the masks of two instances of any class overlap by more than this IoU,
            remove the one with the lower score.
        tile: Split photos larger than this into overlapping tiles of this many pixels.
        overlap: Overlap of neighbouring tiles, as a share of their size, 0 to 0.9.
        flip: Run on the horizontally flipped photo too and merge the results.
        memory: Limit for the memory of all workers together, such as 8GB; by default what is
            free. A photo that needs more than the share of a worker is answered with 413.
        shutdown_timeout: Seconds in which requests are still answered after SIGTERM or Ctrl-C.
    """

    weights: str | Path
    _: KW_ONLY
    architecture: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int | None = None
    device: str = "auto"
    engine: Literal["auto", "torch", "openvino", "onnxruntime"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    preset: Literal["default", "fast"] = "default"
    score_threshold: float | None = None
    classes: list[str] | str | None = None
    max_detections: int = 100
    cross_class_nms: float | None = None
    tile: int | None = None
    overlap: float = 0.2
    flip: bool = False
    memory: str | None = None
    shutdown_timeout: float = 30.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(0, 65_535, port=self.port)
        require_between(1, 256, workers=self.workers)
        require_between(0, 86_400, shutdown_timeout=self.shutdown_timeout)
        if self.memory is not None:
            parse_bytes(self.memory)
