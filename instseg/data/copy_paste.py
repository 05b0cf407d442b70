"""Simple Copy-Paste: pastes objects of one photo onto another, where they occlude others."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from instseg.core.instances import Instances
from instseg.core.masks import Masks
from instseg.data.boxes import ENOUGH_PIXELS, ENOUGH_SHARE


@dataclass(frozen=True)
class CopyPaste:
    """Pastes a random subset of the objects of another photo onto a photo.

    From "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation"
    (Ghiasi et al., CVPR 2021), without blending, which the paper found unnecessary.

    Args:
        p: Share of the photos to paste onto, 0..1.
        most: Maximum number of objects pasted onto a photo; None for no limit.
    """

    p: float = 0.5
    most: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise ValueError(f"p: expected 0..1, got {self.p}")
        if self.most is not None and self.most < 1:
            raise ValueError(f"most: expected 1 or more, got {self.most}")

    def choose(self, count: int) -> NDArray[np.int64]:
        """Rows of 1 to `most` of `count` objects, in order, by torch's global generator."""
        most = min(count, self.most or count)
        number = int(torch.randint(most, ())) + 1 if most else 0
        return np.sort(torch.randperm(count)[:number].numpy())


def paste(
    image: NDArray[np.uint8],
    instances: Instances,
    crowds: Masks,
    other_image: NDArray[np.uint8],
    pasted: Instances,
    offset_yx: tuple[int, int],
) -> tuple[NDArray[np.uint8], Instances, Masks]:
    """Paste objects of another photo onto a photo, at their own scale.

    Args:
        image: uint8 RGB (H, W, 3); not modified.
        instances: Its objects.
        crowds: Its crowd regions.
        other_image: uint8 RGB, of any size.
        pasted: Objects of the other photo, with the same class names.
        offset_yx: Position of the other photo's first pixel, of any sign.

    Returns:
        The photo with the pasted objects; its own objects that are still visible, then the pasted
        ones that are inside; its crowd regions that are still visible.
    """
    size_hw = instances.size_hw
    added = remaining(pasted, pasted.masks.placed(offset_yx, size_hw))
    cover = added.masks.union().dense(0)
    ys, xs = np.nonzero(cover)
    canvas = image.copy()
    canvas[ys, xs] = other_image[ys - offset_yx[0], xs - offset_yx[1]]
    showing = remaining(instances, _without(instances.masks, cover))
    crowds = _without(crowds, cover)
    crowds = crowds[crowds.areas() > 0]
    return canvas, Instances.concatenate([showing, added]), crowds


def remaining(instances: Instances, masks: Masks) -> Instances:
    """Instances with new masks and their boxes, without objects that have nearly vanished.

    An object is kept if 16 pixels or a tenth of its pixels are left, which keeps small objects;
    with less it cannot be recognised.

    Args:
        instances: N objects before the change.
        masks: N masks after it, of any image size.
    """
    enough = np.clip(ENOUGH_SHARE * instances.masks.areas(), 1, ENOUGH_PIXELS)
    changed = dataclasses.replace(instances, masks=masks, boxes=masks.boxes_xyxy())
    return changed[masks.areas() >= enough]


def _without(masks: Masks, cover: NDArray[np.bool_]) -> Masks:
    """Masks less the pixels of `cover`, bool (H, W)."""
    crops = [
        crop & ~cover[window] for crop, window in zip(masks.crops, masks.windows(), strict=True)
    ]
    return Masks.from_crops(crops, masks.offsets_yx, masks.size_hw)
