"""COCO AP and reading of COCO files: ours beside pycocotools, each run in a fresh process."""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from instseg.benchmark.made_up_coco import DETECTIONS, KINDS, write_evaluation, write_instances
from instseg.benchmark.rounds import Measured, measure_in_fresh_processes
from instseg.core.events import OnEvent, ignore
from instseg.system.memory import highest_memory_bytes


def measure_evaluation(
    images: int, repeats: int, seed: int, folder: Path, *, on_event: OnEvent = ignore
) -> dict[str, Any]:
    """Seconds and memory of COCO AP for boxes and masks, 100 detections an image.

    Returns:
        `ours` and `peer`, figures as `measure_in_fresh_processes` gives them, and `ratio` of
        median seconds, for "bbox" and "segm".

    Raises:
        RuntimeError: when both sides do not come to the same twelve numbers.
    """
    write_evaluation(folder, images, seed, on_event=on_event)
    tasks = {kind: (folder, kind) for kind in KINDS}
    return measure_in_fresh_processes(evaluate_once, tasks, repeats, on_event=on_event) | {
        "images": images,
        "detections": DETECTIONS * images,
        "unit": "s",
    }


def measure_reading(
    images: int, repeats: int, seed: int, folder: Path, *, on_event: OnEvent = ignore
) -> dict[str, Any]:
    """Seconds and memory of reading a file as large as COCO's annotations."""
    path = folder / "instances.json"
    annotations = write_instances(path, images, seed, on_event=on_event)
    tasks = {"read": (path,)}
    return measure_in_fresh_processes(read_once, tasks, repeats, on_event=on_event) | {
        "images": images,
        "annotations": annotations,
        "file_mb": path.stat().st_size / 1e6,
        "unit": "s",
    }


def evaluate_once(side: str, folder: Path, kind: str) -> Measured:
    """One evaluation; the files are read before the clock starts."""
    truth = json.loads((folder / "truth.json").read_bytes())
    results = json.loads((folder / f"{kind}.json").read_bytes())
    run = _evaluate_ours if side == "ours" else _evaluate_peer
    tiny = {**truth, "annotations": []}
    run(tiny, [dict(results[0])], kind)  # what is loaded once does not count
    return _measured(lambda: run(truth, results, kind))


def _evaluate_ours(truth: dict[str, Any], results: list[dict[str, Any]], kind: Any) -> list[float]:
    from instseg.evaluation.coco_ap import METRICS, average_precision

    scores = average_precision(truth, results, kind)
    return [scores[name] for name in METRICS]


def _evaluate_peer(truth: dict[str, Any], results: list[dict[str, Any]], kind: str) -> list[float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO()
        ground.dataset = truth
        ground.createIndex()
        evaluator = COCOeval(ground, ground.loadRes(results), kind)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return [float(number) for number in evaluator.stats]


def read_once(side: str, path: Path) -> Measured:
    """One reading; its numbers are the counts of images, annotations and categories."""
    from pycocotools.coco import COCO

    from instseg.data.coco import CocoData

    def ours() -> list[float]:
        data = CocoData.read(path, path.parent)
        annotations = sum(map(len, data.annotations.values()))
        return [len(data), annotations, len(data.class_names) - 1]

    def peer() -> list[float]:
        with contextlib.redirect_stdout(io.StringIO()):
            data = COCO(str(path))
        return [len(data.imgs), len(data.anns), len(data.cats)]

    return _measured(ours if side == "ours" else peer)


def _measured(work: Callable[[], list[float]]) -> Measured:
    before = highest_memory_bytes()
    start = time.perf_counter()
    numbers = work()
    return Measured(time.perf_counter() - start, (highest_memory_bytes() - before) / 2**20, numbers)
