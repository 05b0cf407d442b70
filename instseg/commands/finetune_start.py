"""What `instseg finetune` starts from, and the trainer it makes of the options."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from instseg.commands.terminal import console, download_bar, progress_bar, table
from instseg.core.errors import InputError

if TYPE_CHECKING:
    from instseg.commands.finetune import FinetuneConfig
    from instseg.data.coco import CocoData
    from instseg.models.mask_rcnn import Model
    from instseg.training.detection import Detection
    from instseg.training.loop import Trainer
    from instseg.training.recipe import Recipe
    from instseg.training.samples import Samples


def make_trainer(config: FinetuneConfig) -> tuple[Trainer, Detection, Model]:
    """The trainer, its task, and the model whose network it trains, from the options."""
    import torch

    from instseg.commands.finetune_data import coco_samples, scene_classes, sound_data
    from instseg.system.device import choose_device, choose_dtype
    from instseg.system.processes import process_count, process_device, process_rank
    from instseg.training.detection import Detection
    from instseg.training.loop import Trainer
    from instseg.training.samples import SceneSamples
    from instseg.training.scope import SMALL_BATCH

    torch.manual_seed(config.seed)  # new heads are drawn at random
    device = choose_device(process_device(config.device))
    samples: Samples
    if config.coco_json and config.images:
        data = sound_data(config, "train", config.coco_json, config.images)
        model, data = model_and_labels(config, data)
        samples = coco_samples(config, data)
    else:
        names, ids = scene_classes()
        model = model_for(config, names, ids)
        sizes = tuple(config.scene_sizes)
        samples = SceneSamples(
            config.scenes,
            sizes,
            config.batch_size,
            names,
            config.seed + 1,
            rank=process_rank(),
            world_size=process_count(),
        )
    task = Detection(
        model.network,
        resize=bool(config.coco_json),
        frozen_norms=config.weights != "none" and config.batch_size < SMALL_BATCH,
    )
    stages, first = [], 0
    for scope, epochs in stages_of(config, samples.epochs):
        stages.append((first, scope))
        first += epochs
    dtype = choose_dtype(config.precision, device)
    recipe = recipe_of(config, sum(map(len, samples.batches(0))))
    trainer = Trainer(task, samples, recipe, device, dtype, stages)
    if not trainer.steps:
        raise InputError(f"{config.scenes} scenes are less than one batch of {config.batch_size}")
    return trainer, task, model


def model_for(
    config: FinetuneConfig,
    names: tuple[str, ...],
    category_ids: tuple[int, ...],
    known: Model | None = None,
) -> Model:
    """The network that training starts from, with outputs for the given classes.

    Args:
        config: The options of the run.
        names: Of the classes, after "BG".
        category_ids: Their dataset ids.
        known: The model of --weights, if it is loaded already.
    """
    from instseg.models.heads import match_classes, with_classes
    from instseg.models.mask_rcnn import fresh_model

    if config.weights == "none":
        return resized(config, fresh_model(str(config.architecture), names, category_ids))
    model = known or known_model(config)
    sources = match_classes(model.card.class_names[1:], names[1:], renamed_classes(config.map))
    table(["class", "starts from"], [(n, sources.get(n, "nothing")) for n in names[1:]])
    return resized(config, with_classes(model, names, category_ids, sources))


def model_and_labels(config: FinetuneConfig, data: CocoData) -> tuple[Model, CocoData]:
    """The network for a dataset, and the dataset, which with `keep_classes` has more classes."""
    from instseg.models.heads import kept_classes, match_classes

    if not config.keep_classes:
        return model_for(config, data.class_names, data.category_ids), data
    old = known_model(config)
    renamed = renamed_classes(config.map)
    sources = match_classes(old.card.class_names[1:], data.class_names[1:], renamed)
    names, ids = kept_classes(old, data.class_names, data.category_ids, sources)
    data = with_found_objects(config, old, data, names, ids)
    return model_for(config, names, ids, old), data


def with_found_objects(
    config: FinetuneConfig,
    model: Model,
    data: CocoData,
    names: tuple[str, ...],
    category_ids: tuple[int, ...],
) -> CocoData:
    """The dataset with what the starting model finds in its photos of the kept classes."""
    from instseg.data.coco import CocoData
    from instseg.predict.predictor import Predictor
    from instseg.system.processes import from_first, process_device, process_rank
    from instseg.training.pseudo_labels import UNSURE, pseudo_label

    kept = [name for name in names if name not in data.class_names]
    if not kept:
        return data
    path = config.out / "pseudo_labels.json"
    if process_rank() == 0 and not (config.resume and path.exists()):
        predictor = Predictor(
            model,
            device=process_device(config.device),
            precision=config.precision,
            score_threshold=UNSURE,
            classes=kept,
        )
        with progress_bar("finding objects of the kept classes") as update:
            pseudo_label(predictor, data, names, category_ids, path, progress=update)
        console.print(f"{path}: the dataset with what the starting weights find, which is used")
    from_first(None)
    return CocoData.read(path, data.folder)


def known_model(config: FinetuneConfig) -> Model:
    """The model of --weights."""
    from instseg.models.mask_rcnn import load_model

    with download_bar() as update:
        return load_model(config.weights, architecture=config.architecture, progress=update)


def resized(config: FinetuneConfig, model: Model) -> Model:
    """The model with another input size, if one is asked for; it goes into the model file."""
    from instseg.models.mask_rcnn import build

    if config.min_size is None:
        return model
    before = model.card.preprocessing
    sizes = {
        "min_size": config.min_size,
        "max_size": round(before["max_size"] * config.min_size / before["min_size"]),
    }
    new = build(dataclasses.replace(model.card, preprocessing=before | sizes))
    new.network.load_state_dict(model.network.state_dict())
    return new


def recipe_of(config: FinetuneConfig, images: int) -> Recipe:
    """The options that say how to train, where an epoch has so many images."""
    from instseg.system.processes import process_count
    from instseg.training.recipe import Recipe, usual_learning_rate

    given = vars(config)
    shared = {f.name: given[f.name] for f in dataclasses.fields(Recipe)}
    if config.learning_rate is None:
        of_step = min(config.batch_size * config.accumulate, images) * process_count()
        shared["learning_rate"] = usual_learning_rate(config.optimizer, of_step)
    return Recipe(**shared)


def stages_of(config: FinetuneConfig, epochs: int) -> list[tuple[str, int]]:
    """What is trained for how many epochs, where the options do not say otherwise for `epochs`."""
    from instseg.training.scope import check_scope

    if ":" not in config.train:
        check_scope(config.train)
        return [(config.train, epochs)]
    pairs = [each.strip().partition(":") for each in config.train.split(",")]
    for scope, _, _ in pairs:
        check_scope(scope)
    if config.scenes or not all(count.isdigit() and int(count) for _, _, count in pairs):
        raise InputError(
            f"--train {config.train}: expected a scope, or of --coco-json SCOPE:EPOCHS with commas"
        )
    return [(scope, int(count)) for scope, _, count in pairs]


def renamed_classes(text: str) -> dict[str, str]:
    """Old names to new names, from `OLD=NEW, ...`."""
    pairs = [each.split("=") for each in text.split(",") if each.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise InputError(f"--map {text}: expected OLD=NEW, with commas between several")
    return {old.strip(): new.strip() for old, new in pairs}
