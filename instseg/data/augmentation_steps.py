"""The steps of an augmentation: torchvision's v2 transforms, by name, for photos and label maps."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from instseg.core.errors import InputError
from instseg.data.copy_paste import CopyPaste

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

NO_BOXES = np.zeros((0, 4), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One of torchvision's transforms.

    Attributes:
        transform: Applied to a photo and its label maps.
        least_side: Photos with a shorter side are not transformed, because the transform fails.
    """

    transform: v2.Transform
    least_side: int


def parse_step(entry: Any, channels: int, dtype: torch.dtype) -> Step | CopyPaste:
    """The step that an entry of `parse_augmentations` describes; raises InputError as it does."""
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


def apply_steps(
    steps: Sequence[Step],
    image: NDArray[Any],
    labels: NDArray[np.uint8],
    boxes: NDArray[np.float32] = NO_BOXES,
) -> tuple[NDArray[Any], NDArray[np.uint8], NDArray[np.float32]]:
    """Apply transforms to an image, its label maps and its boxes.

    They use torch's global random state. Empty borders have label 0.

    Args:
        steps: The transforms, in order.
        image: (H, W, C); not modified.
        labels: uint8 (P, H, W), at least one map.
        boxes: float32 (M, 4) xyxy; not modified.
    """
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
