"""From photo files to RLE: ours beside torchvision's own pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instseg.benchmark.postprocess import DETECTIONS, Rles, encode
from instseg.benchmark.rounds import time_by_turns
from instseg.core.events import OnEvent, ignore
from instseg.files.image import read_image
from instseg.files.listing import list_images
from instseg.system.allocation import keep_freed_memory

if TYPE_CHECKING:
    from instseg.models.mask_rcnn import Model

_network: Any = None  # torchvision's, in its process
LOWEST_SCORE = 0.05  # of named weights, as torchvision's own default


def measure_inference(
    photos: Sequence[Path],
    *,
    weights: str,
    architecture: str | None = None,
    precision: str = "fp32",
    detections: int = DETECTIONS,
    repeats: int,
    seed: int = 0,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """Seconds a photo, from file to RLE, on the CPU.

    Args:
        photos: Taken over and over.
        weights: A name or a path; "random" for weights of which every detection counts.
        architecture: Of random weights, or what a .pth file holds.
        precision: Of ours; torchvision's runs in fp32.
        detections: At most this many per photo.
        repeats: Photos that are measured, after one to warm up.
        seed: Of random weights.
        on_event: Called with the progress.
    """
    from instseg.predict.predictor import Predictor

    model, threshold = benchmark_model(weights, architecture, seed)
    keep_freed_memory()
    predictor = Predictor(
        model,
        device="cpu",
        precision=precision,
        score_threshold=threshold,
        max_detections=detections,
    )

    def ours(path: Path) -> Rles:
        return predictor(path).masks.to_rle()

    def peer(path: Path) -> None:
        torchvision.submit(_predict_as_torchvision, path).result()

    inputs = [photos[i % len(photos)] for i in range(repeats + 1)]
    with ProcessPoolExecutor(
        1,
        mp_context=get_context("spawn"),
        initializer=_start_torchvision,
        initargs=(weights, architecture, seed, detections),
    ) as torchvision:
        figures = time_by_turns(ours, peer, inputs, on_event=on_event)
    return figures | {
        "photos": len(photos),
        "weights": weights,
        "detections": detections,
        "unit": "s/photo",
    }


def _start_torchvision(weights: str, architecture: str | None, seed: int, detections: int) -> None:
    """Build torchvision's network in a process of its own, whose memory is as by default."""
    global _network
    model, threshold = benchmark_model(weights, architecture, seed)
    _network = model.network
    _network.roi_heads.score_thresh = threshold
    _network.roi_heads.detections_per_img = detections


def _predict_as_torchvision(path: Path) -> None:
    """From a photo to RLE by torchvision's own pipeline."""
    import torch

    image = torch.from_numpy(read_image(path)).permute(2, 0, 1).float() / 255
    with torch.inference_mode():
        found = _network([image])[0]
    encode(found["masks"])


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
