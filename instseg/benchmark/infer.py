"""From photo files to RLE: ours beside torchvision's own pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instseg.benchmark.postprocess import DETECTIONS, Rles, encode
from instseg.benchmark.rounds import SIDES, time_by_turns
from instseg.core.events import OnEvent, ignore
from instseg.files.image import read_image
from instseg.files.listing import list_images
from instseg.system.allocation import keep_freed_memory

if TYPE_CHECKING:
    import torch

    from instseg.models.mask_rcnn import Model

CALIBRATION_PHOTOS = 8  # speed does not depend on them
_predict: Any = None  # torchvision's pipeline, in its process
_memory: Any = None
LOWEST_SCORE = 0.05  # of named weights, as torchvision's own default


def measure_inference(
    photos: Sequence[Path],
    *,
    weights: str,
    architecture: str | None = None,
    engine: str = "torch",
    precision: str = "fp32",
    device: str = "cpu",
    batch_size: int = 1,
    compiled: bool = False,
    detections: int = DETECTIONS,
    repeats: int,
    seed: int = 0,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """Seconds a photo, from file to RLE.

    Args:
        photos: Taken over and over.
        weights: A name or a path; "random" for weights of which every detection counts.
        architecture: Of random weights, or what a .pth file holds.
        engine: Of ours.
        precision: Of ours; torchvision's runs in fp32. `int8` is calibrated with the first photos.
        device: Of both.
        batch_size: Photos that both sides are given at once.
        compiled: Compile the network of ours.
        detections: At most this many per photo.
        repeats: Batches that are measured, after one to warm up.
        seed: Of random weights.
        on_event: Called with the progress.

    Returns:
        `ours` and `peer`, figures as `time_by_turns` gives them, on a GPU with `peak_mb`; `ratio`;
        on a GPU also `network`, what `share_of_peak` finds for the first batch, if not `compiled`.
    """
    from instseg.benchmark.peaks import GpuMemory, share_of_peak
    from instseg.models.batch_detector import detector_for
    from instseg.predict.predictor import Predictor

    model, threshold = benchmark_model(weights, architecture, seed)
    keep_freed_memory()
    predictor = Predictor(
        model,
        device=device,
        engine=engine,
        precision=precision,
        calibration=photos[:CALIBRATION_PHOTOS] if precision == "int8" else None,
        score_threshold=threshold,
        max_detections=detections,
        compile=compiled,
        on_event=on_event,
    )
    place, dtype = predictor.device, predictor.dtype
    measuring_network = place.type == "cuda" and not compiled
    detector = detector_for(model, place, dtype) if measuring_network else None

    def ours(paths: Sequence[Path]) -> list[Rles]:
        return [found.masks.to_rle() for found in predictor.predict_batch(paths)]

    def peer(paths: Sequence[Path]) -> None:
        torchvision.submit(_predict_as_torchvision, paths).result()

    endless = cycle(photos)
    batches = [list(islice(endless, batch_size)) for _ in range(repeats + 1)]
    memory = GpuMemory(place)
    with ProcessPoolExecutor(
        1,
        mp_context=get_context("spawn"),
        initializer=_start_torchvision,
        initargs=(weights, architecture, seed, detections, place),
    ) as torchvision:
        figures = time_by_turns(memory.watched("ours", ours), peer, batches, on_event=on_event)
        memory.peak_mb |= torchvision.submit(_memory_of_torchvision).result()
    for side in SIDES:
        figures[side] = {name: value / batch_size for name, value in figures[side].items()}
        figures[side] |= {"peak_mb": memory.peak_mb[side]} if memory.peak_mb else {}
    if detector is not None:
        images = [_tensor(path) for path in batches[0]]
        figures["network"] = share_of_peak(
            lambda: detector(images, predictor.choice), dtype, place, repeats
        )
    return figures | {
        "photos": len(photos),
        "weights": weights,
        "batch_size": batch_size,
        "compiled": compiled,
        "precision": precision,
        "device": str(place),
        "detections": detections,
        "unit": "s/photo",
    }


def _tensor(path: Path) -> torch.Tensor:
    """A photo as uint8 (3, H, W)."""
    import torch

    return torch.from_numpy(read_image(path)).permute(2, 0, 1)


def _start_torchvision(
    weights: str, architecture: str | None, seed: int, detections: int, place: torch.device
) -> None:
    """Build torchvision's network in a process of its own, whose memory is as by default."""
    import torch

    from instseg.benchmark.peaks import GpuMemory

    global _predict, _memory
    model, threshold = benchmark_model(weights, architecture, seed)
    network = model.network.to(place)
    network.roi_heads.score_thresh = threshold
    network.roi_heads.detections_per_img = detections

    def predict(paths: Sequence[Path]) -> None:
        images = [_tensor(path).to(place).float() / 255 for path in paths]
        with torch.inference_mode():
            for found in network(images):
                encode(found["masks"])

    _memory = GpuMemory(place)
    _predict = _memory.watched("peer", predict)


def _predict_as_torchvision(paths: Sequence[Path]) -> None:
    """From photos to RLE by torchvision's own pipeline."""
    _predict(paths)


def _memory_of_torchvision() -> dict[str, float]:
    return _memory.peak_mb


def benchmark_model(weights: str, architecture: str | None, seed: int) -> tuple[Model, float]:
    """The network of a benchmark, and the score from which a detection counts.

    Args:
        weights: A name or a path; "random" for weights of which every detection counts.
        architecture: Of random weights (`resnet50_fpn` if not given), or what a .pth file holds.
        seed: Of random weights.
    """
    import torch

    from instseg.models.mask_rcnn import build_detector, coco_card, load_detector

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if weights == "random":
            return build_detector(coco_card(architecture or "resnet50_fpn")), 0.0
        return load_detector(weights, architecture=architecture), LOWEST_SCORE


def draw_photos(folder: Path) -> list[Path]:
    """A few drawn scenes of COCO's usual size."""
    from instseg.scenes.scene import SceneConfig, write_scenes

    write_scenes(folder, 4, SceneConfig(size_hw=(480, 640)))
    return list_images([folder / "images"])
