"""What `instseg finetune` trains on and measures with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from instseg.atomic import replacing
from instseg.commands.terminal import console, error
from instseg.errors import InputError

if TYPE_CHECKING:
    from instseg.commands.finetune import FinetuneConfig
    from instseg.data.coco import CocoData
    from instseg.evaluation.validate import Example
    from instseg.training.loop import Trainer
    from instseg.training.samples import CocoSamples

DRAWN_BATCHES = 4


def sound_data(config: FinetuneConfig, coco_json: Path, images: Path) -> CocoData:
    """A dataset without errors that the doctor sees at a glance.

    Raises:
        InputError: It has some, and `skip_bad` is not set.
    """
    from instseg.data.coco import CocoData
    from instseg.doctor.examine import examine_document, quick_check, survey
    from instseg.doctor.repair import repair
    from instseg.doctor.table import read_document

    wrong = [f for f in quick_check(coco_json, images) if f.severity == "error"]
    if not wrong:
        return CocoData.read(coco_json, images)
    for each in wrong:
        error(f"{coco_json}: {each.code}, {each.count} times: {each.message}")
    if not config.skip_bad:
        raise InputError(
            f"{coco_json}: {len(wrong)} kinds of errors; `instseg doctor --coco-json {coco_json} "
            f"--images {images} --fix fixed.json` mends them, --skip-bad goes on without"
        )
    document = read_document(coco_json)
    around = survey(document, images, photos="no")
    healed, changes = repair(examine_document(document, around), around)
    path = config.out / f"sound_{coco_json.name}"
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(healed.document))
    console.print(f"{path}: the dataset after {len(changes)} changes, which is used")
    return CocoData.read(path, images)


def coco_samples(config: FinetuneConfig, data: CocoData, epochs: int) -> CocoSamples:
    """The photos of a dataset, augmented, in an order that suits it."""
    import numpy as np

    from instseg.data.transforms import DEFAULT_STEPS, parse_augmentations
    from instseg.training.samples import CocoSamples
    from instseg.training.sampling import Order, repeat_factors

    if not len(data):
        raise InputError(f"{config.coco_json}: has no images; give a dataset with photos")
    classes = [
        {a.category_id for a in data.annotations[image.id] if not a.iscrowd}
        for image in data.images
    ]
    order = Order(
        images=len(data),
        batch_size=config.batch_size,
        seed=config.seed,
        repeats=repeat_factors(classes, config.rare),
        groups=np.array([image.width > image.height for image in data.images]),
        empty=np.array([not each for each in classes]),
        empty_share=config.empty_share,
    )
    steps = DEFAULT_STEPS if config.augment is None else config.augment
    return CocoSamples(data, epochs, order, parse_augmentations(steps))


def scene_classes() -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names and dataset ids of the classes that scenes are drawn of, after background."""
    from instseg.classes import COCO_CATEGORY_IDS, COCO_CLASSES
    from instseg.data.scenes import SCENE_CLASSES

    ids = (COCO_CATEGORY_IDS[COCO_CLASSES.index(name)] for name in SCENE_CLASSES)
    return ("BG", *SCENE_CLASSES), (0, *ids)


def validation_data(config: FinetuneConfig) -> CocoData | None:
    """The photos to measure with, if there are any."""
    if config.val_coco_json is None:
        return None
    folder = config.val_images or config.images
    if folder is None:
        raise InputError("--val-coco-json needs --val-images, the folder of its photos")
    return sound_data(config, config.val_coco_json, folder)


def list_examples(config: FinetuneConfig, val: CocoData | None) -> Iterator[Example] | None:
    """Validation images with their truth; None without any."""
    from instseg.data.scenes import SceneConfig, draw_scene

    if val is not None:
        return (val.load(i) for i in range(len(val)))
    if config.val_scenes:
        scenes = (draw_scene(i, SceneConfig(seed=0)) for i in range(config.val_scenes))
        return ((scene.image, scene.instances) for scene in scenes)
    return None


def draw_batches(trainer: Trainer, class_names: tuple[str, ...], path: Path) -> None:
    """Draw what the network sees in its first batches: augmented, resized, with its targets."""
    import torch

    from instseg.image import write_image
    from instseg.instances import Instances, Masks
    from instseg.training.samples import collate
    from instseg.visualize.contact_sheet import contact_sheet
    from instseg.visualize.draw import draw_instances

    tiles = []
    transform = trainer.model.transform
    mean, std = (
        torch.tensor(v)[:, None, None] for v in (transform.image_mean, transform.image_std)
    )
    for keys in trainer.batches[:DRAWN_BATCHES]:
        images, targets = collate([trainer.dataset[key] for key in keys])
        batch, targets = trainer.to_batch(images, targets)
        for tensor, (height, width), target in zip(
            batch.tensors.cpu(), batch.image_sizes, targets, strict=True
        ):
            pixels = (tensor * std + mean)[:, :height, :width].clamp(0, 1) * 255
            instances = Instances(
                boxes=target["boxes"].cpu().numpy(),
                class_ids=target["labels"].cpu().numpy(),
                scores=torch.ones(len(target["labels"])).numpy(),
                masks=Masks.from_dense(target["masks"].cpu().numpy() > 0)
                if len(target["masks"])
                else Masks.empty((height, width)),
                class_names=class_names,
            )
            picture = pixels.round().byte().permute(1, 2, 0).contiguous().numpy()
            caption = (
                f"{width} x {height}, {len(instances)} objects, {len(target['crowds'])} crowds"
            )
            tiles.append((draw_instances(picture, instances), caption, ""))
    write_image(path, contact_sheet(tiles, columns=4))
