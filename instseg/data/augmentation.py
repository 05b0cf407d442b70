"""Augmentation of training photos and masks: torchvision's v2 transforms, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from instseg.core.errors import InputError
from instseg.core.instances import Instances
from instseg.core.masks import Masks
from instseg.data.boxes import Boxes
from instseg.data.copy_paste import CopyPaste, paste, remaining
from instseg.data.label_maps import from_label_maps, to_label_maps

Sample = tuple[NDArray[np.uint8], Instances, Masks]
BoxedSample = tuple[NDArray[np.uint8], Instances, Masks, Boxes]
Other = Callable[[], tuple[NDArray[np.uint8], Instances]]

# For small datasets: objects stay upright and nearly keep their colours (and fully their hue:
# changing it takes as long as all the rest). The scale changes within the size of the photo:
# a network that resizes its photos would undo ScaleJitter. For large-scale jitter as in papers,
# give ScaleJitter, and RandomCrop after it, one fixed size.
DEFAULT_STEPS: tuple[Mapping[str, Mapping[str, Any]], ...] = (
    {"RandomHorizontalFlip": {"p": 0.5}},
    {"ColorJitter": {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2}},
    {"RandomAffine": {"degrees": 0, "translate": [0.1, 0.1], "scale": [0.75, 1.33]}},
)

# Defaults that differ from torchvision's: empty borders have ImageNet's mean colour, photos are
# rotated with bilinear interpolation, and photos smaller than the crop are padded, not refused.
DEFAULT_ARGUMENTS = {
    "fill": (124, 116, 104),
    "interpolation": v2.InterpolationMode.BILINEAR,
    "pad_if_needed": True,
}


class _Labels(tv_tensors.Mask):
    """Label maps, resized by "nearest-exact": torchvision's masks are off by half a pixel."""


@F.register_kernel(F.resize, _Labels)
def _resize(labels: _Labels, size: list[int], **_: Any) -> _Labels:
    exact = v2.InterpolationMode.NEAREST_EXACT
    return _Labels(F.resize_image(labels.as_subclass(torch.Tensor), size, interpolation=exact))


@F.register_kernel(F.resized_crop, _Labels)
def _resized_crop(
    labels: _Labels, top: int, left: int, height: int, width: int, size: list[int], **_: Any
) -> _Labels:
    return _resize(F.crop(labels, top, left, height, width), size)


class _AtLeastOnePixel:
    """Prevents scaling long, narrow photos to a width of 0, where torchvision fails."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The new size: see torchvision."""
        height, width = super().make_params(flat_inputs)["size"]  # type: ignore[misc]
        return {"size": (max(height, 1), max(width, 1))}


class _ScaleJitter(_AtLeastOnePixel, v2.ScaleJitter):
    """Torchvision's."""


class _RandomShortestSize(_AtLeastOnePixel, v2.RandomShortestSize):
    """Torchvision's."""


# Without RandomIoUCrop: it needs boxes, and may not terminate on a photo without any.
_KINDS: dict[str, type[Any]] = {
    "RandomHorizontalFlip": v2.RandomHorizontalFlip,
    "RandomVerticalFlip": v2.RandomVerticalFlip,
    "RandomRotation": v2.RandomRotation,
    "RandomAffine": v2.RandomAffine,
    "RandomPerspective": v2.RandomPerspective,
    "ElasticTransform": v2.ElasticTransform,
    "RandomCrop": v2.RandomCrop,
    "RandomResizedCrop": v2.RandomResizedCrop,
    "RandomZoomOut": v2.RandomZoomOut,
    "ScaleJitter": _ScaleJitter,
    "RandomShortestSize": _RandomShortestSize,
    "ColorJitter": v2.ColorJitter,
    "RandomGrayscale": v2.RandomGrayscale,
    "RandomAdjustSharpness": v2.RandomAdjustSharpness,
    "RandomPosterize": v2.RandomPosterize,
    "RandomSolarize": v2.RandomSolarize,
    "RandomAutocontrast": v2.RandomAutocontrast,
    "RandomEqualize": v2.RandomEqualize,
    "GaussianBlur": v2.GaussianBlur,
    "CopyPaste": CopyPaste,
}
AUGMENTATION_NAMES = tuple(_KINDS)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One of torchvision's transforms.

    Attributes:
        transform: Applied to a photo and its label maps.
        least_side: Photos with a shorter side are not transformed, because the transform fails.
    """

    transform: v2.Transform
    least_side: int


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Augments a training photo and its masks: a pure function of its arguments and the seed.

    Attributes:
        stages: Applied in order; each is a sequence of torchvision's transforms or a copy-paste.
    """

    stages: tuple[tuple[Step, ...] | CopyPaste, ...]

    def __call__(
        self,
        image: NDArray[np.uint8],
        instances: Instances,
        crowds: Masks,
        *,
        seed: int | Sequence[int],
        other: Other | None = None,
    ) -> Sample:
        """The augmented photo with its objects and crowd regions; without stages, the arguments.

        Boxes are those of the new masks; objects that have nearly vanished are removed (see
        `remaining` in copy_paste.py), and so are vanished crowd regions. Borders that a transform
        leaves empty are grey background. Torch's global random state is restored.

        Args:
            image: uint8 RGB (H, W, 3); not modified.
            instances: Its objects.
            crowds: Its crowd regions.
            seed: Integers of 0 or more that determine all random numbers.
            other: Returns the photo and objects to paste from, to which the transforms before
                CopyPaste are applied as well; called only to paste. CopyPaste needs it.
        """
        none = Boxes.empty()
        return self.with_boxes(image, instances, crowds, none, seed=seed, other=other)[:3]

    def with_boxes(
        self,
        image: NDArray[np.uint8],
        instances: Instances,
        crowds: Masks,
        boxes: Boxes,
        *,
        seed: int | Sequence[int],
        other: Other | None = None,
    ) -> BoxedSample:
        """The same for a photo that also has boxes without masks.

        They are neither pasted nor covered by what is pasted; their points are.

        Args:
            image: See above, as all others.
            instances: Its objects with masks.
            crowds: Its crowd regions with masks.
            boxes: Its objects and ignored regions without masks.
            seed: Of all random numbers.
            other: Where CopyPaste pastes from.

        Returns:
            As above, and the boxes around the changed boxes, clipped to the photo; zeros for those
            that have nearly vanished, or wholly, if they are ignored. Points that have left the
            photo or are covered are none.
        """
        sample: BoxedSample = (image, instances, crowds, boxes)
        seeds = np.random.SeedSequence(seed).generate_state(2 * len(self.stages)).tolist()
        with torch.random.fork_rng(devices=[]):
            for number, stage in enumerate(self.stages):
                # not torch.manual_seed, which seeds the GPUs too
                torch.default_generator.manual_seed(seeds[2 * number])
                if not isinstance(stage, CopyPaste):
                    sample = _transform(stage, *sample)
                elif torch.rand(()) < stage.p:
                    earlier = self.stages[:number]
                    moves = tuple(each for each in earlier if not isinstance(each, CopyPaste))
                    before = Augmentation(stages=moves)
                    pasted = _copy_paste(stage, sample[:3], other, before, seeds[2 * number + 1])
                    covered = (pasted[0] != sample[0]).any(axis=2)
                    sample = (*pasted, sample[3].uncovered(covered))
        return sample


def parse_augmentations(
    steps: Sequence[Any], *, channels: int = 3, dtype: torch.dtype = torch.uint8
) -> Augmentation:
    """The augmentation that a config describes.

    Args:
        steps: Each a name of AUGMENTATION_NAMES, or one name with its arguments, as
            `{"RandomRotation": {"degrees": 10}}`. Names and arguments are those of
            torchvision.transforms.v2, and CopyPaste's; with other defaults for `fill`,
            `interpolation` and `pad_if_needed` (DEFAULT_ARGUMENTS).
        channels: Channels of
            the images.
        dtype: Type of the images; unless they are uint8 RGB, borders are 0.

    Raises:
        InputError: A step is unknown, has wrong arguments, or does not support such images.
    """
    stages: list[tuple[Step, ...] | CopyPaste] = []
    for entry in steps:
        step = _parse_step(entry, channels, dtype)
        if isinstance(step, CopyPaste):
            stages.append(step)
        elif stages and isinstance(stages[-1], tuple):
            stages[-1] = (*stages[-1], step)
        else:
            stages.append((step,))
    return Augmentation(stages=tuple(stages))


def _parse_step(entry: Any, channels: int, dtype: torch.dtype) -> Step | CopyPaste:
    pairs = list(entry.items()) if isinstance(entry, Mapping) else [(entry, None)]
    if len(pairs) != 1 or not isinstance(pairs[0][1], Mapping | None):
        raise InputError(f"augmentation {entry}: write it as a name, or as name: {{arguments}}")
    name, given = pairs[0]
    if name not in AUGMENTATION_NAMES:
        raise InputError(f"augmentation {name}: take one of {', '.join(AUGMENTATION_NAMES)}")
    kind = _KINDS[name]
    known = inspect.signature(kind).parameters
    defaults = {key: value for key, value in DEFAULT_ARGUMENTS.items() if key in known}
    if "fill" in known and (channels, dtype) != (3, torch.uint8):
        defaults["fill"] = 0
    try:
        step = kind(**_arguments({**defaults, **(given or {})}))
        if isinstance(step, CopyPaste):
            return step
        return _tried(step, channels, dtype)
    except Exception as error:  # torchvision checks some arguments late, with various errors
        reason = " ".join(str(error).split())
        raise InputError(
            f"augmentation {name}: {reason}; its arguments are {', '.join(known)}"
        ) from error


def _arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for torchvision, from those of a config."""
    arguments = dict(given)
    if "fill" in arguments:  # masks have no fill: their borders are background
        arguments["fill"] = {
            tv_tensors.Image: arguments["fill"],
            _Labels: None,
            tv_tensors.BoundingBoxes: None,
        }
    if "interpolation" in arguments:
        arguments["interpolation"] = v2.InterpolationMode(arguments["interpolation"])
    return arguments


def _tried(transform: v2.Transform, channels: int, dtype: torch.dtype) -> Step:
    """The transform as a step, after a trial with any probability."""
    blur = max([*getattr(transform, "kernel_size", ()), 0]) // 2
    if isinstance(transform, v2.ElasticTransform):
        blur = int(8 * max(transform.sigma) + 1) // 2
    step = Step(transform=transform, least_side=max(2, blur + 1))  # a blur mirrors its borders
    side = max(64, step.least_side)
    trial = [
        tv_tensors.Image(torch.zeros(channels, side, side, dtype=dtype)),
        _Labels(torch.zeros(1, side, side, dtype=torch.uint8)),
        tv_tensors.BoundingBoxes(
            torch.tensor([[8.0, 8, 24, 24]]), format="XYXY", canvas_size=(side, side)
        ),
    ]
    with torch.random.fork_rng(devices=[]):
        transform(*trial)
        params = transform.make_params(trial)
        for each in trial:
            transform.transform(each, params)
    return step


def _copy_paste(
    step: CopyPaste, sample: Sample, other: Other | None, before: Augmentation, seed: int
) -> Sample:
    """Paste some objects of the other photo, after the earlier stages, at a random place."""
    if other is None:
        raise ValueError("other: expected a function that returns a photo for CopyPaste, got None")
    image, instances = other()
    image, instances, _ = before(image, instances, Masks.empty(instances.size_hw), seed=seed)
    chosen = instances[step.choose(len(instances))]
    room = np.subtract(sample[1].size_hw, instances.size_hw)
    y, x = (int(torch.randint(min(r, 0), max(r, 0) + 1, ())) for r in room.tolist())
    return paste(*sample, image, chosen, (y, x))


def _transform(
    steps: Sequence[Step],
    image: NDArray[np.uint8],
    instances: Instances,
    crowds: Masks,
    boxes: Boxes,
) -> BoxedSample:
    """Apply torchvision's transforms to a photo, all its masks, and its boxes without masks.

    If there are too many label maps for one pass, the others follow in further passes with the same
    random numbers.
    """
    masks = Masks.concatenate([instances.masks, crowds])
    chance = torch.default_generator.get_state()
    labels, places = to_label_maps(masks)
    changed, labels, corners = _apply(steps, image, labels, boxes.corners())
    parts, rows = [from_label_maps(labels, places)], list(places)
    while len(rows) < len(masks):
        torch.default_generator.set_state(chance)
        left = np.setdiff1d(np.arange(len(masks)), rows)
        labels, places = to_label_maps(masks[left])
        parts.append(from_label_maps(apply_steps(steps, image, labels)[1], places))
        rows += left[list(places)].tolist()
    moved = Masks.concatenate(parts)[np.argsort(rows)]
    crowds = moved[len(instances) :]
    kept = remaining(instances, moved[: len(instances)])
    return changed, kept, crowds[crowds.areas() > 0], boxes.moved(corners)


def apply_steps(
    steps: Sequence[Step], image: NDArray[Any], labels: NDArray[np.uint8]
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Apply transforms to an image (H, W, C) and label maps (P, H, W), at least one.

    They use torch's global random state. Empty borders have label 0.
    """
    return _apply(steps, image, labels, np.zeros((0, 4), dtype=np.float32))[:2]


def _apply(
    steps: Sequence[Step],
    image: NDArray[Any],
    labels: NDArray[np.uint8],
    boxes: NDArray[np.float32],
) -> tuple[NDArray[Any], NDArray[np.uint8], NDArray[np.float32]]:
    """The same with boxes, float32 (M, 4) xyxy."""
    inputs = [
        tv_tensors.Image(torch.from_numpy(image.copy()).permute(2, 0, 1)),
        _Labels(torch.from_numpy(labels)),
    ]
    if len(boxes):  # a transform of no boxes takes time too
        corners = torch.from_numpy(boxes.copy())
        size: Any = image.shape[:2]
        inputs.append(tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=size))
    for step in steps:
        if min(inputs[0].shape[-2:]) >= step.least_side:
            inputs = list(step.transform(*inputs))
    photo, planes = inputs[0].permute(1, 2, 0).numpy(), inputs[1].numpy()
    moved = inputs[2].as_subclass(torch.Tensor).numpy() if len(boxes) else boxes
    return np.ascontiguousarray(photo), planes, moved
