"""`Segmenter`: photos in, semantic maps out."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import length_hint
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label
from torch import Tensor

from instseg.core.errors import InputError, require_between
from instseg.core.instances import Instances, Masks
from instseg.core.options import checks_types
from instseg.models.segmenters import SegmenterModel, load_segmenter
from instseg.predict.images import as_array, name_of
from instseg.predict.pipeline import look_ahead, raised
from instseg.predict.predictor import MANY
from instseg.system.device import choose_device, choose_dtype
from instseg.system.threads import workers_for

ImageLike = str | Path | NDArray[Any] | Tensor
Prepared = tuple[Tensor, tuple[int, int]]  # input of the network, and the size of the image
STRIP_VALUES = 2**24  # logits at full resolution that are in memory at once: 64 MB


class Segmenter:
    """Predicts the class of each pixel (semantic segmentation).

    An image is a path, a tensor (3, H, W) as for `Predictor`, or an array (H, W, C) or (H, W) of
    numbers: uint8 is scaled to 0..1, other types are in the units of the training images.

    Args:
        weights: The path of a model file, or a loaded model, which is not changed.
        device: `auto` (a GPU if there is one), `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: `fp32`, `bf16`, or `auto`: bf16 if the processor supports it natively.
        batch_size: Images per batch in `stream`.
        progress: Called with the bytes downloaded and the total, while weights are downloaded.

    Raises:
        InputError: Weights are not available, or an option is out of range.
    """

    @checks_types
    def __init__(
        self,
        weights: str | Path | SegmenterModel,
        *,
        device: str | torch.device = "auto",
        precision: str = "auto",
        batch_size: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        require_between(1, 1024, batch_size=batch_size)
        if isinstance(weights, SegmenterModel):
            self.model = weights
        else:
            with torch.random.fork_rng(devices=[]):  # drawn at random before it is loaded
                self.model = load_segmenter(weights, progress=progress)
        self.card = self.model.card
        self.device = choose_device(device)
        self.dtype = choose_dtype(precision, self.device)
        self.batch_size = batch_size
        network = copy.deepcopy(self.model.network).eval().requires_grad_(False)
        self.network = network.to(self.device)

    def __repr__(self) -> str:
        return f"Segmenter({self.card.in_words()})"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by label; [0] is "BG"."""
        return self.card.class_names

    @property
    def category_ids(self) -> tuple[int, ...]:
        """Dataset ids by label; [0] is 0."""
        return self.card.category_ids

    def __call__(self, image: ImageLike) -> NDArray[np.uint8]:
        """The semantic map of one image: uint8 (H, W), the class id of each pixel."""
        return self.predict_batch([image])[0]

    def predict_batch(self, images: Sequence[ImageLike]) -> list[NDArray[np.uint8]]:
        """The semantic map of each of several images, of any sizes."""
        return self._semantic_maps([self._prepare(image) for image in images])

    @torch.inference_mode()
    def _semantic_maps(self, prepared: Sequence[Prepared]) -> list[NDArray[np.uint8]]:
        maps = []
        for logits, size_hw in self._look(prepared):  # max is twice as fast as argmax
            strips = [strip.max(0).indices.byte() for strip in enlarged(logits, size_hw)]
            maps.append(torch.cat(strips).cpu().numpy())
        return maps

    def stream(self, images: Iterable[ImageLike]) -> Iterator[NDArray[np.uint8]]:
        """The semantic map of one image after another, in order; memory use does not grow.

        Threads read and predict the next few images meanwhile, as in `Predictor.stream`.
        """
        batches = -(-length_hint(images, MANY) // self.batch_size)
        seen = look_ahead(
            images,
            self._prepare,
            self._semantic_maps,
            batch_size=self.batch_size,
            workers=workers_for(self.device, batches),
        )
        return raised(seen, name_of)

    @torch.inference_mode()
    def probabilities(self, image: ImageLike) -> NDArray[np.float32]:
        """The probability of each class at each pixel: float32 (K, H, W), 0..1."""
        ((logits, size_hw),) = self._look([self._prepare(image)])
        strips = [strip.softmax(0).cpu() for strip in enlarged(logits, size_hw)]
        return torch.cat(strips, dim=1).numpy()

    @torch.inference_mode()
    def semantic_map(self, image: ImageLike) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The semantic map, uint8 (H, W), and its probabilities, float32 (H, W), 0..1."""
        ((logits, size_hw),) = self._look([self._prepare(image)])
        labels, probability = [], []
        for strip in enlarged(logits, size_hw):
            highest, ids = strip.max(0)
            labels.append(ids.byte())
            probability.append((highest - strip.logsumexp(0)).exp())
        return torch.cat(labels).cpu().numpy(), torch.cat(probability).cpu().numpy()

    def instances(self, image: ImageLike, min_area: int = 16) -> Instances:
        """Each connected region of a class as an instance, best first.

        Args:
            image: As for `__call__`.
            min_area: Regions of fewer pixels are left out.

        Returns:
            Scores are the mean probability of the class inside the region. Touching objects of one
            class are one region: a semantic map cannot tell them apart.
        """
        return regions(*self.semantic_map(image), self.class_names, min_area)

    def _look(self, prepared: Sequence[Prepared]) -> Iterator[tuple[Tensor, tuple[int, int]]]:
        """The logits (K, h, w) of each image, and the height and width of the image.

        Consecutive images of equal size share a batch.
        """
        for _, group in itertools.groupby(prepared, key=lambda item: item[0].shape):
            inputs, sizes = zip(*group, strict=True)
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                logits = self.network(torch.stack(inputs))
            yield from zip(logits.float(), sizes, strict=True)

    def _prepare(self, image: ImageLike) -> Prepared:
        """The input of the network, float32 (C, h, w), and the size of the image."""
        pixels = as_pixels(image)
        height, width, channels = pixels.shape
        expected = self.model.in_channels
        if channels != expected and (channels, expected) != (3, 1):  # RGB is made grey
            name = f"{image}: " if isinstance(image, str | Path) else ""
            raise InputError(
                f"{name}the image has {channels} channels, these weights take {expected}; "
                f"give an array of shape (H, W, {expected})"
            )
        tensor = torch.from_numpy(pixels).to(self.device).permute(2, 0, 1)
        tensor = self.model.normalise(tensor)
        size = self.model.input_size((height, width))
        if size != (height, width):
            tensor = F.interpolate(tensor[None], size=size, mode="bilinear", antialias=True)[0]
        return tensor, (height, width)


def as_pixels(image: ImageLike) -> NDArray[Any]:
    """Any accepted image as (H, W, C), uint8 or else float32.

    Raises:
        InputError: A file cannot be read.
        ValueError: An array or tensor has another shape or type.
    """
    if not isinstance(image, np.ndarray):
        return as_array(image)
    if image.ndim not in (2, 3) or image.dtype.kind not in "buif":
        raise ValueError(
            f"image array: expected numbers (H, W) or (H, W, C), got {image.dtype} {image.shape}"
        )
    dtype = np.uint8 if image.dtype == np.uint8 else np.float32
    return np.array(image if image.ndim == 3 else image[..., None], dtype=dtype, order="C")


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


def regions(
    labels: NDArray[np.uint8],
    probability: NDArray[np.float32],
    class_names: tuple[str, ...],
    min_area: int,
) -> Instances:
    """The 8-connected regions of each class, best first.

    Args:
        labels: (H, W), 0 is background.
        probability: (H, W), of the label.
        class_names: By label.
        min_area: Regions of fewer pixels are left out.
    """
    numbered = label(labels, background=0, connectivity=2)
    large = np.flatnonzero(np.bincount(numbered.ravel()) >= min_area)
    windows = ndimage.find_objects(numbered)
    kept = [(windows[i - 1], numbered[windows[i - 1]] == i) for i in large if i > 0]
    scores = np.array([probability[window][crop].mean() for window, crop in kept])
    class_ids = np.array([labels[window][crop][0] for window, crop in kept], dtype=np.int64)
    offsets = [(ys.start, xs.start) for (ys, xs), _ in kept]
    height, width = labels.shape
    masks = Masks.from_crops([crop for _, crop in kept], offsets, (height, width))
    found = Instances(
        boxes=masks.boxes_xyxy(),
        class_ids=class_ids,
        scores=scores,
        masks=masks,
        class_names=class_names,
    )
    return found[np.argsort(-found.scores, kind="stable")]
