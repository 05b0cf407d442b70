"""The time of each stage from photo file to RLE, drawing and PNG, beside its floor."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from instseg.benchmark.infer import benchmark_model
from instseg.benchmark.peaks import bytes_per_second, finish, operations_per_second
from instseg.core.events import OnEvent, ignore, told
from instseg.core.instances import Instances
from instseg.files.image import read_image
from instseg.files.image_writing import write_image
from instseg.models.batch_detector import detector_for
from instseg.models.detections import Choice
from instseg.models.inference import Detector
from instseg.predict.paste import paste_batch
from instseg.system.allocation import keep_freed_memory
from instseg.system.device import choose_device, choose_dtype
from instseg.visualize.draw import draw_instances

Result = TypeVar("Result")
DETECTOR_STAGES = {  # the steps of `Detector`
    "resize": "prepare",
    "trunk": "trunk",
    "RPN head": "rpn_head",
    "proposals": "proposals",
    "box RoIAlign": "pool_boxes",
    "box head": "box_head",
    "NMS": "select",
    "mask RoIAlign": "pool_masks",
    "mask head": "mask_head",
}
STAGES = ("read", *DETECTOR_STAGES, "paste", "RLE", "draw", "write")
TOTAL = "total"


def _operations(*shapes: Any, out_shape: Sequence[int], **_: Any) -> int:
    """Of a packed convolution or dense layer: its weight is the last matrix of the arguments."""
    *_others, weight = (each for each in shapes[:3] if isinstance(each, Sequence) and len(each) > 1)
    return 2 * math.prod(out_shape) * math.prod(weight[1:])


PACKED_OPERATIONS = {
    getattr(torch.ops.mkldnn, name): _operations
    for name in ("_convolution_pointwise", "_convolution_pointwise_", "_linear_pointwise")
}


@dataclass
class Clock:
    """Times stages, or counts their work."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    counting: bool = False
    seconds: dict[str, list[float]] = field(default_factory=dict)
    operations: dict[str, list[float]] = field(default_factory=dict)
    moved: dict[str, list[float]] = field(default_factory=dict)  # bytes in and out

    def __call__(self, stage: str, step: Callable[..., Result], *arguments: Any) -> Result:
        """The result of a step."""
        if self.counting:
            with FlopCounterMode(display=False, custom_mapping=PACKED_OPERATIONS) as counter:
                result = step(*arguments)
            self.operations.setdefault(stage, []).append(counter.get_total_flops())
            self.moved.setdefault(stage, []).append(byte_count((arguments, result)))
            return result
        start = time.perf_counter()
        result = step(*arguments)
        finish(self.device)
        self.seconds.setdefault(stage, []).append(time.perf_counter() - start)
        return result

    def watch(self, detector: Detector) -> None:
        """Put the steps of a detector on this clock."""
        for stage, name in DETECTOR_STAGES.items():
            setattr(detector, name, _on(self, stage, getattr(detector, name)))


def _on(clock: Clock, stage: str, step: Callable[..., Result]) -> Callable[..., Result]:
    return lambda *arguments: clock(stage, step, *arguments)


def measure_stages(
    photos: Sequence[Path],
    *,
    weights: str,
    architecture: str | None = None,
    precision: str = "fp32",
    device: str = "cpu",
    detections: int = 100,
    repeats: int,
    seed: int = 0,
    folder: Path,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """Seconds of each stage for one photo beside its floor.

    The floor is the longer one of two times: the floating-point operations of the stage at the
    machine's rate of convolutions or matrix products in this precision, and the bytes that go into
    the stage and come out of it at the machine's bandwidth. Both rates are measured here.

    Args:
        photos: Taken over and over.
        weights: A name or a path; "random" for weights of which every detection counts.
        architecture: Of random weights, or what a .pth file holds.
        precision: `fp32`, `bf16` or `auto`.
        device: Waited for after each stage.
        detections: At most this many per photo.
        repeats: Photos that are measured; the work of each is counted before, which warms up.
        seed: Of random weights.
        folder: Where the picture is written to.
        on_event: Called with the progress.

    Returns:
        `stages`: for each of `STAGES` and `total` the median, fastest and slowest seconds, `floor`
        (seconds), and the medians of `gflop` and `megabytes`; `gflop_per_s`, `gb_per_s` and the
        number of `threads`.
    """
    keep_freed_memory()
    place = choose_device(device)
    dtype = choose_dtype(precision, place)
    model, threshold = benchmark_model(weights, architecture, seed)
    detector = detector_for(model, place, dtype)
    choice = Choice(score_threshold=threshold, max_detections=detections)
    clock = Clock(place)
    clock.watch(detector)
    rates = operations_per_second(dtype, place), bytes_per_second(place)
    inputs = [photos[i % len(photos)] for i in range(repeats)]
    folder.mkdir(parents=True, exist_ok=True)

    def run(photo: Path) -> None:
        image = clock("read", read_image, photo)
        (found,) = detector([torch.from_numpy(image).permute(2, 0, 1)], choice)
        size_hw = image.shape[0], image.shape[1]
        (masks,) = clock("paste", paste_batch, [found.soft_masks], [found.boxes], [size_hw])
        clock("RLE", masks.to_rle)
        instances = Instances(
            boxes=found.boxes.numpy(),
            class_ids=found.class_ids.numpy(),
            scores=found.scores.numpy(),
            masks=masks,
            class_names=model.card.class_names,
        )
        picture = clock("draw", draw_instances, image, instances)
        clock("write", write_image, folder / "stages.png", picture)

    for counting in (True, False):
        clock.counting = counting
        for photo in told(inputs, on_event, "counting" if counting else "measuring", unit="photos"):
            run(photo)
    return {
        "stages": _figures(clock, *rates),
        "gflop_per_s": rates[0] / 1e9,
        "gb_per_s": rates[1] / 1e9,
        "threads": torch.get_num_threads(),
        "device": str(place),
        "photos": len(photos),
        "weights": weights,
        "precision": str(dtype).removeprefix("torch."),
    }


def _figures(clock: Clock, operations_rate: float, bytes_rate: float) -> dict[str, Any]:
    """Figures by stage, and of their sum."""
    figures: dict[str, dict[str, float]] = {}
    for stage in STAGES:
        operations, moved = clock.operations[stage], clock.moved[stage]
        floors = [
            max(each / operations_rate, size / bytes_rate)
            for each, size in zip(operations, moved, strict=True)
        ]
        figures[stage] = _spread(clock.seconds[stage]) | {
            "floor": statistics.median(floors),
            "gflop": statistics.median(operations) / 1e9,
            "megabytes": statistics.median(moved) / 1e6,
        }
    totals = [sum(times) for times in zip(*(clock.seconds[s] for s in STAGES), strict=True)]
    sums = {
        name: sum(each[name] for each in figures.values())
        for name in ("floor", "gflop", "megabytes")
    }
    return figures | {TOTAL: _spread(totals) | sums}


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    return {
        "median": statistics.median(seconds),
        "fastest": min(seconds),
        "slowest": max(seconds),
    }


def byte_count(value: object) -> int:
    """Bytes of the tensors, arrays, texts and files that something holds."""
    if isinstance(value, Tensor | np.ndarray):
        return value.nbytes
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Path):
        return value.stat().st_size if value.exists() else 0
    if isinstance(value, Mapping):
        return sum(map(byte_count, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(byte_count, value))
    return byte_count(vars(value)) if hasattr(value, "__dict__") else 0
