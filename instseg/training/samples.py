"""Training samples: an image and its targets, as the network's training step takes them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from instseg.data.coco import CocoData
from instseg.data.scenes import SceneConfig, draw_scene
from instseg.instances import Instances

Sample = tuple[Tensor, dict[str, Tensor]]


def to_sample(
    image: NDArray[np.uint8], instances: Instances, class_names: tuple[str, ...]
) -> Sample:
    """An image and its instances as tensors.

    Args:
        image: uint8 RGB (H, W, 3).
        instances: Its ground truth, of any class list; classes are matched by name and objects of
            classes the network does not know are left out.
        class_names: The network's, [0] is "BG".

    Returns:
        The image as uint8 (3, H, W), and boxes float32 (N, 4) xyxy, labels int64 (N,), masks
        uint8 (N, H, W), without objects narrower or lower than a pixel.
    """
    ids = {name: i for i, name in enumerate(class_names)}
    labels = np.array([ids.get(name, 0) for name in instances.names], dtype=np.int64)
    boxes = instances.boxes.reshape(-1, 4)
    known = (labels > 0) & (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
    kept = instances[known]
    target = {
        "boxes": torch.from_numpy(kept.boxes.copy()),
        "labels": torch.from_numpy(labels[known]),
        "masks": torch.from_numpy(kept.masks.dense().view(np.uint8)),
    }
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))), target


@dataclass(frozen=True)
class SceneSamples(Dataset[Sample]):
    """Drawn scenes as training samples, drawn when they are asked for.

    Args:
        count: Number of scenes.
        sizes: Their side in pixels: the scenes are divided evenly between the sizes, in order, so
            that a growing list begins with small, quick scenes.
        batch_size: Scenes of one batch share a size.
        class_names: The network's.
        seed: Of the scenes.
    """

    count: int
    sizes: tuple[int, ...]
    batch_size: int
    class_names: tuple[str, ...]
    seed: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        first_of_batch = index - index % self.batch_size
        side = self.sizes[first_of_batch * len(self.sizes) // self.count]
        scene = draw_scene(index, SceneConfig(seed=self.seed, size_hw=(side, side)))
        return to_sample(scene.image, scene.instances, self.class_names)


@dataclass(frozen=True)
class CocoSamples(Dataset[Sample]):
    """Every image of a dataset once an epoch, in another order each time, half of them mirrored.

    Args:
        data: The dataset.
        epochs: How often each image comes.
        seed: Of order and mirroring.
    """

    data: CocoData
    epochs: int
    seed: int

    def __len__(self) -> int:
        return len(self.data) * self.epochs

    def __getitem__(self, index: int) -> Sample:
        epoch, place = divmod(index, len(self.data))
        rng = np.random.default_rng([self.seed, epoch])
        row = int(rng.permutation(len(self.data))[place])
        image, instances = self.data.load(row)
        if np.random.default_rng([self.seed, epoch, row]).random() < 0.5:
            image, instances = mirror(image, instances)
        return to_sample(image, instances, self.data.class_names)


def mirror(image: NDArray[np.uint8], instances: Instances) -> tuple[NDArray[np.uint8], Instances]:
    """An image and its instances, left to right."""
    masks = instances.masks.flipped()
    flipped = dataclasses.replace(instances, masks=masks, boxes=masks.boxes_xyxy())
    return image[:, ::-1], flipped


def collate(samples: list[Sample]) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """Images of one batch, and their targets."""
    images, targets = zip(*samples, strict=True)
    return list(images), list(targets)
