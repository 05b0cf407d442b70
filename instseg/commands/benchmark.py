"""`instseg benchmark`: ours beside torchvision's pipeline or pycocotools, in turn, in one run."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from instseg.commands import benchmark_evaluate, benchmark_train
from instseg.commands.benchmark_rounds import in_fresh_process, in_turn
from instseg.commands.terminal import console, table
from instseg.core.errors import InputError
from instseg.files.image import read_image
from instseg.files.listing import list_images
from instseg.system.atomic import replacing
from instseg.system.memory import highest_memory_bytes

if TYPE_CHECKING:
    import torch

Rles = list[dict[str, Any]]

DETECTIONS = 100
PHOTO_HW = (3000, 4000)  # of the post-processing benchmark: 12 megapixels


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """Measures speed beside others, in turn in one run; a ratio above 1 means ours is faster.

    Args:
        what: infer, from photo files to RLE with 100 detections each; postprocess, from 100
            soft masks on a 12-megapixel photo to RLE; train, steps of SGD; evaluate, COCO AP of
            boxes and masks, 100 detections an image; or read, a COCO file as large as that of the
            training photos. The first three beside torchvision, the others beside pycocotools.
        images: Photos, folders or globs; of train the folder of the photos of --coco-json. Drawn
            scenes of 480 x 640 if none.
        coco_json: Annotations to train on, of which the first photos with objects are taken.
        images_count: Images to make up for evaluate (500 if none) and read (100,000 if none).
        weights: coco-v1, coco-v2, a path, or random, for which every threshold is zero so that
            the work is the same.
        architecture: Of random weights, resnet50_fpn if none, or what a .pth file holds:
            resnet50_fpn, resnet50_fpn_v2, or of train compact.
        batch_size: Images of a training step.
        precision: Of ours; torchvision's runs in fp32.
        device: Of train, for both sides: cpu, cuda or cuda:1.
        repeats: Measurements of each side after one to warm up; the median counts. Of train,
            each is a step, and the losses of all are kept and drawn beside --json.
        seed: Of random weights, soft masks, boxes and what is made up.
        json: File to write the figures to.
        out: Folder for the drawn scenes and the files that are made up.
    """

    what: Literal["infer", "postprocess", "train", "evaluate", "read"] | None = None
    images: list[str] | None = None
    coco_json: Path | None = None
    images_count: int | None = None
    weights: str = "random"
    architecture: str | None = None
    batch_size: int = 2
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    device: str = "cpu"
    repeats: int = 5
    seed: int = 0
    json: Path | None = None
    out: Path = Path("out/benchmark")


def run(config: BenchmarkConfig) -> int:
    """Measures, prints a table, and returns the exit code."""
    if config.repeats < 1:
        raise InputError("--repeats must be at least 1")
    figures = _figures(config)
    figures["versions"] = versions()
    sides = ("ours", "peer")
    table(
        ["side", *figures["ours"]],
        [(side, *(f"{value:.4g}" for value in figures[side].values())) for side in sides],
    )
    if config.json:
        with replacing(config.json) as temporary:
            temporary.write_text(json.dumps(figures, indent=1) + os.linesep)
    ratio = figures["ratio"]
    peer = "pycocotools" if config.what in ("evaluate", "read") else "torchvision"
    for task, times in (ratio if isinstance(ratio, dict) else {config.what: ratio}).items():
        console.print(f"{task}: {times:.2f} times as fast as {peer}")
    return 0


def _figures(config: BenchmarkConfig) -> dict[str, Any]:
    if config.what == "infer":
        return infer(config)
    if config.what == "postprocess":
        return postprocess(config)
    if config.what == "train":
        return benchmark_train.train(config)
    if config.images_count is not None and config.images_count < 1:
        raise InputError("--images-count must be at least 1")
    if config.what == "evaluate":
        images, measure = config.images_count or 500, benchmark_evaluate.evaluate
    else:
        images, measure = config.images_count or 100_000, benchmark_evaluate.read
    return measure(images, config.repeats, config.seed, config.out)


def infer(config: BenchmarkConfig) -> dict[str, Any]:
    """Seconds a photo, from file to RLE."""
    import torch

    from instseg.models.mask_rcnn import build, coco_card, load_model
    from instseg.predict.predictor import Predictor

    torch.manual_seed(config.seed)
    named = config.weights != "random"
    if named:
        model = load_model(config.weights, architecture=config.architecture)
    else:
        model = build(coco_card(config.architecture or "resnet50_fpn"))
    threshold = 0.05 if named else 0.0
    predictor = Predictor(
        model,
        device="cpu",
        precision=config.precision,
        score_threshold=threshold,
        max_detections=DETECTIONS,
    )
    network = model.network
    network.roi_heads.score_thresh = threshold
    photos = list_images(config.images) if config.images else draw_photos(config.out)

    def ours(path: Path) -> Rles:
        return predictor(path).masks.to_rle()

    def peer(path: Path) -> Rles:
        image = torch.from_numpy(read_image(path)).permute(2, 0, 1).float() / 255
        with torch.inference_mode():
            found = network([image])[0]
        return encode(found["masks"])

    inputs = [photos[i % len(photos)] for i in range(config.repeats + 1)]
    return in_turn(ours, peer, inputs) | {
        "photos": len(photos),
        "weights": config.weights,
        "unit": "s/photo",
    }


def postprocess(config: BenchmarkConfig) -> dict[str, Any]:
    """Seconds and memory from soft masks to RLE."""
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    from instseg.predict.paste import paste_masks

    soft, boxes = soft_masks(config.seed)

    def ours(_: int) -> Rles:
        return paste_masks(soft, boxes, PHOTO_HW).to_rle()

    def peer(_: int) -> Rles:
        return encode(paste_masks_in_image(soft[:, None], boxes, PHOTO_HW))

    figures = in_turn(ours, peer, list(range(config.repeats + 1)))
    for side in ("ours", "peer"):
        figures[side]["peak_mb"] = in_fresh_process(measure_peak, side, config.seed)
    return figures | {"detections": DETECTIONS, "photo_hw": PHOTO_HW, "unit": "s"}


def encode(soft: torch.Tensor) -> Rles:
    """Full-size soft masks (N, 1, H, W) as RLE, in the way of torchvision's own evaluation."""
    from pycocotools import mask as coco_mask

    return [
        coco_mask.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))
        for mask in soft[:, 0] >= 0.5
    ]


def soft_masks(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Blobs (100, 28, 28) in boxes (100, 4) of 40 to 1,000 pixels, the small ones more often."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    height, width = PHOTO_HW
    side = 40 * 25 ** torch.rand(DETECTIONS, 2, generator=generator)
    room = torch.tensor([width, height]) - side
    start = torch.rand(DETECTIONS, 2, generator=generator) * room
    cells = torch.linspace(-1, 1, 28)
    radius = cells[:, None] ** 2 + cells**2
    noise = torch.rand(DETECTIONS, 28, 28, generator=generator)
    return torch.sigmoid(8 * (0.8 - radius) + noise), torch.cat([start, start + side], dim=1)


def measure_peak(side: str, seed: int) -> float:
    """Memory that one side's post-processing adds to a fresh process, in megabytes."""
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    from instseg.predict.paste import paste_masks

    soft, boxes = soft_masks(seed)
    paste_masks(soft[:1], boxes[:1], (64, 64)).to_rle()  # what is loaded once does not count
    encode(soft[:1, None])
    before = highest_memory_bytes()
    if side == "ours":
        paste_masks(soft, boxes, PHOTO_HW).to_rle()
    else:
        encode(paste_masks_in_image(soft[:, None], boxes, PHOTO_HW))
    return (highest_memory_bytes() - before) / 2**20


def draw_photos(folder: Path) -> list[Path]:
    """A few drawn scenes of COCO's usual size."""
    from instseg.scenes.scene import SceneConfig, write_scenes

    write_scenes(folder, 4, SceneConfig(size_hw=(480, 640)))
    return list_images([folder / "images"])


def versions() -> dict[str, Any]:
    """What the figures were measured with."""
    import torch
    import torchvision

    return {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        **{name: version(name) for name in ("numpy", "pycocotools", "faster-coco-eval")},
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }
