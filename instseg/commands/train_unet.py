"""`instseg train-unet`: train a semantic network on COCO annotations, label maps or scenes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from instseg.core.errors import InputError


@dataclass(frozen=True, kw_only=True)
class TrainUnetConfig:
    """Trains a U-Net, or another semantic network, and writes best.safetensors.

    Args:
        coco_json: Annotations to train on, in COCO format, collapsed into label maps.
        images: Folder of their photos, or of the images of --masks; or one .npy of many images.
        masks: Label maps to train on, .png or .npy files with the images' names; or one .npy.
        values: What the values of label maps mean, as "1=pet,2=BG,3=ignore"; if not given, 0 is
            background, 255 is ignored, and every other value that is found is a class.
        scenes: Train on this many drawn scenes.
        scene_size: Their height and width in pixels.
        val_coco_json: Annotations to measure mIoU on after each epoch; the best weights are kept.
        val_images: Folder of their photos, or of the images of --val-masks; that of --images if
            not given.
        val_masks: Label maps to measure on, with the values of --masks.
        val_scenes: Measure on this many other drawn scenes.
        val_share: Share of the training files, 0 to 1, to measure on and not train on, where no
            other validation data is given; written to split.json. 0 measures nothing and keeps the
            last weights.
        rule: Which object is on top where several overlap, smallest-on-top or class-priority.
        priority: Class names from highest to lowest with commas between, for class-priority.
        skip_bad: Go on without what the doctor finds wrong with --coco-json, or repaired.
        architecture: unet_small, unet_dropout, unet_64, fcn_resnet50, deeplabv3_resnet50,
            deeplabv3_mobilenet_v3_large, or smp:NAME:ENCODER, as smp:FPN:resnet34.
        skips: The skip connections of a U-Net, true or false.
        encoder_weights: none, or imagenet for an encoder that its library has weights of.
        weights: Model file to start from, which brings its architecture, and its size unless
            --size is given; classes start from those of the same name. Images are normalised as
            for a new network: photos as for ImageNet, all else by its own mean; but photos made
            grey as the weights have it.
        loss: A loss, as "ce(weights=effective)" or "focal(gamma=1.5)", or a sum, as
            "ce + 0.5*dice", of ce, bce, weighted-bce, balanced-ce, focal, dice, log-cosh-dice,
            tversky, focal-tversky, sensitivity-specificity, combo, exponential-logarithmic,
            shape-aware and hausdorff.
        size: Images are resized until their shorter side has so many pixels; if not given they
            are taken as they are.
        crop: Side of the square that is cut out of a training image; if not given that of the
            images, 512 at most.
        augment: What is done to images and label maps, names of torchvision.transforms.v2 with
            their arguments; if not given flips, brightness, contrast, saturation, shift and scale.
        out: Folder for everything that is written.
        epochs: How often every image is seen; chosen from the number of images if not given.
        max_steps: Train for so many steps, in as many epochs as it takes.
        batch_size: Images at once, in each process.
        accumulate: So many batches make one step.
        optimizer: adamw, adam (which is adamw without weight decay) or sgd.
        learning_rate: The highest; if not given chosen from the optimizer and the images of a step,
            as finetune does for --weights and --encoder-weights, else for a start from scratch.
        weight_decay: Of weights; biases and norms have none.
        warmup_steps: Steps in which the learning rate rises.
        schedule: cooldown (falls at the end), cosine, steps (a tenth after 2/3 and 8/9), or plateau
            (a tenth whenever mIoU has not risen for --plateau-patience epochs).
        cooldown: Last share of the steps in which it falls to zero, 0 to 1.
        plateau_patience: See --schedule.
        patience: Stop after so many epochs without a better mIoU on the validation data.
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
    masks: Path | None = None
    values: str = ""
    scenes: int = 0
    scene_size: int = 320
    val_coco_json: Path | None = None
    val_images: Path | None = None
    val_masks: Path | None = None
    val_scenes: int = 0
    val_share: float = 0.2
    rule: Literal["smallest-on-top", "class-priority"] = "smallest-on-top"
    priority: str = ""
    skip_bad: bool = False
    architecture: str = "unet_small"
    skips: bool = True
    encoder_weights: str = "none"
    weights: str | None = None
    loss: str = "ce + dice"
    size: int | None = None
    crop: int | None = None
    augment: list[Any] | None = None
    out: Path = Path("out/train_unet")
    epochs: int | None = None
    max_steps: int | None = None
    batch_size: int = 8
    accumulate: int = 1
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float | None = None
    weight_decay: float = 0.03
    warmup_steps: int = 150
    schedule: Literal["cooldown", "cosine", "steps", "plateau"] = "cooldown"
    cooldown: float = 0.3
    plateau_patience: int = 5
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


def run(config: TrainUnetConfig) -> int:
    """Trains, validates, and writes the model file; returns the exit code."""
    from instseg.commands.training_run import run_command

    return run_command(config, check, train_model)


def train_model(config: TrainUnetConfig) -> int:
    """`run`, after the options have been checked and the processes have met."""
    from instseg.commands.train_unet_best import BestByIoU
    from instseg.commands.train_unet_data import examine, training_data, with_validation
    from instseg.commands.train_unet_start import make_trainer
    from instseg.commands.training_run import run_training
    from instseg.system.processes import process_rank

    data, val = with_validation(config, training_data(config))
    statistics = examine(data, val)
    trainer, task, model = make_trainer(config, data, statistics)
    pixels = statistics.class_pixels.sum(axis=0).tolist()
    skips = model.card.architecture_args.get("skips", True)
    best = BestByIoU(  # its options tell of the network that --weights may have brought
        config=replace(config, architecture=model.card.architecture, skips=skips),
        trainer=trainer,
        task=task,
        model=model,
        val=val,
        class_pixels=dict(zip(data.class_names, pixels, strict=True)),
    )
    run_training(config, trainer, best, task.scores)
    if process_rank() == 0:
        best.draw_history()
    return 0


def check(config: TrainUnetConfig) -> None:
    """Raise InputError for options that do not go together."""
    from instseg.commands.training_run import check_numbers, within
    from instseg.data.semantic_augmentation import parse_semantic_augmentations
    from instseg.files.model_file import read_model_card
    from instseg.files.weights import locate
    from instseg.models.segmenters import UNETS, check_semantic, fresh_segmenter
    from instseg.system.device import choose_device
    from instseg.system.processes import process_device
    from instseg.training.losses import parse_loss

    check_data(config)
    check_numbers(config)
    network = ("architecture", "skips", "encoder_weights")
    if config.weights and any(getattr(config, n) != getattr(TrainUnetConfig, n) for n in network):
        raise InputError(
            "--architecture, --no-skips and --encoder-weights are for a new network; --weights "
            "brings its own"
        )
    if not config.skips and config.architecture not in UNETS:
        raise InputError(f"--no-skips is for U-Nets, not for {config.architecture}")
    # what follows is tried here, as reading the data may take long
    choose_device(process_device(config.device))
    parse_loss(config.loss, class_counts=lambda: [1, 1])
    parse_semantic_augmentations(config.augment or ())
    if config.weights is None:
        names, weights = ("BG", "any"), config.encoder_weights
        fresh_segmenter(config.architecture, names, (0, 1), encoder_weights=weights)
    else:
        path = locate(config.weights)
        if path.resolve() == (config.out / "best.safetensors").resolve():
            raise InputError(f"--weights {path} would be overwritten; choose another --out")
        check_semantic(path, read_model_card(path).architecture)
    within(config, 16, ("size", "crop"))
    within(config, 32, ("scene_size",))
    measures = config.val_coco_json or config.val_masks or config.val_scenes or config.val_share
    if not measures and (config.schedule == "plateau" or config.patience is not None):
        raise InputError("--schedule plateau and --patience need validation data to look at")


def check_data(config: TrainUnetConfig) -> None:
    """Raise InputError unless the options name data to train on, and at most one to measure on."""
    if sum(map(bool, (config.coco_json, config.masks, config.scenes))) != 1:
        raise InputError(
            "say what to train on: --coco-json or --masks, either with --images, or --scenes"
        )
    if not config.scenes and not config.images:
        raise InputError("--coco-json and --masks need --images, the folder of their images")
    if sum(map(bool, (config.val_coco_json, config.val_masks, config.val_scenes))) > 1:
        raise InputError("take one of --val-coco-json, --val-masks and --val-scenes")
    if not 0 <= config.val_share < 1:
        raise InputError(f"--val-share must be at least 0 and below 1, not {config.val_share}")
    if config.val_coco_json and not (config.val_images or config.images):
        raise InputError("--val-coco-json needs --val-images, the folder of its photos")
    if config.val_masks and not (config.masks and config.val_images):
        raise InputError("--val-masks goes with --masks, and needs --val-images")
    if config.val_images and not (config.val_coco_json or config.val_masks):
        raise InputError("--val-images needs --val-coco-json or --val-masks")
    if config.values and not config.masks:
        raise InputError("--values is for --masks")
    if bool(config.priority) != (config.rule == "class-priority"):
        raise InputError("--rule class-priority needs --priority, and nothing else does")
    if config.priority and config.masks and not (config.val_coco_json or config.val_scenes):
        raise InputError("--rule and --priority are for objects, of which --masks has none")
