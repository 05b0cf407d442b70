"""From soft masks on a large photo to RLE: ours beside torchvision's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from instseg.benchmark.rounds import SIDES, time_by_turns
from instseg.core.events import OnEvent, ignore
from instseg.system.fresh_process import in_fresh_process
from instseg.system.memory import highest_memory_bytes

if TYPE_CHECKING:
    import torch

Rles = list[dict[str, Any]]

DETECTIONS = 100
PHOTO_HW = (3000, 4000)  # 12 megapixels


def measure_postprocessing(
    *, repeats: int, device: str = "cpu", seed: int = 0, on_event: OnEvent = ignore
) -> dict[str, Any]:
    """Seconds and memory from soft masks on a device to RLE; on a GPU, the memory is the GPU's."""
    from instseg.benchmark.peaks import GpuMemory
    from instseg.system.device import choose_device

    place = choose_device(device)
    sides = {side: postprocessing(side, place, seed) for side in SIDES}
    memory = GpuMemory(place)
    ours, peer = (memory.watched(side, sides[side]) for side in SIDES)
    figures = time_by_turns(ours, peer, range(repeats + 1), on_event=on_event)
    for side in SIDES:
        peak = memory.peak_mb.get(side)
        figures[side]["peak_mb"] = (
            in_fresh_process(measure_peak, side, seed) if peak is None else peak
        )
    settings = {"detections": DETECTIONS, "photo_hw": PHOTO_HW, "device": str(place)}
    return figures | settings | {"unit": "s"}


def postprocessing(side: str, device: torch.device, seed: int) -> Callable[[Any], Rles]:
    """What is measured of one side; its argument is not used."""
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    from instseg.predict.paste import paste_batch

    found, where = soft_masks(seed)
    soft, boxes = found.to(device), where.to(device)
    if side == "ours":
        return lambda _: paste_batch([soft], [boxes], [PHOTO_HW])[0].to_rle()
    return lambda _: encode(paste_masks_in_image(soft[:, None], boxes, PHOTO_HW))


def encode(soft: torch.Tensor) -> Rles:
    """Full-size soft masks (N, 1, H, W) as RLE, in the way of torchvision's own evaluation."""
    from pycocotools import mask as coco_mask

    return [
        coco_mask.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))
        for mask in (soft[:, 0] >= 0.5).cpu()
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
    from instseg.predict.paste import paste_masks

    soft, boxes = soft_masks(seed)
    paste_masks(soft[:1], boxes[:1], (64, 64)).to_rle()  # what is loaded once does not count
    encode(soft[:1, None])
    run = postprocessing(side, soft.device, seed)
    before = highest_memory_bytes()
    run(None)
    return (highest_memory_bytes() - before) / 2**20
