"""Pictures of the batches that a network is trained on."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instseg.core.instances import Instances
from instseg.files.image_writing import write_image
from instseg.training.detection import Detection
from instseg.training.loop import Trainer
from instseg.training.samples import collate
from instseg.visualize.contact_sheet import contact_sheet
from instseg.visualize.draw import draw_instances
from instseg.visualize.labels import as_photo, draw_labels

DRAWN_BATCHES = 4
COLUMNS = 4
SMALLEST_TILE, LARGEST_TILE = 160, 320  # of a picture of crops, in pixels


def draw_batches(
    trainer: Trainer, task: Detection, class_names: tuple[str, ...], path: Path
) -> None:
    """Draw the first batches as the network gets them: augmented, resized, with their targets."""
    write_image(path, detection_batches(trainer, task, class_names, batches=DRAWN_BATCHES))


def detection_batches(
    trainer: Trainer,
    task: Detection,
    class_names: tuple[str, ...],
    *,
    batches: int,
    most: int | None = None,
) -> NDArray[np.uint8]:
    """The first batches of Mask R-CNN: augmented, resized, with their targets.

    Args:
        trainer: The trainer.
        task: Its task.
        class_names: By class id.
        batches: How many.
        most: Images of each batch, at most.

    Returns:
        uint8 RGB (H, W, 3).
    """
    tiles = []
    transform = task.network.transform
    mean, std = (
        torch.tensor(v)[:, None, None] for v in (transform.image_mean, transform.image_std)
    )
    for keys in itertools.islice(itertools.chain.from_iterable(trainer.first_steps), batches):
        images, targets = collate([trainer.samples[key] for key in keys[:most]])
        batch, targets = task.to_batch(images, targets)
        for tensor, (height, width), target in zip(
            batch.tensors.cpu(), batch.image_sizes, targets, strict=True
        ):
            pixels = (tensor * std + mean)[:, :height, :width].clamp(0, 1) * 255
            instances = Instances(
                boxes=target["boxes"].cpu().numpy(),
                class_ids=target["labels"].cpu().numpy(),
                scores=torch.ones(len(target["labels"])).numpy(),
                masks=target["masks"].to_masks(),
                class_names=class_names,
            )
            picture = pixels.round().byte().permute(1, 2, 0).contiguous().numpy()
            caption = (
                f"{width} x {height}, {len(instances)} objects, {len(target['crowds'])} crowds"
            )
            tiles.append((draw_instances(picture, instances), caption, ""))
    return contact_sheet(tiles, columns=COLUMNS)


def semantic_batch(
    trainer: Trainer, class_names: tuple[str, ...], *, most: int
) -> NDArray[np.uint8]:
    """The first batch of a semantic network: augmented crops with their labels, ignored ones white.

    Args:
        trainer: The trainer.
        class_names: By label.
        most: Images, at most.

    Returns:
        uint8 RGB (H, W, 3).
    """
    tiles = []
    for key in trainer.plan[0][0][:most]:
        sample: tuple[Tensor, Tensor] = trainer.samples[key]
        photo, labels = as_photo(sample[0].permute(1, 2, 0).numpy()), sample[1].numpy()
        height, width = labels.shape
        caption = f"{width} x {height}, {trainer.samples.name_of(key)}"
        tiles.append((draw_labels(photo, labels, class_names), caption, ""))
    side = max(max(photo.shape[:2]) for photo, *_ in tiles)
    return contact_sheet(
        tiles, columns=COLUMNS, tile_px=min(max(side, SMALLEST_TILE), LARGEST_TILE)
    )
