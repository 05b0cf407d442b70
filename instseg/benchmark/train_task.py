"""What both sides of the training benchmark start from, and what they are trained on."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import ArgumentError, InputError

if TYPE_CHECKING:
    from instseg.core.instances import Instances
    from instseg.models.mask_rcnn import Model
    from instseg.training.samples import Sample

SIZE_HW = (480, 640)  # of drawn scenes
PHOTOS = 8  # that both sides see over and over
BRANCH = 0.1  # weight of a random residual branch: without norms that learn they would explode


@dataclass(frozen=True, kw_only=True)
class Start:
    """The model that both sides start from.

    Attributes:
        weights: A name or a path; "random" for fresh weights.
        architecture: Of random weights, or what a .pth file holds.
        seed: Of random weights.
    """

    weights: str
    architecture: str | None = None
    seed: int = 0

    def model(self) -> Model:
        """Load it, or build it."""
        import torch

        from instseg.models.mask_rcnn import load_detector

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            if self.weights == "random":
                return random_model(self.architecture or "resnet50_fpn")
            return load_detector(self.weights, architecture=self.architecture)


def random_model(architecture: str) -> Model:
    """A network with fresh weights, whose frozen norms do not make it explode."""
    from torchvision.ops import FrozenBatchNorm2d

    from instseg.models.mask_rcnn import build_detector, coco_card, fresh_model

    card = coco_card(architecture)
    if card.architecture == "compact":
        return fresh_model("compact", card.class_names, card.category_ids)
    model = build_detector(card)
    for name, module in model.network.named_modules():
        if isinstance(module, FrozenBatchNorm2d) and name.endswith("bn3"):
            module.weight.fill_(BRANCH)
    return model


@dataclass(frozen=True)
class HeldSamples:
    """Samples in memory, one batch a step, over and over: nothing but the training is measured.

    Args:
        samples: Images and targets.
        batch_size: Of each step.
        steps: How many.
    """

    samples: list[Sample]
    batch_size: int
    steps: int
    epochs: int = 1

    def batches(self, epoch: int) -> list[list[int]]:
        """Places in the list, for every step."""
        places = cycle(range(len(self.samples)))
        return [list(islice(places, self.batch_size)) for _ in range(self.steps)]

    def name_of(self, key: int) -> str:
        """What a sample is called in messages."""
        return f"sample {key}"

    def __getitem__(self, key: int) -> Sample:
        return self.samples[key]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What both sides are trained on.

    Attributes:
        coco_json: Annotations, of which the first photos with objects are taken; drawn scenes if
            None.
        images: The folder of its photos.
        batch_size: Images of a step.
        steps: How many.
        seed: Of the scenes.
    """

    coco_json: Path | None = None
    images: Path | None = None
    batch_size: int = 2
    steps: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ArgumentError("{batch_size} must be at least 1")
        if self.coco_json and not self.images:
            raise ArgumentError("{coco_json} needs {images}, the folder of its photos")

    def samples(self, class_names: tuple[str, ...]) -> HeldSamples:
        """The first photos with objects of the model, without crowds, or drawn scenes.

        Raises:
            InputError: The annotations have none.
        """
        from instseg.scenes.scene import SceneConfig, draw_scene
        from instseg.training.samples import to_sample

        if self.coco_json and self.images:
            pairs = photos_with_objects(self.coco_json, self.images, class_names)
        else:
            settings = SceneConfig(seed=self.seed, size_hw=SIZE_HW)
            scenes = [draw_scene(i, settings) for i in range(PHOTOS)]
            pairs = [(scene.image, scene.instances) for scene in scenes]
        samples = [to_sample(*pair, class_names) for pair in pairs]
        return HeldSamples(samples, self.batch_size, self.steps)


def photos_with_objects(
    coco_json: Path, images: Path, class_names: tuple[str, ...]
) -> list[tuple[NDArray[np.uint8], Instances]]:
    """The first photos with objects of these classes, and all their objects.

    Raises:
        InputError: There is none.
    """
    from instseg.data.coco import CocoData

    data = CocoData.read(coco_json, images)
    known = {each.id for each in data.dataset.categories if each.name in class_names[1:]}
    rows = [
        row
        for row, image in enumerate(data.images)
        if any(a.category_id in known and not a.iscrowd for a in data.annotations[image.id])
    ]
    if not rows:
        raise InputError(f"{coco_json}: has no objects of the model's classes; give some")
    return [data.load(row) for row in rows[:PHOTOS]]
