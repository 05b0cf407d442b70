"""From photo files to RLE: ours beside torchvision's own pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instseg.benchmark.postprocess import DETECTIONS, Rles, encode
from instseg.benchmark.rounds import time_by_turns
from instseg.core.events import OnEvent, ignore
from instseg.files.image import read_image
from instseg.files.listing import list_images

if TYPE_CHECKING:
    from instseg.models.mask_rcnn import Model

CALIBRATION_PHOTOS = 8  # speed does not depend on them
LOWEST_SCORE = 0.05  # of named weights, as torchvision's own default


def measure_inference(
    photos: Sequence[Path],
    *,
    weights: str,
    architecture: str | None = None,
    engine: str = "torch",
    precision: str = "fp32",
    repeats: int,
    seed: int = 0,
    on_event: OnEvent = ignore,
) -> dict[str, Any]:
    """Seconds a photo, from file to RLE, on the CPU.

    Args:
        photos: Taken over and over.
        weights: A name or a path; "random" for weights of which every detection counts.
        architecture: Of random weights, or what a .pth file holds.
        engine: Of ours.
        precision: Of ours; torchvision's runs in fp32. `int8` is calibrated with the first photos.
        repeats: Photos that are measured, after one to warm up.
        seed: Of random weights.
        on_event: Called with the progress.
    """
    import torch

    from instseg.predict.predictor import Predictor

    model, threshold = _model(weights, architecture, seed)
    predictor = Predictor(
        model,
        device="cpu",
        engine=engine,
        precision=precision,
        calibration=photos[:CALIBRATION_PHOTOS] if precision == "int8" else None,
        score_threshold=threshold,
        max_detections=DETECTIONS,
        on_event=on_event,
    )
    network = model.network
    network.roi_heads.score_thresh = threshold

    def ours(path: Path) -> Rles:
        return predictor(path).masks.to_rle()

    def peer(path: Path) -> Rles:
        image = torch.from_numpy(read_image(path)).permute(2, 0, 1).float() / 255
        with torch.inference_mode():
            found = network([image])[0]
        return encode(found["masks"])

    inputs = [photos[i % len(photos)] for i in range(repeats + 1)]
    return time_by_turns(ours, peer, inputs, on_event=on_event) | {
        "photos": len(photos),
        "weights": weights,
        "unit": "s/photo",
    }


def _model(weights: str, architecture: str | None, seed: int) -> tuple[Model, float]:
    """The network of both sides, and the score from which a detection counts."""
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
