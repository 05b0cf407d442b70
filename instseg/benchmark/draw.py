"""Instances drawn over photos: ours beside torchvision's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instseg.benchmark.rounds import SIDES, time_by_turns
from instseg.core.classes import COCO_CLASSES
from instseg.core.events import OnEvent, ignore
from instseg.core.instances import Instances
from instseg.core.masks import Masks
from instseg.visualize.draw import draw_instances
from instseg.visualize.instance_colors import class_shades

if TYPE_CHECKING:
    import torch

OPACITY = 0.45
NARROWEST, WIDEST = 0.7, 1.4  # width by height of an object, in proportion to those of the photo


class Case(NamedTuple):
    """Photos with ellipses of different sizes."""

    photos: int  # in each round
    instances: int  # in each photo
    size_hw: tuple[int, int]
    shares: tuple[float, float]  # of the photo that an object covers, at least and at most


CASES = {
    "photo": Case(photos=20, instances=20, size_hw=(480, 640), shares=(0.003, 0.15)),
    "large": Case(photos=1, instances=100, size_hw=(3000, 4000), shares=(0.1, 0.6)),
}


class Scene(NamedTuple):
    """A photo with instances, in the form that each side takes."""

    image: NDArray[np.uint8]
    instances: Instances
    tensor: torch.Tensor  # uint8 (3, H, W)
    masks: torch.Tensor  # bool (N, H, W)


Drawing = Callable[[Scene, NDArray[np.float32]], object]


def measure_drawing(*, repeats: int, seed: int = 0, on_event: OnEvent = ignore) -> dict[str, Any]:
    """Seconds that a photo takes, for each of `CASES`; what each side takes is made before.

    Returns:
        `ours` and `peer`, each with `CASE_s` (median), `CASE_fastest_s` and `CASE_slowest_s` per
        photo, and `ratio`, by case.
    """
    figures: dict[str, Any] = {"ours": {}, "peer": {}, "ratio": {}}
    for name, case in CASES.items():
        scenes = make_scenes(case, seed)
        measured = time_by_turns(
            partial(_draw_all, draw_ours, scenes),
            partial(_draw_all, draw_peer, scenes),
            _scores(case.instances, repeats + 1, seed),
            on_event=on_event,
        )
        for side in SIDES:
            times = {key: value / case.photos for key, value in measured[side].items()}
            figures[side] |= {
                f"{name}_s": times["median"],
                f"{name}_fastest_s": times["fastest"],
                f"{name}_slowest_s": times["slowest"],
            }
        figures["ratio"][name] = measured["ratio"]
    return figures | {"cases": {name: case._asdict() for name, case in CASES.items()}}


def make_scenes(case: Case, seed: int) -> list[Scene]:
    """Photos of noise with ellipses of random classes."""
    import torch

    rng = np.random.default_rng(seed)
    scenes = []
    for _ in range(case.photos):
        image = rng.integers(0, 256, (*case.size_hw, 3), dtype=np.uint8)
        masks = _ellipses(case, rng)
        instances = Instances(
            boxes=masks.boxes_xyxy(),
            class_ids=rng.integers(1, len(COCO_CLASSES), case.instances),
            scores=np.ones(case.instances, np.float32),
            masks=masks,
            class_names=COCO_CLASSES,
        )
        tensor = torch.from_numpy(image).permute(2, 0, 1).contiguous()
        scenes.append(Scene(image, instances, tensor, torch.from_numpy(masks.dense())))
    return scenes


def draw_ours(scene: Scene, scores: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The scene with masks, outlines, boxes and labels: uint8 (H, W, 3)."""
    return draw_instances(scene.image, replace(scene.instances, scores=scores), opacity=OPACITY)


def draw_peer(scene: Scene, scores: NDArray[np.float32]) -> torch.Tensor:
    """The scene with masks, boxes and labels by torchvision: uint8 (3, H, W)."""
    import torch
    from torchvision.utils import draw_bounding_boxes, draw_segmentation_masks

    names = scene.instances.names
    colors: list[Any] = list(class_shades(names))
    texts = [f"{name} {score:.2f}" for name, score in zip(names, scores, strict=True)]
    boxes = torch.from_numpy(np.array(scene.instances.boxes))
    filled = draw_segmentation_masks(scene.tensor, scene.masks, alpha=OPACITY, colors=colors)
    return draw_bounding_boxes(filled, boxes, labels=texts, colors=colors)


def _draw_all(draw: Drawing, scenes: list[Scene], scores: NDArray[np.float32]) -> None:
    for scene in scenes:
        draw(scene, scores)


def _scores(instances: int, rounds: int, seed: int) -> list[NDArray[np.float32]]:
    """Other scores in each round, so that no label has been written before."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.5, 0.99, instances).astype(np.float32) for _ in range(rounds)]


def _ellipses(case: Case, rng: np.random.Generator) -> Masks:
    height, width = case.size_hw
    crops, offsets = [], []
    for share in rng.uniform(*case.shares, case.instances):
        stretch = rng.uniform(NARROWEST, WIDEST) ** 0.5
        side = (share / (np.pi / 4)) ** 0.5  # as a share of the photo's sides
        h, w = round(min(side / stretch, 1) * height), round(min(side * stretch, 1) * width)
        yy, xx = np.ogrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        crops.append(yy**2 + xx**2 <= 1)
        offsets.append((rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)))
    return Masks.from_crops(crops, offsets, case.size_hw)
