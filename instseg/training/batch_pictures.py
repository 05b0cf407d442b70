"""Pictures of the batches that a network is trained on."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch

from instseg.core.instances import Instances
from instseg.files.image import write_image
from instseg.training.detection import Detection
from instseg.training.loop import Trainer
from instseg.training.samples import collate
from instseg.visualize.contact_sheet import contact_sheet
from instseg.visualize.draw import draw_instances

DRAWN_BATCHES = 4


def draw_batches(
    trainer: Trainer, task: Detection, class_names: tuple[str, ...], path: Path
) -> None:
    """Draw the first batches as the network gets them: augmented, resized, with their targets."""
    tiles = []
    transform = task.network.transform
    mean, std = (
        torch.tensor(v)[:, None, None] for v in (transform.image_mean, transform.image_std)
    )
    for keys in itertools.islice(itertools.chain.from_iterable(trainer.plan), DRAWN_BATCHES):
        images, targets = collate([trainer.samples[key] for key in keys])
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
    write_image(path, contact_sheet(tiles, columns=4))
