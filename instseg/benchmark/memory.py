"""Predicted memory beside what a process really uses."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from instseg.benchmark.infer import benchmark_model, draw_photos
from instseg.core.events import OnEvent, ignore, told
from instseg.files.exported_file import is_exported
from instseg.files.image import read_image
from instseg.system.allocation import keep_freed_memory
from instseg.system.fresh_process import in_fresh_process
from instseg.system.memory import highest_memory_bytes

MEGAPIXELS = 0.3, 1, 12, 50, 100
BATCHES = 1, 4


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is measured: as many photos as a batch has.

    Attributes:
        megapixels: Of each photo.
        batch_size: Number of photos.
        pictures: Whether overlays are drawn and written.
        memory: The limit; None for what is free.
    """

    megapixels: float
    batch_size: int = 1
    pictures: bool = False
    memory: str | None = None


def measure_memory(
    weights: str,
    megapixels: Sequence[float] = MEGAPIXELS,
    *,
    engine: str = "torch",
    precision: str = "auto",
    on_event: OnEvent = ignore,
) -> list[dict[str, Any]]:
    """Find the instances in drawn photos, each time in a fresh process.

    Args:
        weights: A name or a path; "random" for `resnet50_fpn`, every detection of which counts.
        megapixels: Sizes of photos.
        engine: `torch`, which `auto` is too; or `openvino` or `onnxruntime`, for which weights are
            converted first.
        precision: Of the network; `int8` is calibrated with drawn scenes.
        on_event: Called with the progress.

    Returns:
        The fields of each `Case`, and its `predicted` and `measured` peak in bytes.
    """
    cases = [
        Case(megapixels=size, batch_size=batch, pictures=pictures)
        for size in megapixels
        for batch in BATCHES
        for pictures in (False, True)
    ]
    converted = weights
    if engine not in ("auto", "torch"):
        converted = in_fresh_process(convert, weights, engine, precision)
    return [
        asdict(case) | in_fresh_process(peak_of, converted, case, precision, weights == "random")
        for case in told(cases, on_event, "measuring", unit="runs")
    ]


def convert(weights: str, engine: str, precision: str) -> str:
    """The path of the weights, converted for another engine; see `measure_memory`."""
    from instseg.engines.convert import converted

    model, _ = benchmark_model(weights, None, 0)
    with tempfile.TemporaryDirectory() as folder:
        scenes = [read_image(path) for path in draw_photos(Path(folder))]
    calibration = scenes if precision == "int8" else None
    file = converted(
        model,
        Path(weights).stem,
        None,
        engine,
        scale=1,
        calibration=calibration,
        on_event=ignore,
    )
    return str(file.path)


def peak_of(
    weights: str, case: Case, precision: str = "auto", counts_all: bool = False
) -> dict[str, int]:
    """The `predicted` and `measured` peak of this process, and how many photos were `done`.

    Args:
        weights: As for `measure_memory`, or the path of an exported file.
        case: What is measured.
        precision: Of the network.
        counts_all: Whether every detection counts, whatever its score.
    """
    from instseg.predict.folder import predict_folder
    from instseg.predict.photos import name_photos
    from instseg.predict.pictures import Pictures
    from instseg.predict.predictor import Predictor

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = in_fresh_process(draw_noise, name, case)
        keep_freed_memory()
        predictor = Predictor(
            weights if is_exported(weights) else benchmark_model(weights, None, 0)[0],
            device="cpu",
            precision=precision,
            score_threshold=0.0 if counts_all else None,
            batch_size=case.batch_size,
            memory=case.memory,
        )
        plan = predictor.plan
        needs = [plan.need_of_file(path, pictures=case.pictures) for path in paths]
        pictures = Pictures(overlay=case.pictures)
        done = predict_folder(predictor, name_photos(paths), folder / "out", pictures=pictures)
        workers = predictor.workers(len(paths)).count
        return {
            "predicted": plan.peak_bytes(needs, workers),
            "measured": highest_memory_bytes(),
            "done": done.done,
        }


def draw_noise(folder: str, case: Case) -> list[Path]:
    """JPEG photos of blurred noise, as many as a batch has."""
    width = round((case.megapixels * 1e6 * 4 / 3) ** 0.5)
    height = round(width * 3 / 4)
    random = np.random.default_rng(0)
    paths = []
    for number in range(case.batch_size):
        noise = random.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        path = Path(folder, f"{number}.jpg")
        Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).save(path)
        paths.append(path)
    return paths
