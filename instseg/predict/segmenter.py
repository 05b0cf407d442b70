"""`Segmenter`: photos in, semantic maps out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import length_hint
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import label
from torch import Tensor

from instseg.core.errors import InputError, require_between
from instseg.core.events import OnEvent, ignore
from instseg.core.instances import Instances, Masks
from instseg.core.options import checks_types
from instseg.models.segmenters import SegmenterModel
from instseg.predict.engine import RunOptions, choose_segmenter
from instseg.predict.images import as_array, as_arrays, name_of
from instseg.predict.memory import NOTHING
from instseg.predict.pipeline import look_within, raised
from instseg.predict.predictor import MANY
from instseg.predict.segmenter_memory import segmenter_plan
from instseg.system.budget import Need
from instseg.system.threads import workers_for

ImageLike = str | Path | NDArray[Any] | Tensor


class Segmenter:
    """Predicts the class of each pixel (semantic segmentation).

    An image is a path, a tensor (3, H, W) as for `Predictor`, or an array (H, W, C) or (H, W) of
    numbers: uint8 is scaled to 0..1, other types are in the units of the training images. Several
    threads may use one segmenter.

    Args:
        weights: `photos-unet`, `unet-demo`, the path of a model file or of an exported `.onnx` or
            `.xml` file, or a loaded model, which is not changed.
        device: `auto` (a GPU if there is one), `cpu`, `cuda`, `cuda:1`, `mps`.
        engine: `torch`, `openvino`, `onnxruntime`, or `auto`, as for `Predictor`.
        precision: `fp32`, `bf16`, or `auto`: bf16 if the processor supports it natively. `int8` for
            other engines than torch.
        calibration: Photos to quantize weights with, for `precision="int8"`, as for `Predictor`.
        batch_size: Images per batch in `stream`.
        memory: Limit for the memory of the process, as for `Predictor`. `stream` reads fewer photos
            ahead where they would need more; a photo that does not fit alone is refused.
        progress: Called with the bytes downloaded and the total, while weights are downloaded.
        on_event: Called when weights are converted for another engine.

    Attributes:
        name: The weights: their name, the name of the file, or the architecture of a model.
        card: The model card.
        engine: The engine that runs it.
        parameters: Number of weights; None for exported files.
        plan: Predicts how much memory photos need.

    Raises:
        InputError: Weights are not available, or an option is out of range.
    """

    @checks_types
    def __init__(
        self,
        weights: str | Path | SegmenterModel,
        *,
        device: str | torch.device = "auto",
        engine: str = "auto",
        precision: str = "auto",
        calibration: str | Path | Sequence[ImageLike] | None = None,
        batch_size: int = 1,
        memory: str | int | None = None,
        progress: Callable[[int, int], None] | None = None,
        on_event: OnEvent = ignore,
    ) -> None:
        require_between(1, 1024, batch_size=batch_size)
        run = RunOptions(
            device=device,
            engine=engine,
            precision=precision,
            calibration=None if calibration is None else as_arrays(calibration),
            on_event=on_event,
        )
        loaded = choose_segmenter(weights, run, progress=progress)
        self.name, self.card, self.engine = loaded.name, loaded.card, loaded.engine
        self.device, self.dtype, self.parameters = loaded.device, loaded.dtype, loaded.parameters
        self.batch_size, self._runner = batch_size, loaded.runner
        self.plan = segmenter_plan(loaded, memory, batch_size)

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
        return self._runner.labels([self._prepare(image) for image in images])

    def stream(self, images: Iterable[ImageLike]) -> Iterator[NDArray[np.uint8]]:
        """The semantic map of one image after another, in order; memory use does not grow.

        Threads read and predict the next few images meanwhile, as in `Predictor.stream`.
        """
        budget, seen = look_within(
            self.plan,
            images,
            self._need,
            self._prepare,
            self._runner.labels,
            batch_size=self.batch_size,
            workers=workers_for(self.device, -(-length_hint(images, MANY) // self.batch_size)),
        )
        return raised(seen, name_of, budget)

    def probabilities(self, image: ImageLike) -> NDArray[np.float32]:
        """The probability of each class at each pixel: float32 (K, H, W), 0..1.

        Raises:
            InputError: The engine is not torch: others give only the best class's.
        """
        return self._runner.probabilities(self._prepare(image))

    def semantic_map(self, image: ImageLike) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The semantic map, uint8 (H, W), and its probabilities, float32 (H, W), 0..1."""
        return self._runner.semantic_map(self._prepare(image))

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

    def _prepare(self, image: ImageLike) -> Any:
        """What the runner takes.

        Raises:
            InputError: A file cannot be read or needs too much memory; or the image has other
                channels than those of the training.
        """
        is_file = isinstance(image, str | Path)
        self.plan.require(str(image) if is_file else "image", self._need(image))
        pixels = as_pixels(image)
        channels, expected = pixels.shape[2], len(self.card.preprocessing["mean"])
        if channels != expected and (channels, expected) != (3, 1):  # RGB is made grey
            name = f"{image}: " if is_file else ""
            raise InputError(
                f"{name}the image has {channels} channels, these weights take {expected}; "
                f"give an array of shape (H, W, {expected})"
            )
        return self._runner.prepare(pixels)

    def _need(self, image: ImageLike) -> Need:
        """The memory that an image needs."""
        if isinstance(image, str | Path):
            return self.plan.need_of_file(Path(image))
        shape = tuple(image.shape)
        if len(shape) not in (2, 3):  # which is refused later
            return NOTHING
        size_hw = shape[:2] if isinstance(image, np.ndarray) else shape[1:]
        return self.plan.need((size_hw[0], size_hw[1]), decoder=0)


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
