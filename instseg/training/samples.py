"""Training samples: images and targets, as the training step takes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from instseg.core.instances import Instances, Masks
from instseg.data.augmentation import Augmentation
from instseg.data.boxes import Boxes
from instseg.data.coco import CocoData
from instseg.data.labels import PSEUDO, PhotoLabels, TrainingLabels
from instseg.data.sampling import Order
from instseg.scenes.scene import SceneConfig, draw_scene
from instseg.training.mask_targets import MaskTargets

Sample = tuple[Tensor, dict[str, Any]]


class Samples(Protocol):
    """Training data: samples by keys, each a pure function of its key."""

    @property
    def epochs(self) -> int:
        """Number of epochs."""
        ...

    def batches(self, epoch: int) -> Sequence[list[Any]]:
        """The keys of this process's batches in an epoch, which is counted from 0."""
        ...

    def name_of(self, key: Any) -> str:
        """Name of a sample for messages."""
        ...

    def __getitem__(self, key: Any) -> tuple[Tensor, Any]:
        """An image and its target."""
        ...


def to_sample(
    image: NDArray[np.uint8],
    instances: Instances,
    class_names: tuple[str, ...],
    crowds: Masks | None = None,
    *,
    boxes: Boxes | None = None,
    unknown: Collection[str] = (),
    is_open: bool = False,
) -> Sample:
    """An image and its instances as tensors.

    Args:
        image: uint8 RGB (H, W, 3).
        instances: Its ground truth, of any class list; classes are matched by name, and objects of
            other classes are left out.
        class_names: Names of the network, [0] is "BG".
        crowds: Regions that are neither objects nor background, if any.
        boxes: Objects without masks, of the class list of `instances`, and further ignored regions.
        unknown: Names of classes of which there may be objects that are not annotated.
        is_open: Whether the region proposals do not learn background.

    Returns:
        The image as uint8 (3, H, W), and a dict, without objects narrower or lower than a pixel, of
        `boxes` float32 (N, 4) xyxy, `labels` int64 (N,), `masks`, `MaskTargets` of length N, empty
        for objects without a mask, `has_mask` bool (N,), `points` float32 (N, P, 3), see `Boxes`,
        of objects without a mask, `crowds`, the boxes of ignored regions,
        float32 (C, 4), `unknown`, bool (classes,), true for those classes, and `is_open`, bool ().
    """
    ids = {name: i for i, name in enumerate(class_names)}
    boxes = boxes or Boxes.empty()
    names = [*instances.names, *(instances.class_names[i] for i in boxes.class_ids)]
    labels = np.array([ids.get(name, 0) for name in names], dtype=np.int64)
    corners = np.concatenate([instances.boxes.reshape(-1, 4), boxes.boxes])
    sides = corners[:, 2:] - corners[:, :2]
    known = (labels > 0) & (sides >= 1).all(axis=1)
    has_mask = np.arange(len(labels)) < len(instances)
    masks = instances.masks[known[: len(instances)]]
    no_points = np.full((len(instances), *boxes.points.shape[1:]), -1, dtype=np.float32)
    points = np.concatenate([no_points, boxes.points])
    there = (sides > 0).all(axis=1)
    ignored = boxes.boxes[(boxes.class_ids == 0) & there[len(instances) :]]
    regions = [(crowds or Masks.empty(instances.size_hw)).boxes_xyxy(), ignored]
    target = {
        "boxes": torch.from_numpy(corners[known]),
        "labels": torch.from_numpy(labels[known]),
        "masks": MaskTargets.from_masks(masks).with_empty(int((known & ~has_mask).sum())),
        "has_mask": torch.from_numpy(has_mask[known]),
        "points": torch.from_numpy(points[known]),
        "crowds": torch.from_numpy(np.concatenate(regions)),
        "unknown": torch.tensor([name in unknown for name in class_names]),
        "is_open": torch.tensor(is_open),
    }
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))), target


@dataclass(frozen=True)
class SceneSamples(Dataset[Sample]):
    """Drawn scenes as training samples, drawn on request.

    Args:
        count: Number of scenes.
        sizes: Their height and width in pixels: an equal number of scenes of each size, in order.
        batch_size: Scenes per batch, which have equal sizes.
        class_names: Names of the network.
        seed: Random seed of the scenes.
        rank: Rank of this process.
        world_size: Number of processes.
    """

    count: int
    sizes: tuple[int, ...]
    batch_size: int
    class_names: tuple[str, ...]
    seed: int
    rank: int = 0
    world_size: int = 1

    @property
    def epochs(self) -> int:
        """One: every scene is used once."""
        return 1

    def batches(self, epoch: int) -> list[list[int]]:
        """Scenes of this process's batches; incomplete batches are left out."""
        size, stride = self.batch_size, self.batch_size * self.world_size
        whole = self.count - self.count % stride
        return [list(range(i, i + size)) for i in range(self.rank * size, whole, stride)]

    def name_of(self, key: int) -> str:
        """Name of a scene for messages."""
        return f"scene {key}"

    def __getitem__(self, index: int) -> Sample:
        first_of_batch = index - index % self.batch_size
        side = self.sizes[first_of_batch * len(self.sizes) // self.count]
        scene = draw_scene(index, SceneConfig(seed=self.seed, size_hw=(side, side)))
        return to_sample(scene.image, scene.instances, self.class_names)


@dataclass(frozen=True)
class CocoSamples(Dataset[Sample]):
    """Augmented photos of a dataset; order and augmentation depend only on seed and epoch.

    The key of a sample is its epoch and row.

    Args:
        data: The dataset.
        epochs: Number of epochs.
        order: Order of the photos.
        augmentation: Augmentation of each photo.
        pseudo: See `TrainingLabels`.
    """

    data: CocoData
    epochs: int
    order: Order
    augmentation: Augmentation
    pseudo: tuple[float, float] = PSEUDO

    @cached_property
    def labels(self) -> TrainingLabels:
        """How the annotations are used."""
        return TrainingLabels(data=self.data, pseudo=self.pseudo)

    def batches(self, epoch: int) -> list[list[Any]]:
        """Epoch and rows of every batch of an epoch."""
        return [[(epoch, row) for row in rows.tolist()] for rows in self.order.batches(epoch)]

    def name_of(self, key: Any) -> str:
        """Name of a photo for messages."""
        return self.data.images[key[1]].file_name

    def random_photo(self, seed: Sequence[int]) -> tuple[NDArray[np.uint8], Instances]:
        """A photo and its objects with masks, for CopyPaste."""
        row = int(np.random.default_rng(seed).integers(len(self.data)))
        return self.data.photo(row), self.labels.of(row).instances

    def plain(self, key: Any) -> tuple[NDArray[np.uint8], PhotoLabels]:
        """The photo of a sample and its labels, before augmentation."""
        row = key[1]
        return self.data.photo(row), self.labels.of(row)

    def __getitem__(self, key: Any) -> Sample:
        seed = (self.order.seed, *key)

        def other() -> tuple[NDArray[np.uint8], Instances]:
            return self.random_photo(seed)

        photo, found = self.plain(key)
        image, instances, crowds, boxes = self.augmentation.with_boxes(
            photo,
            found.instances,
            found.crowds,
            found.boxes,
            seed=seed,
            other=other,
        )
        return to_sample(
            image,
            instances,
            self.data.class_names,
            crowds,
            boxes=boxes,
            unknown=found.unknown,
            is_open=found.is_open,
        )


def collate(samples: list[tuple[Tensor, Any]]) -> tuple[list[Tensor], list[Any]]:
    """Images of one batch, and their targets."""
    images, targets = zip(*samples, strict=True)
    return list(images), list(targets)
