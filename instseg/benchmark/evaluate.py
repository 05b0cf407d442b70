"""COCO AP and reading of COCO files beside other libraries, each run in a fresh process."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from instseg.benchmark.made_up_coco import DETECTIONS, KINDS, write_evaluation, write_instances
from instseg.benchmark.rounds import SIDES, Measured, measure_in_fresh_processes
from instseg.core.events import OnEvent, ignore
from instseg.system.memory import highest_memory_bytes

EVALUATORS = {  # with the interface of pycocotools: where COCO is, and COCOeval
    "peer": ("pycocotools.coco:COCO", "pycocotools.cocoeval:COCOeval"),
    "faster-coco-eval": ("faster_coco_eval:COCO", "faster_coco_eval:COCOeval_faster"),
    "hotcoco": ("hotcoco:COCO", "hotcoco:COCOeval"),
    "ultrafast-pycocotools": ("ultrafast_pycocotools:COCO", "ultrafast_pycocotools:COCOeval"),
}


def measure_evaluation(
    images: int, repeats: int, seed: int, folder: Path, *, on_event: OnEvent = ignore
) -> dict[str, Any]:
    """Seconds and memory of COCO AP for boxes and masks, from files, 100 detections an image.

    Returns:
        `ours`, `peer` (pycocotools) and each other evaluator of `EVALUATORS` that is installed,
        figures as `measure_in_fresh_processes` gives them, and `ratio` of median seconds of peer
        and ours, for "bbox" and "segm".

    Raises:
        RuntimeError: when they do not all come to the same twelve numbers.
    """
    write_evaluation(folder, images, seed, on_event=on_event)
    tasks = {kind: (folder, kind) for kind in KINDS}
    others = [n for n, (place, _) in EVALUATORS.items() if n not in SIDES and _installed(place)]
    return measure_in_fresh_processes(
        evaluate_once, tasks, repeats, sides=(*SIDES, *others), on_event=on_event
    ) | {"images": images, "detections": DETECTIONS * images, "unit": "s"}


def _installed(place: str) -> bool:
    return importlib.util.find_spec(place.partition(":")[0]) is not None


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
    """One evaluation, from files to the twelve numbers."""
    files = folder / "truth.json", folder / f"{kind}.json"
    run = _evaluate_ours if side == "ours" else _evaluator(*EVALUATORS[side])
    if side == "ours":
        import instseg.evaluation.ap_of_files  # noqa: F401  # what is loaded once does not count
    return _measured(lambda: run(*files, kind))


def _evaluate_ours(truth: Path, results: Path, kind: Any) -> list[float]:
    from instseg.evaluation.ap_of_files import ap_of_files
    from instseg.evaluation.coco_ap import METRICS

    scores = ap_of_files(truth, results, kind).scores
    return [scores[name] for name in METRICS]


def _evaluator(*places: str) -> Callable[[Path, Path, str], list[float]]:
    """An evaluator with the interface of pycocotools."""
    coco, coco_eval = (
        getattr(importlib.import_module(module), name)
        for module, _, name in (place.partition(":") for place in places)
    )

    def evaluate(truth: Path, results: Path, kind: str) -> list[float]:
        with contextlib.redirect_stdout(io.StringIO()):
            ground = coco(str(truth))
            evaluator = coco_eval(ground, ground.loadRes(str(results)), kind)
            evaluator.evaluate()
            evaluator.accumulate()
            evaluator.summarize()
        return [float(number) for number in evaluator.stats[:12]]

    return evaluate


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
    start, start_processor = time.perf_counter(), time.process_time()
    numbers = work()
    return Measured(
        time.perf_counter() - start,
        (highest_memory_bytes() - before) / 2**20,
        numbers,
        time.process_time() - start_processor,
    )
