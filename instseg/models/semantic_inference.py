"""A semantic network prepared for inference on one device."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from instseg.models.live_memory import live_bytes_per_pixel
from instseg.models.segmenters import SegmenterModel

Prepared = tuple[Tensor, tuple[int, int]]  # input of the network, and the size of the image
STRIP_VALUES = 2**24  # logits at full resolution that are in memory at once: 64 MB


class NetworkSegmenter:
    """Labels the pixels of images by a network in torch.

    Args:
        model: The model, which is not changed.
        device: The device.
        dtype: float32, or bfloat16 for autocast.
    """

    def __init__(self, model: SegmenterModel, device: torch.device, dtype: torch.dtype) -> None:
        self.model, self.device, self.dtype = model, device, dtype
        network = copy.deepcopy(model.network).eval().requires_grad_(False)
        self.network = network.to(device)

    @cached_property
    def live_bytes(self) -> float:
        """Most bytes of feature maps in float32 at once, for each pixel of the input."""
        return live_bytes_per_pixel(self.model.network, self.model.in_channels)

    @torch.inference_mode()
    def prepare(self, pixels: NDArray[Any]) -> Prepared:
        """The input of the network, float32 (C, h, w), for an image (H, W, C), and its size."""
        height, width = pixels.shape[:2]
        tensor = torch.from_numpy(pixels).to(self.device).permute(2, 0, 1)
        tensor = self.model.normalise(tensor)
        size = self.model.input_size((height, width))
        if size != (height, width):
            tensor = F.interpolate(tensor[None], size=size, mode="bilinear", antialias=True)[0]
        return tensor, (height, width)

    @torch.inference_mode()
    def labels(self, prepared: Sequence[Prepared]) -> list[NDArray[np.uint8]]:
        """The best class of each pixel: uint8 (H, W) of each image."""
        maps = []
        for logits, size_hw in self._look(prepared):  # max is twice as fast as argmax
            strips = [strip.max(0).indices.byte() for strip in enlarged(logits, size_hw)]
            maps.append(torch.cat(strips).cpu().numpy())
        return maps

    @torch.inference_mode()
    def semantic_map(self, prepared: Prepared) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The labels, uint8 (H, W), and their probabilities, float32 (H, W), 0..1."""
        ((logits, size_hw),) = self._look([prepared])
        labels, probability = [], []
        for strip in enlarged(logits, size_hw):
            highest, ids = strip.max(0)
            labels.append(ids.byte())
            probability.append((highest - strip.logsumexp(0)).exp())
        return torch.cat(labels).cpu().numpy(), torch.cat(probability).cpu().numpy()

    @torch.inference_mode()
    def probabilities(self, prepared: Prepared) -> NDArray[np.float32]:
        """The probability of each class at each pixel: float32 (K, H, W), 0..1."""
        ((logits, size_hw),) = self._look([prepared])
        strips = [strip.softmax(0).cpu() for strip in enlarged(logits, size_hw)]
        return torch.cat(strips, dim=1).numpy()

    def _look(self, prepared: Sequence[Prepared]) -> Iterator[tuple[Tensor, tuple[int, int]]]:
        """The logits (K, h, w) of each image, and the height and width of the image.

        Consecutive images of equal size share a batch.
        """
        for _, group in itertools.groupby(prepared, key=lambda item: item[0].shape):
            inputs, sizes = zip(*group, strict=True)
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                logits = self.network(torch.stack(inputs))
            yield from zip(logits.float(), sizes, strict=True)


def enlarged(logits: Tensor, size_hw: tuple[int, int]) -> Iterator[Tensor]:
    """Resize logits (K, h, w) bilinearly to (K, H, W), in strips (K, some rows, W) from the top.

    Equal to `torch.nn.functional.interpolate`, without the memory for all classes of a large photo.
    """
    height, width = size_hw
    last = logits.shape[1] - 1
    middles = torch.arange(height, device=logits.device) + 0.5
    places = (middles * ((last + 1) / height) - 0.5).clamp(min=0)
    for rows in places.split(max(STRIP_VALUES // (len(logits) * width), 1)):
        above = rows.long()
        below = (above + 1).clamp(max=last)
        strip = torch.lerp(logits[:, above], logits[:, below], (rows - above)[:, None])
        yield F.interpolate(strip[None], size=(len(rows), width), mode="bilinear")[0]
