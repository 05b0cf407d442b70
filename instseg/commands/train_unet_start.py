"""What `instseg train-unet` starts from, and the trainer it makes of the options."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instseg.commands.terminal import download_bar, table
from instseg.core.errors import InputError

if TYPE_CHECKING:
    from instseg.commands.train_unet import TrainUnetConfig
    from instseg.data.sampling import Order
    from instseg.data.semantic_data import SemanticData, Statistics
    from instseg.models.segmenters import SegmenterModel
    from instseg.training.loop import Trainer
    from instseg.training.recipe import Recipe
    from instseg.training.segmentation import Segmentation

LARGEST_CROP = 512  # unless another is asked for
FROM_SCRATCH = 4  # times as many epochs as fine-tuning has


def make_trainer(
    config: TrainUnetConfig, data: SemanticData, statistics: Statistics
) -> tuple[Trainer, Segmentation, SegmenterModel]:
    """The trainer, its task, and the model whose network it trains, from the options."""
    import torch

    from instseg.data.sampling import Order
    from instseg.data.semantic_augmentation import default_steps, parse_semantic_augmentations
    from instseg.system.device import choose_device, choose_dtype
    from instseg.system.processes import process_count, process_device, process_rank
    from instseg.training.loop import Trainer
    from instseg.training.losses import parse_loss
    from instseg.training.segmentation import Segmentation, SemanticSamples

    torch.manual_seed(config.seed)  # a new network is drawn at random
    device = choose_device(process_device(config.device))
    image, _ = data.load(0)  # all are of its channels and dtype
    channels = image.shape[2]
    prepare = preprocessing_of(config, image, statistics)
    if config.weights:
        model = known_model(config, config.weights, data, prepare)
    else:
        model = new_model(config, data, prepare)
    made_grey = (channels, model.in_channels, image.dtype) == (3, 1, np.uint8)
    if channels != model.in_channels and not made_grey:
        raise InputError(
            f"{config.weights}: takes {model.in_channels} channels, the images have {channels}; "
            "start without --weights"
        )
    counts = statistics.class_pixels.sum(axis=0).tolist()
    loss = parse_loss(config.loss, class_counts=lambda: counts)
    task = Segmentation(model.network, model.normalise, loss)
    size = model.card.preprocessing["min_size"]
    side = size or math.isqrt(int(np.median(statistics.pixels)))
    steps = default_steps(channels) if config.augment is None else config.augment
    order = Order(
        images=len(data),
        batch_size=config.batch_size,
        seed=config.seed,
        rank=process_rank(),
        world_size=process_count(),
    )
    samples = SemanticSamples(
        data=data,
        epochs=epochs_of(config, order),
        order=order,
        augmentation=parse_semantic_augmentations(steps, channels=channels, dtype=image.dtype),
        min_size=size,
        crop=config.crop or min(side, LARGEST_CROP),
    )
    dtype = choose_dtype(config.precision, device)
    recipe = recipe_of(config, sum(map(len, samples.batches(0))))
    return Trainer(task, samples, recipe, device, dtype), task, model


def preprocessing_of(
    config: TrainUnetConfig, image: NDArray[Any], statistics: Statistics
) -> dict[str, Any]:
    """Photos are normalised as for ImageNet, all else by its own mean and standard deviation."""
    from instseg.files.model_file import ARRAYS, PHOTOS
    from instseg.models.segmenters import PREPROCESSING

    of_photos = image.dtype == np.uint8 and image.shape[2] in (1, 3)
    kind = PHOTOS if of_photos else ARRAYS
    found = {**PREPROCESSING, "min_size": config.size, "input": kind}
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return found
    unit = 255 if image.dtype == np.uint8 else 1
    std = np.where(statistics.std > 0, statistics.std, 1)
    return {**found, "mean": (statistics.mean / unit).tolist(), "std": (std / unit).tolist()}


def new_model(
    config: TrainUnetConfig, data: SemanticData, preprocessing: dict[str, Any]
) -> SegmenterModel:
    """A network that has learnt nothing, but for its encoder."""
    from instseg.models.segmenters import fresh_segmenter

    return fresh_segmenter(
        config.architecture,
        data.class_names,
        data.category_ids,
        encoder_weights=config.encoder_weights,
        preprocessing=preprocessing,
        **({} if config.skips else {"skips": False}),
    )


def known_model(
    config: TrainUnetConfig, weights: str, data: SemanticData, preprocessing: dict[str, Any]
) -> SegmenterModel:
    """The network of other weights, with outputs for the classes of the data.

    Images are normalised as for a new network, as those that it has seen may have had other units;
    only photos that are made grey for it are normalised as those were.
    """
    from instseg.models.heads import match_classes
    from instseg.models.segmenters import load_segmenter
    from instseg.models.semantic_heads import with_classes

    with download_bar() as update:
        model = load_segmenter(weights, progress=update)
    sources = match_classes(model.card.class_names[1:], data.class_names[1:])
    table(["class", "starts from"], [(n, sources.get(n, "nothing")) for n in data.class_names[1:]])
    new = with_classes(model, data.class_names, data.category_ids, sources)
    prepare = dict(new.card.preprocessing)
    if len(preprocessing["mean"]) == model.in_channels:
        prepare |= {key: preprocessing[key] for key in ("mean", "std", "input")}
    if config.size is not None:
        prepare |= {"min_size": config.size, "max_size": None}
    return dataclasses.replace(new, card=dataclasses.replace(new.card, preprocessing=prepare))


def epochs_of(config: TrainUnetConfig, order: Order) -> int:
    """How often all images are seen."""
    from instseg.training.recipe import usual_epochs

    if config.epochs is not None:
        return config.epochs
    if config.max_steps is not None:
        return math.ceil(config.max_steps * config.accumulate / len(order.batches(0)))
    return usual_epochs(order.images) * (1 if config.weights else FROM_SCRATCH)


def recipe_of(config: TrainUnetConfig, images: int) -> Recipe:
    """The options that say how to train, where an epoch has so many images."""
    from instseg.system.processes import process_count
    from instseg.training.recipe import Recipe, usual_learning_rate

    given = vars(config)
    shared = {f.name: given[f.name] for f in dataclasses.fields(Recipe)}
    if config.optimizer == "adam":
        shared |= {"optimizer": "adamw", "weight_decay": 0.0}
    if config.learning_rate is None:
        of_step = min(config.batch_size * config.accumulate, images) * process_count()
        fresh = not config.weights and config.encoder_weights == "none"
        usual = rate_from_scratch if fresh else usual_learning_rate
        shared["learning_rate"] = usual(shared["optimizer"], of_step)
    return Recipe(**shared)


def rate_from_scratch(optimizer: str, images_per_step: int) -> float:
    """A learning rate for training from scratch, which grows with the images of a step."""
    if optimizer == "sgd":
        return 0.01 * images_per_step / 8
    return 3e-3 * math.sqrt(images_per_step / 8)
