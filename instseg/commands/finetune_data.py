"""What `instseg finetune` trains on and measures with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from instseg.commands.terminal import console, error
from instseg.core.errors import InputError

if TYPE_CHECKING:
    from instseg.commands.finetune import FinetuneConfig
    from instseg.commands.train_unet import TrainUnetConfig
    from instseg.data.coco import CocoData
    from instseg.data.sampling import Order
    from instseg.training.samples import CocoSamples


def sound_data(
    config: FinetuneConfig | TrainUnetConfig, part: str, coco_json: Path, images: Path
) -> CocoData:
    """A dataset with photos, and without errors that the doctor sees at a glance.

    Args:
        config: The options of the run.
        part: What a repaired copy is called, `train` or `val`.
        coco_json: The dataset.
        images: Its photos.

    Raises:
        InputError: It has errors, and `skip_bad` is not set, or no images.
    """
    from instseg.data.coco import CocoData
    from instseg.doctor.examine import quick_check
    from instseg.system.processes import from_first, process_rank

    path, first = coco_json, process_rank() == 0
    wrong = [f for f in quick_check(coco_json, images) if f.severity == "error"]
    for each in wrong if first else []:
        error(f"{coco_json}: {each.code}, {each.count} times: {each.message}")
    if wrong and not config.skip_bad:
        raise InputError(
            f"{coco_json}: {len(wrong)} kinds of errors; `instseg doctor --coco-json {coco_json} "
            f"--images {images} --fix fixed.json` mends them, --skip-bad goes on without"
        )
    if wrong:
        path = config.out / f"sound_{part}.json"
        if first:
            changes = write_repaired(coco_json, images, path)
            console.print(f"{path}: the dataset after {changes} changes, which is used")
        from_first(None)
    data = CocoData.read(path, images)
    if not len(data):
        raise InputError(f"{coco_json}: has no images; give a dataset with photos")
    return data


def write_repaired(coco_json: Path, images: Path, path: Path) -> int:
    """Write what the doctor makes of a dataset; returns how much it has changed."""
    from instseg.doctor.repair import repair

    return len(repair(coco_json, images, out=path, photos="no").changes)


def coco_samples(config: FinetuneConfig, data: CocoData) -> CocoSamples:
    """The photos of a dataset, augmented, in an order that suits it."""
    import numpy as np

    from instseg.data.augmentation import DEFAULT_STEPS, parse_augmentations
    from instseg.data.sampling import Order, repeat_factors
    from instseg.system.processes import process_count, process_rank
    from instseg.training.samples import CocoSamples

    classes = [
        {a.category_id for a in data.annotations[image.id] if not a.iscrowd}
        for image in data.images
    ]
    order = Order(
        rank=process_rank(),
        world_size=process_count(),
        images=len(data),
        batch_size=config.batch_size,
        seed=config.seed,
        repeats=repeat_factors(classes, config.rare),
        groups=np.array([image.width > image.height for image in data.images]),
        empty=np.array([not each for each in classes]),
        empty_share=config.empty_share,
    )
    steps = DEFAULT_STEPS if config.augment is None else config.augment
    return CocoSamples(data, epochs_of(config, order), order, parse_augmentations(steps))


def epochs_of(config: FinetuneConfig, order: Order) -> int:
    """How often all photos are seen."""
    from instseg.commands.finetune_start import stages_of
    from instseg.training.recipe import usual_epochs

    usual = usual_epochs(order.images)
    if config.max_steps is not None and config.epochs is None:
        shortest = min(len(order.batches(epoch)) for epoch in range(3)) // config.accumulate
        usual = -(-config.max_steps // max(shortest, 1)) + 1
    return sum(epochs for _, epochs in stages_of(config, config.epochs or usual))


def scene_classes() -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names and dataset ids of the classes that scenes are drawn of, after background."""
    from instseg.core.classes import COCO_CATEGORY_IDS, COCO_CLASSES
    from instseg.scenes.scene import SCENE_CLASSES

    ids = (COCO_CATEGORY_IDS[COCO_CLASSES.index(name)] for name in SCENE_CLASSES)
    return ("BG", *SCENE_CLASSES), (0, *ids)


def validation_data(config: FinetuneConfig, class_names: tuple[str, ...]) -> CocoData | None:
    """The photos to measure with, if there are any.

    Raises:
        InputError: They have no object of a class that is trained.
    """
    val = _validation_data(config)
    if val is None:
        return None
    names = dict(zip(val.category_ids, val.class_names, strict=True))
    seen = {names[a.category_id] for a in val.dataset.annotations if not a.iscrowd}
    if not seen & set(class_names):
        raise InputError(
            f"{val.coco_json}: has no objects of the classes that are trained, so nothing could be "
            f"measured; it has {', '.join(sorted(seen)[:8]) or 'no objects at all'}"
        )
    return val


def _validation_data(config: FinetuneConfig) -> CocoData | None:
    """The same, not looked at; drawn scenes are written down for it."""
    from instseg.data.coco import CocoData
    from instseg.scenes.scene import SceneConfig, write_scenes
    from instseg.system.processes import from_first, process_rank

    if config.val_scenes:
        folder = config.out / "val_scenes"
        if process_rank() == 0:
            write_scenes(folder, config.val_scenes, SceneConfig(seed=0))
        from_first(None)
        return CocoData.read(folder / "annotations.json", folder / "images")
    if config.val_coco_json is None:
        return None
    images = config.val_images or config.images
    if images is None:
        raise InputError("--val-coco-json needs --val-images, the folder of its photos")
    return sound_data(config, "val", config.val_coco_json, images)
