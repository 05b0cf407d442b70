"""The masks of a training sample, stored as crops and made dense a few at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torchvision.models.detection.roi_heads import project_masks_on_boxes

from instseg.core.masks import Masks

MOST_PIXELS = 2**24  # pixels of masks that are dense at once: 64 MB as float32


@dataclass(frozen=True, eq=False, kw_only=True)
class MaskTargets:
    """N object masks of one image as tensors, without an N x H x W tensor.

    Attributes:
        pixels: uint8 (P,), the pixels of all crops one after the other, row by row, 0 or 1.
        windows: int64 (N, 4), top, left, height and width of each crop in the image.
        size_hw: Height and width of the image.
        resized_hw: Height and width to which it is resized for the network.
    """

    pixels: Tensor
    windows: NDArray[np.int64]
    size_hw: tuple[int, int]
    resized_hw: tuple[int, int]

    @classmethod
    def from_masks(cls, masks: Masks) -> MaskTargets:
        """The masks of an image that is not resized."""
        sizes = np.array([crop.shape for crop in masks.crops], dtype=np.int64).reshape(-1, 2)
        parts = [np.zeros(0, dtype=np.uint8)] + [c.ravel().view(np.uint8) for c in masks.crops]
        return cls(
            pixels=torch.from_numpy(np.concatenate(parts)),
            windows=np.concatenate([masks.offsets_yx, sizes], axis=1),
            size_hw=masks.size_hw,
            resized_hw=masks.size_hw,
        )

    def with_empty(self, count: int) -> MaskTargets:
        """The masks, and `count` empty ones after them."""
        empty = np.zeros((count, 4), dtype=np.int64)
        return replace(self, windows=np.concatenate([self.windows, empty]))

    def __len__(self) -> int:
        return len(self.windows)

    def to(self, device: torch.device) -> MaskTargets:
        """The same masks on a device."""
        return replace(self, pixels=self.pixels.to(device))

    def resized(self, size_hw: tuple[int, int]) -> MaskTargets:
        """The masks of the image resized, by nearest neighbour as torchvision's transform does."""
        return replace(self, resized_hw=size_hw)

    def to_masks(self) -> Masks:
        """The masks in the pixels of the resized image."""
        parts = [Masks.from_dense(self.dense([row]).cpu().numpy()) for row in range(len(self))]
        return Masks.concatenate([Masks.empty(self.resized_hw), *parts])

    def dense(self, rows: Sequence[int] | None = None) -> Tensor:
        """Some or all of the masks at the size of the resized image: uint8 (rows, H, W)."""
        chosen = range(len(self)) if rows is None else rows
        starts = np.cumsum([0, *self.windows[:, 2:].prod(axis=1)])
        full = self.pixels.new_zeros((len(chosen), *self.size_hw))
        for mask, row in zip(full, chosen, strict=True):
            top, left, height, width = self.windows[row].tolist()
            crop = self.pixels[starts[row] : starts[row + 1]].view(height, width)
            mask[top : top + height, left : left + width] = crop
        if self.resized_hw == self.size_hw:
            return full
        if not len(chosen):  # which `interpolate` refuses
            return full.new_zeros((0, *self.resized_hw))
        return F.interpolate(full[:, None].float(), size=self.resized_hw)[:, 0].byte()

    def on_boxes(self, boxes: Tensor, matched: Tensor, side: int) -> Tensor:
        """The targets of the mask loss: the part of a mask inside a box.

        Args:
            boxes: (R, 4) xyxy in pixels of the resized image.
            matched: int64 (R,), the mask of each box.
            side: Cells of the result along each side.

        Returns:
            (R, side, side), 0..1: equal to torchvision's `project_masks_on_boxes`, but only the
            matched masks are made dense, a few at a time.
        """
        rows, place = matched.unique(return_inverse=True)
        pixels = max(np.prod(self.size_hw), np.prod(self.resized_hw))
        most = max(MOST_PIXELS // int(pixels), 1)
        found = boxes.new_zeros((len(boxes), side, side))
        for first in range(0, len(rows), most):
            (here,) = torch.where((place >= first) & (place < first + most))
            masks = self.dense(rows[first : first + most].tolist())
            found[here] = project_masks_on_boxes(masks, boxes[here], place[here] - first, side)
        return found
