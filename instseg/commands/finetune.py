"""`instseg finetune`: train on COCO annotations, or on drawn scenes."""

from __future__ import annotations

import csv
import dataclasses
import signal
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from instseg.commands.terminal import console, download_bar, error, progress_bar, table
from instseg.errors import InputError

if TYPE_CHECKING:
    from instseg.commands.finetune_best import BestWeights
    from instseg.models.mask_rcnn import Model
    from instseg.training.loop import Samples, Trainer

LOG_EVERY = 20  # steps a line of log.csv is the mean of


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
        val_scenes: Measure AP on this many other drawn scenes of 320 px, after the training.
        skip_bad: Go on without what the doctor finds wrong with the dataset, or repaired.
        weights: What to start from: coco-v2, coco-v1, demo, a path, or none.
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
        epochs: How often every photo is seen; stages have their own.
        batch_size: Images a step; below 16, batch norms that have learnt are left as they are.
        optimizer: adamw or sgd.
        learning_rate: The highest.
        weight_decay: Of weights; biases and norms have none.
        warmup_steps: Steps in which the learning rate rises, at the start of each stage.
        schedule: cooldown (falls at the end), cosine, or steps (a tenth after 2/3 and 8/9).
        cooldown: Last share of the steps in which it falls to zero, 0 to 1.
        patience: Stop after so many epochs without a better mask AP on the validation data.
        average_decay: Of the moving average of the weights, which is what is kept.
        save_every: Steps between checkpoints.
        workers: Processes that prepare images.
        store: Precision of the weights in the model file.
        device: auto, cpu, cuda, cuda:1 or mps.
        precision: Arithmetic; auto takes bf16 where the processor has it natively.
        seed: Of everything random.
        resume: Go on from the checkpoint in the --out folder.
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
    map: str = ""
    architecture: str | None = None
    augment: list[Any] | None = None
    show_batch: bool = False
    rare: float = 0.001
    empty_share: float | None = None
    out: Path = Path("out/finetune")
    train: str = "all"
    epochs: int = 10
    batch_size: int = 4
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 1e-4
    weight_decay: float = 0.03
    warmup_steps: int = 150
    schedule: Literal["cooldown", "cosine", "steps"] = "cooldown"
    cooldown: float = 0.3
    patience: int | None = None
    average_decay: float = 0.998
    save_every: int = 200
    workers: int = 1
    store: Literal["fp32", "fp16"] = "fp32"
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 0
    resume: bool = False


def run(config: FinetuneConfig) -> int:
    """Trains, validates, and writes the model file; returns the exit code."""
    from instseg.commands.finetune_best import BestWeights
    from instseg.commands.finetune_data import draw_batches, validation_data

    check(config)
    trainer, model = make_trainer(config)
    best = BestWeights(config=config, model=model, val=validation_data(config))
    checkpoint = config.out / "checkpoint.pt"
    if not config.resume:
        for name in ("checkpoint.pt", "log.csv", "epochs.csv"):
            (config.out / name).unlink(missing_ok=True)
    config.out.mkdir(parents=True, exist_ok=True)
    if config.show_batch:
        draw_batches(trainer, model.card.class_names, config.out / "batches.png")
        console.print(f"{config.out / 'batches.png'}: what the network sees")
    train(trainer, checkpoint, config.out / "log.csv", best)
    checkpoint.unlink(missing_ok=True)
    console.print(
        f"{best.path}: trained for {trainer.step} steps{best.describe()}; "
        f"log in {config.out / 'log.csv'}"
    )
    return 0


def check(config: FinetuneConfig) -> None:
    """Raise InputError for options that do not go together."""
    if bool(config.scenes) == bool(config.coco_json):
        raise InputError("say what to train on: --coco-json with --images, or --scenes")
    if config.coco_json and not config.images:
        raise InputError("--coco-json needs --images, the folder of its photos")
    if Path(config.weights).resolve() == (config.out / "best.safetensors").resolve():
        raise InputError(f"--weights {config.weights} would be overwritten; choose another --out")
    renamed_classes(config.map)
    stages(config)
    if config.weights == "none" and not config.architecture:
        raise InputError("--weights none needs --architecture, such as compact")
    if min(config.epochs, config.batch_size, config.save_every) < 1:
        raise InputError("--epochs, --batch-size and --save-every must be at least 1")
    if min(config.scene_sizes, default=0) < 64 or any(s % 32 for s in config.scene_sizes):
        raise InputError("--scene-sizes must be multiples of 32, at least 64")


def make_trainer(config: FinetuneConfig) -> tuple[Trainer, Model]:
    """The model and its trainer, from the options."""
    import torch

    from instseg.commands.finetune_data import coco_samples, scene_classes, sound_data
    from instseg.predict import choose_device, choose_dtype
    from instseg.training.loop import Recipe, Trainer
    from instseg.training.samples import SceneSamples
    from instseg.training.scope import SMALL_BATCH

    torch.manual_seed(config.seed)
    device = choose_device(config.device)
    dataset: Samples
    if config.coco_json and config.images:
        data = sound_data(config, config.coco_json, config.images)
        model = starting_model(config, data.class_names, data.category_ids)
        dataset = coco_samples(config, data, sum(epochs for _, epochs in stages(config)))
    else:
        names, ids = scene_classes()
        model = starting_model(config, names, ids)
        sizes = tuple(config.scene_sizes)
        dataset = SceneSamples(config.scenes, sizes, config.batch_size, names, config.seed + 1)
    recipe_names = {field.name for field in dataclasses.fields(Recipe)}
    shared = {k: v for k, v in vars(config).items() if k in recipe_names}
    trainer = Trainer(
        model.network,
        dataset,
        Recipe(**shared),
        device,
        choose_dtype(config.precision, device),
        resize=bool(config.coco_json),
        stages=stages_in_steps(config, dataset),
        frozen_norms=config.weights != "none" and config.batch_size < SMALL_BATCH,
    )
    if not trainer.steps:
        raise InputError(f"{config.scenes} scenes are less than one batch of {config.batch_size}")
    return trainer, model


def stages(config: FinetuneConfig) -> list[tuple[str, int]]:
    """What is trained for how many epochs."""
    if ":" not in config.train:
        return [(config.train, config.epochs)]
    pairs = [each.strip().partition(":") for each in config.train.split(",")]
    if config.scenes or not all(count.isdigit() and int(count) for _, _, count in pairs):
        raise InputError(
            f"--train {config.train}: expected a scope, or of --coco-json SCOPE:EPOCHS with commas"
        )
    return [(scope, int(count)) for scope, _, count in pairs]


def starting_model(
    config: FinetuneConfig, names: tuple[str, ...], category_ids: tuple[int, ...]
) -> Model:
    """The network that training starts from, with outputs for the dataset's classes."""
    from instseg.models.heads import match_classes, with_classes
    from instseg.models.mask_rcnn import fresh_model, load_model

    if config.weights == "none":
        return fresh_model(str(config.architecture), names, category_ids)
    with download_bar() as update:
        model = load_model(config.weights, architecture=config.architecture, progress=update)
    sources = match_classes(model.card.class_names[1:], names[1:], renamed_classes(config.map))
    table(["class", "starts from"], [(n, sources.get(n, "nothing")) for n in names[1:]])
    return with_classes(model, names, category_ids, sources)


def stages_in_steps(config: FinetuneConfig, samples: Samples) -> list[tuple[int, str]]:
    """The first step of each stage, and what is trained in it."""
    starts, epoch = [], 0
    for scope, epochs in stages(config):
        starts.append((samples.first_batch(epoch), scope))
        epoch += epochs
    return starts


def renamed_classes(text: str) -> dict[str, str]:
    """Old names to new names, from `OLD=NEW, ...`."""
    pairs = [each.split("=") for each in text.split(",") if each.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise InputError(f"--map {text}: expected OLD=NEW, with commas between several")
    return {old.strip(): new.strip() for old, new in pairs}


def train(trainer: Trainer, checkpoint: Path, log_path: Path, best: BestWeights) -> None:
    """Run the trainer under a progress bar, with a line in the log every few steps."""
    recent: deque[dict[str, float]] = deque(maxlen=LOG_EVERY)
    with (
        progress_bar("training", "steps") as update,
        log_path.open("a", newline="") as file,
        hear_interrupts() as asked_to_stop,
    ):
        log = csv.writer(file)
        for figures in trainer.run(checkpoint):
            recent.append(figures)
            update(figures["step"], trainer.steps)
            if figures["step"] % LOG_EVERY == 0 or figures["step"] == trainer.steps:
                means = {k: sum(f[k] for f in recent) / len(recent) for k in figures}
                if file.tell() == 0:
                    log.writerow(means)
                log.writerow([f"{v:.5g}" for v in (means | {"step": figures["step"]}).values()])
                file.flush()
            if best.look_at(trainer):
                break
            if asked_to_stop.is_set():
                trainer.save(checkpoint)
                error(f"stopped after step {trainer.step}, which is saved; --resume goes on")
                raise KeyboardInterrupt


@contextmanager
def hear_interrupts() -> Iterator[threading.Event]:
    """Let the first Ctrl-C set an event, so that a step is finished; the second stops at once."""
    asked = threading.Event()

    def note(*_: object) -> None:
        asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)
