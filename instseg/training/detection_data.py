"""Training and validation data of `finetune`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from instseg.core.classes import COCO_CATEGORY_IDS, COCO_CLASSES
from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import Notice, OnEvent, Warned, ignore
from instseg.core.wording import count, some
from instseg.data.augmentation import DEFAULT_STEPS, parse_augmentations
from instseg.data.coco import CocoData
from instseg.data.labels import PSEUDO, TrainingLabels
from instseg.data.sampling import Order, raise_share, repeat_factors
from instseg.scenes.scene import SCENE_CLASSES, SceneConfig, write_scenes
from instseg.system.processes import from_first, process_count, process_rank
from instseg.training.samples import CocoSamples
from instseg.training.tile_samples import TileSamples


def coco_samples(
    data: CocoData,
    *,
    epochs_of: Callable[[Order | TileSamples], int],
    batch_size: int,
    seed: int,
    repeat_threshold: float,
    empty_share: float | None,
    augment: Sequence[Any] | None,
    pseudo: tuple[float, float] = PSEUDO,
    mask_share: float | None = None,
    tile: int | None = None,
) -> CocoSamples:
    """The augmented photos of a dataset, or windows of them, in batches for each epoch.

    Args:
        data: The dataset.
        epochs_of: Chooses the number of epochs for an order of photos, or for windows.
        batch_size: Photos per batch, in each process.
        seed: Random seed of order and augmentation.
        repeat_threshold: See `repeat_factors`.
        empty_share: See `Order`.
        augment: Augmentation steps; None for the default.
        pseudo: See `TrainingLabels`.
        mask_share: Minimum share of photos with masks in an epoch, below 1; with it, they and the
            others are in different batches. None leaves them as they are.
        tile: Side of the windows in pixels; None takes whole photos.
    """
    labels = TrainingLabels(data=data, pseudo=pseudo)
    classes = [labels.classes(row) for row in range(len(data))]
    repeats = repeat_factors(classes, repeat_threshold)
    groups = np.array([image.width > image.height for image in data.images], dtype=np.int64)
    if mask_share is not None:
        masked = np.array([labels.has_masks(row) for row in range(len(data))])
        if mask_share and not masked.any():
            raise ArgumentError(f"{data.coco_json}: has no masks, so there is no {{mask_share}}")
        repeats = raise_share(repeats, masked, mask_share)
        groups += 2 * masked
    order = Order(
        rank=process_rank(),
        world_size=process_count(),
        images=len(data),
        batch_size=batch_size,
        seed=seed,
        repeats=repeats,
        groups=groups,
        empty=np.array([not each for each in classes]),
        empty_share=empty_share,
    )
    steps = DEFAULT_STEPS if augment is None else augment
    augmentation = parse_augmentations(steps)
    if tile is not None:
        windows = TileSamples(data, 0, order, augmentation, pseudo, tile=tile)
        return replace(windows, epochs=epochs_of(windows))
    return CocoSamples(data, epochs_of(order), order, augmentation, pseudo)


def epochs_for_steps(order: Order | TileSamples, max_steps: int, accumulated: int) -> int:
    """A number of epochs that is enough for a number of optimizer steps."""
    if isinstance(order, Order):
        shortest = min(len(order.batches(epoch)) for epoch in range(3)) // accumulated
        return -(-max_steps // max(shortest, 1)) + 1
    epochs = steps = 0
    while steps < max_steps:  # the number of windows changes from epoch to epoch
        steps += -(-len(order.batches(epochs)) // accumulated)
        epochs += 1
    return epochs


def tell_windows(samples: TileSamples, on_event: OnEvent) -> None:
    """Tell the number of windows, or warn that no photo is larger than one."""
    data, tile = samples.data, samples.tile
    if all(max(image.width, image.height) <= tile for image in data.images):
        text = f"no photo is larger than a tile of {tile} px, so all are used whole"
        on_event(Warned(text=f"{data.coco_json}: {text}"))
        return
    number = count(samples.images, "window")
    text = f"{number} of {tile} px in the first epoch, of {count(len(data), 'photo')}"
    on_event(Notice(text=f"{data.coco_json}: {text}"))


def scene_classes() -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names and dataset ids of the classes in drawn scenes, after the background."""
    ids = (COCO_CATEGORY_IDS[COCO_CLASSES.index(name)] for name in SCENE_CLASSES)
    return ("BG", *SCENE_CLASSES), (0, *ids)


def drawn_for_validation(folder: Path, scenes: int) -> CocoData:
    """Scenes of 320 px, drawn by the first process."""
    if process_rank() == 0:
        write_scenes(folder, scenes, SceneConfig(seed=0))
    from_first(None)  # the others wait for the files
    return CocoData.read(folder / "annotations.json", folder / "images")


def check_validation_classes(
    val: CocoData, class_names: tuple[str, ...], on_event: OnEvent = ignore
) -> None:
    """Warn of classes of the validation data that are not trained.

    Raises:
        InputError: None of its objects is of a class that is trained.
    """
    names = dict(zip(val.category_ids, val.class_names, strict=True))
    seen = {names[a.category_id] for a in val.dataset.annotations if not a.iscrowd}
    if not seen & set(class_names):
        raise InputError(
            f"{val.coco_json}: has no objects of the trained classes, so nothing can be "
            f"measured; it has {', '.join(sorted(seen)[:8]) or 'no objects at all'}"
        )
    if others := sorted(seen - set(class_names)):
        on_event(
            Warned(
                text=f"{val.coco_json}: has objects of {count(len(others), 'class')} not trained, "
                f"which count as 0 in the mean AP: {some(others)}"
            )
        )
