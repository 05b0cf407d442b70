"""Predicted memory beside what a process really uses."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from instseg.benchmark.infer import benchmark_model
from instseg.core.events import OnEvent, ignore, told
from instseg.system.fresh_process import in_fresh_process
from instseg.system.memory import highest_memory_bytes

MEGAPIXELS = 0.3, 1, 12, 50, 100
BATCHES = 1, 4


class Case(NamedTuple):
    """What is measured: as many photos as a batch has."""

    weights: str
    megapixels: float
    batch_size: int
    pictures: bool


class Peak(NamedTuple):
    """Peak memory of a process in bytes."""

    predicted: int
    measured: int

    @property
    def difference(self) -> float:
        """By how much the prediction is too high, as a share of what was measured."""
        return self.predicted / self.measured - 1


def measure_memory(
    weights: Sequence[str] = ("photos", "random"),
    megapixels: Sequence[float] = MEGAPIXELS,
    batches: Sequence[int] = BATCHES,
    pictures: Sequence[bool] = (False, True),
    *,
    precision: str = "auto",
    memory: str | None = None,
    on_event: OnEvent = ignore,
) -> dict[Case, Peak]:
    """Find the instances in drawn photos, each time in a fresh process.

    Args:
        weights: Names or paths; "random" for `resnet50_fpn`, every detection of which counts.
        megapixels: Sizes of photos.
        batches: Photos of a batch.
        pictures: Whether overlays are drawn and written.
        precision: Of the network.
        memory: The limit; None for what is free.
        on_event: Called with the progress.
    """
    cases = [
        Case(name, size, batch, drawn)
        for name in weights
        for size in megapixels
        for batch in batches
        for drawn in pictures
    ]
    return {
        case: in_fresh_process(peak_of, f"{case.weights} at {case.megapixels} MP", case, memory)
        if precision == "auto"
        else in_fresh_process(peak_of, case.weights, case, memory, precision)
        for case in told(cases, on_event, "measuring", unit="runs")
    }


def peak_of(_: str, case: Case, memory: str | None, precision: str = "auto") -> Peak:
    """Predict and measure a case in this process."""
    from instseg.predict.folder import predict_folder
    from instseg.predict.photos import name_photos
    from instseg.predict.pictures import Pictures
    from instseg.predict.predictor import Predictor

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = in_fresh_process(draw_photos, "drawing", str(folder), case)
        model, threshold = benchmark_model(case.weights, None, 0)
        predictor = Predictor(
            model,
            device="cpu",
            precision=precision,
            score_threshold=threshold if case.weights == "random" else None,
            batch_size=case.batch_size,
            memory=memory,
        )
        del model
        plan = predictor.plan
        needs = [plan.need_of_file(path, pictures=case.pictures) for path in paths]
        photos = name_photos(paths)
        predict_folder(predictor, photos, folder / "out", pictures=Pictures(overlay=case.pictures))
        predicted = plan.peak_bytes(needs, predictor.workers(len(paths)).count)
        return Peak(predicted, highest_memory_bytes())


def draw_photos(_: str, folder: str, case: Case) -> list[Path]:
    """As many JPEG photos as a batch has, of blurred noise."""
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
