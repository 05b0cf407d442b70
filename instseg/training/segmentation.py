"""Training of semantic networks: images and semantic maps in, named losses out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from instseg.core.semantic import IGNORE
from instseg.data.sampling import Order
from instseg.data.semantic_augmentation import SemanticAugmentation
from instseg.data.semantic_data import SemanticData
from instseg.training.losses import WeightedSum
from instseg.training.scope import (
    backbone_weights,
    freeze_batch_norms,
    has_stages,
    rest_frozen_norms,
    train_only,
)

Labels = NDArray[np.uint8]


@dataclass
class Segmentation:
    """A semantic network in training.

    Args:
        network: Normalised images (B, C, H, W) to logits (B, K, H, W). If it also has `coarse`,
            with the `stride` of its logits, losses and `scores` are those of one pixel in each
            square of that side.
        normalise: Normalises images (B, C, H, W), as `SegmenterModel.normalise`.
        loss: The loss.
        frozen_norms: Freeze BatchNorm of the backbone: neither its weights nor its statistics
            change.
    """

    network: nn.Module
    normalise: Callable[[Tensor], Tensor]
    loss: WeightedSum
    frozen_norms: bool = False
    _last: tuple[Tensor, Tensor] | None = field(init=False, default=None)

    def backbone_weights(self) -> list[nn.Parameter]:
        """The weights of the backbone's stages; none of a network without `has_stages`."""
        return backbone_weights(self.network) if has_stages(self.network) else []

    def enter_stage(self, scope: str) -> None:
        """Training mode, in which only the layers of the scope are trained."""
        network: Any = self.network.train()
        if has_stages(network):
            train_only(network, scope)
            rest_frozen_norms(network)
            if self.frozen_norms:
                freeze_batch_norms(network.backbone)

    def for_validation(self, network: nn.Module) -> Segmentation:
        """The same task with another network."""
        return replace(self, network=network)

    def losses(self, images: list[Tensor], targets: list[Tensor]) -> dict[str, Tensor]:
        """Losses of one batch.

        Args:
            images: Each (C, H, W), of equal sizes, on the CPU.
            targets: Each uint8 (H, W), 0..K-1 or 255.

        Returns:
            Scalars by the terms of the loss.
        """
        device = next(self.network.parameters()).device
        pixels = self.normalise(torch.stack(images).to(device))
        labels = torch.stack(targets).to(device).long()
        network: Any = self.network
        if hasattr(network, "coarse"):
            logits = network.coarse(pixels)
            labels = middle_pixels(labels, network.stride, logits.shape[-2:])
        else:
            logits = network(pixels)
        self._last = logits.detach().argmax(1), labels
        return self.loss.parts(logits, labels)

    def scores(self) -> dict[str, float]:
        """`mIoU` of the last batch of this process, in training mode."""
        return {} if self._last is None else {"mIoU": mean_iou(*self._last)}


def middle_pixels(labels: Tensor, stride: int, size_hw: Sequence[int]) -> Tensor:
    """The label in the middle of each square of `stride` pixels.

    Args:
        labels: (B, H, W).
        stride: Side of the squares.
        size_hw: Rows and columns of squares, of which those beyond the labels are ignored.
    """
    down, right = (
        max(count * stride - side, 0)
        for count, side in zip(size_hw, labels.shape[-2:], strict=True)
    )
    padded = F.pad(labels, (0, right, 0, down), value=IGNORE)
    return padded[:, stride // 2 :: stride, stride // 2 :: stride]


def mean_iou(predicted: Tensor, labels: Tensor) -> float:
    """The mean IoU over the classes that have pixels; NaN if all are ignored.

    Args:
        predicted: int64 (B, H, W).
        labels: int64 (B, H, W), 255 where a pixel is ignored.
    """
    counted = labels != IGNORE
    true, found = labels[counted], predicted[counted]
    right, true, found = (
        torch.bincount(each, minlength=IGNORE) for each in (true[true == found], true, found)
    )
    return float((right / (true + found - right))[true > 0].mean())


@dataclass(frozen=True, kw_only=True)
class SemanticSamples(Dataset[tuple[Tensor, Tensor]]):
    """Images with semantic maps as training samples of equal size, by epoch and row.

    Each is resized, augmented, and cropped at random. Augmentation follows resizing, which would
    undo a change of scale, and before the crop, so that shifts move in pixels of the image.

    Args:
        data: Images and their labels.
        epochs: Number of epochs.
        order: Order of the images.
        augmentation: Augmentation of each image.
        min_size: Size of the shorter side after resizing; None does not resize.
        crop: Size of the square crop; smaller images are padded with ignored pixels.
    """

    data: SemanticData
    epochs: int
    order: Order
    augmentation: SemanticAugmentation
    min_size: int | None
    crop: int

    def batches(self, epoch: int) -> list[list[tuple[int, int]]]:
        """Epoch and rows of every batch of an epoch."""
        return [[(epoch, row) for row in rows.tolist()] for rows in self.order.batches(epoch)]

    def name_of(self, key: tuple[int, int]) -> str:
        """Name of an image for messages."""
        return self.data.name(key[1])

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        seed = (self.order.seed, *key)
        image, labels = resized(*self.data.load(key[1]), self.min_size)
        image, labels = self.augmentation(image, labels, seed=seed)
        return to_tensors(*random_crop(image, labels, self.crop, np.random.default_rng(seed)))


def resized(
    image: NDArray[Any], labels: Labels, min_size: int | None
) -> tuple[NDArray[Any], Labels]:
    """Resize an image (H, W, C) and labels (H, W) to a shorter side of `min_size`, as in inference.

    Images keep their dtype and range.
    """
    if min_size is None or min_size == min(labels.shape):
        return image, labels
    scale = min_size / min(labels.shape)
    size = [max(round(side * scale), 1) for side in labels.shape]
    planes = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    planes = F.interpolate(planes, size, mode="bilinear", antialias=True)
    pixels = planes[0].permute(1, 2, 0).numpy()
    if image.dtype != np.float32:
        pixels = pixels.round()
    mapped = F.interpolate(torch.from_numpy(labels)[None, None], size, mode="nearest-exact")
    return pixels.astype(image.dtype), mapped[0, 0].numpy()


def random_crop(
    image: NDArray[Any], labels: Labels, side: int, rng: np.random.Generator
) -> tuple[NDArray[Any], Labels]:
    """A square crop of an image and its labels; beyond the image, its border repeats, ignored."""
    top, left = (int(rng.integers(max(length - side, 0) + 1)) for length in labels.shape)
    image, labels = (each[top : top + side, left : left + side] for each in (image, labels))
    down, right = (side - length for length in labels.shape)
    if down or right:
        image = np.pad(image, ((0, down), (0, right), (0, 0)), mode="edge")
        labels = np.pad(labels, ((0, down), (0, right)), constant_values=IGNORE)
    return image, labels


def to_tensors(image: NDArray[Any], labels: Labels) -> tuple[Tensor, Tensor]:
    """The image as (C, H, W), uint8 or else float32, and its labels as uint8 (H, W)."""
    pixels = image if image.dtype == np.uint8 else image.astype(np.float32)
    chw = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    return torch.from_numpy(chw), torch.from_numpy(np.ascontiguousarray(labels))
