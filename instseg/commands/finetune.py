"""`instseg finetune`: train on COCO annotations, or on drawn scenes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from instseg.commands.terminal import console
from instseg.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """Trains a network on COCO annotations, and writes best.safetensors.

    Args:
        coco_json: Annotations to train on, in COCO format.
        images: Folder of their photos.
        val_coco_json: Annotations to measure AP on after each epoch; the best weights are kept.
        val_images: Folder of their photos; that of --images if not given.
        scenes: Train on this many drawn scenes, and not on annotations.
        scene_sizes: Their sides in pixels; the scenes are divided evenly between the sizes, in
            this order, so that small, quick ones come first.
        val_scenes: Measure AP on this many other drawn scenes of 320 px, after each epoch; with
            --scenes, after the training.
        skip_bad: Go on without what the doctor finds wrong with the dataset, or repaired.
        weights: What to start from: coco-v2, coco-v1, demo, a path, or none.
        keep_classes: Keep the classes of the starting weights beside the dataset's own; what they
            find in the photos stands in for annotations of them.
        map: Classes that start from a class of another name, OLD=NEW with commas between.
        architecture: What to build when --weights is none, or what a .pth file holds.
        augment: What is done to photos, names of torchvision.transforms.v2 or CopyPaste with their
            arguments; see docs/finetuning.md for the default.
        show_batch: Draw what the network sees in its first batches, as batches.png, and train.
        rare: Photos come more often that have classes which fewer than this share of photos have.
        empty_share: At most this share of what is seen is photos without objects; all if not given.
        out: Folder for everything that is written.
        train: What is trained: heads, 5+, 4+, 3+ or all; or stages with their epochs, as
            heads:5,all:20.
        epochs: How often every photo is seen; chosen from the number of photos if not given, and
            stages have their own.
        max_steps: Train for so many steps, in as many epochs as it takes.
        min_size: Photos are resized until their shorter side has so many pixels; if not given, as
            the starting weights have it.
        batch_size: Images at once, in each process; below 16, batch norms that have learnt are left
            as they are.
        accumulate: So many batches make one step.
        optimizer: adamw or sgd.
        learning_rate: The highest; chosen from the optimizer and the images of a step if not given.
        weight_decay: Of weights; biases and norms have none.
        warmup_steps: Steps in which the learning rate rises, at the start of each stage.
        schedule: cooldown (falls at the end), cosine, steps (a tenth after 2/3 and 8/9), or plateau
            (a tenth whenever mask AP has not risen for --plateau-patience epochs).
        cooldown: Last share of the steps in which it falls to zero, 0 to 1.
        plateau_patience: See --schedule.
        patience: Stop after so many epochs without a better mask AP on the validation data.
        clip_norm: Gradients longer than this are shortened to it.
        average_decay: Of the moving average of the weights, which is what is kept.
        save_every: Steps between checkpoints.
        workers: Processes that prepare images.
        store: Precision of the weights in the model file.
        device: auto, cpu, cuda, cuda:1 or mps.
        precision: Arithmetic; auto takes bf16 where the processor has it natively.
        seed: Of everything random.
        resume: Folder of a run that was stopped or killed: it goes on, with the options it has.
    """

    coco_json: Path | None = None
    images: Path | None = None
    val_coco_json: Path | None = None
    val_images: Path | None = None
    scenes: int = 0
    scene_sizes: list[int] = dataclasses.field(default_factory=lambda: [320])
    val_scenes: int = 0
    skip_bad: bool = False
    weights: str = "coco-v2"
    keep_classes: bool = False
    map: str = ""
    architecture: str | None = None
    augment: list[Any] | None = None
    show_batch: bool = False
    rare: float = 0.001
    empty_share: float | None = None
    out: Path = Path("out/finetune")
    train: str = "all"
    epochs: int | None = None
    max_steps: int | None = None
    min_size: int | None = None
    batch_size: int = 4
    accumulate: int = 1
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float | None = None
    weight_decay: float = 0.03
    warmup_steps: int = 150
    schedule: Literal["cooldown", "cosine", "steps", "plateau"] = "cooldown"
    cooldown: float = 0.3
    plateau_patience: int = 2
    patience: int | None = None
    clip_norm: float = 10.0
    average_decay: float = 0.998
    save_every: int = 200
    workers: int = 1
    store: Literal["fp32", "fp16"] = "fp32"
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 0
    resume: Path | None = None


def run(config: FinetuneConfig) -> int:
    """Trains, validates, and writes the model file; returns the exit code."""
    from instseg.commands.training_run import run_command

    return run_command(config, check, train_model)


def train_model(config: FinetuneConfig) -> int:
    """`run`, after the options have been checked and the processes have met."""
    from instseg.commands.finetune_best import BestByAP
    from instseg.commands.finetune_data import validation_data
    from instseg.commands.finetune_start import make_trainer
    from instseg.commands.training_run import run_training
    from instseg.system.processes import process_rank

    trainer, task, model = make_trainer(config)
    val = validation_data(config, model.card.class_names)
    best = BestByAP(config=config, trainer=trainer, task=task, model=model, val=val)
    if config.show_batch and process_rank() == 0:
        from instseg.commands.finetune_pictures import draw_batches

        draw_batches(trainer, task, model.card.class_names, config.out / "batches.png")
        console.print(f"{config.out / 'batches.png'}: what the network sees")
    run_training(config, trainer, best)
    return 0


def check(config: FinetuneConfig) -> None:
    """Raise InputError for options that do not go together."""
    from instseg.commands.finetune_start import renamed_classes, stages_of
    from instseg.commands.training_run import check_numbers, within

    if bool(config.scenes) == bool(config.coco_json):
        raise InputError("say what to train on: --coco-json with --images, or --scenes")
    if config.coco_json and not config.images:
        raise InputError("--coco-json needs --images, the folder of its photos")
    if Path(config.weights).resolve() == (config.out / "best.safetensors").resolve():
        raise InputError(f"--weights {config.weights} would be overwritten; choose another --out")
    renamed_classes(config.map)
    stages_of(config, 1)
    if config.weights == "none" and not config.architecture:
        raise InputError("--weights none needs --architecture, such as compact")
    if config.map and config.weights == "none":
        raise InputError("--map needs --weights other than none, whose classes it names")
    if config.keep_classes and (config.weights == "none" or config.scenes):
        raise InputError("--keep-classes needs --coco-json, and --weights other than none")
    check_numbers(config)
    if config.scenes and config.epochs:
        raise InputError("--scenes are drawn anew all the time; give their number, not --epochs")
    if config.val_images and not config.val_coco_json:
        raise InputError("--val-images needs --val-coco-json, the annotations of its photos")
    if config.val_coco_json and config.val_scenes:
        raise InputError("take one of --val-coco-json and --val-scenes")
    within(config, 0, ("empty_share",), 1)
    measured = config.val_coco_json or config.val_scenes
    if not measured and (config.schedule == "plateau" or config.patience is not None):
        raise InputError(
            "--schedule plateau and --patience need --val-coco-json or --val-scenes to look at"
        )
    if config.min_size is not None and config.min_size < 64:
        raise InputError(f"--min-size must be at least 64 pixels, not {config.min_size}")
    if min(config.scene_sizes, default=0) < 64 or any(s % 32 for s in config.scene_sizes):
        raise InputError("--scene-sizes must be multiples of 32, at least 64")
