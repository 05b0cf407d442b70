"""Augmentation of training photos and masks: torchvision's transforms, and copy-paste."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from instseg.core.instances import Instances
from instseg.core.masks import Masks
from instseg.data.augmentation_steps import Step, apply_steps, parse_step
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
        channels: Channels of the images.
        dtype: Type of the images; unless they are uint8 RGB, borders are 0.

    Raises:
        InputError: A step is unknown, has wrong arguments, or does not support such images.
    """
    stages: list[tuple[Step, ...] | CopyPaste] = []
    for entry in steps:
        step = parse_step(entry, channels, dtype)
        if isinstance(step, CopyPaste):
            stages.append(step)
        elif stages and isinstance(stages[-1], tuple):
            stages[-1] = (*stages[-1], step)
        else:
            stages.append((step,))
    return Augmentation(stages=tuple(stages))


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
    changed, labels, corners = apply_steps(steps, image, labels, boxes.corners())
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
