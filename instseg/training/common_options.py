"""The options of all training commands: checks and derived values."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeGuard, TypeVar

from instseg.core.errors import ArgumentError, InputError, require_between, require_positive
from instseg.core.events import OnEvent, ignore
from instseg.core.field_types import field_types, is_a
from instseg.core.options import python_only, renamed
from instseg.system.processes import process_count
from instseg.training.plateau import Plateau
from instseg.training.resume import OPTIONS_FILE, read_options

if TYPE_CHECKING:
    from instseg.training.recipe import Recipe
    from instseg.training.run import Run

HIGHEST_SEED = 2**32
NEW = ("none", "imagenet")  # weights of a new detector: random ones, or ImageNet's in its backbone

AnyOptions = TypeVar("AnyOptions", bound="TrainingOptions")


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """The options of all training commands; the Args are added to the docstrings of subclasses.

    Args:
        auto_repair: If the doctor finds errors in a dataset, train on an automatically repaired
            copy of it.
        out: Output folder.
        epochs: Number of epochs; by default chosen from the number of images.
        max_steps: Train for this many optimizer steps, in as many epochs as needed.
        batch_size: Images per batch, in each process. If finetune has fewer than 16, BatchNorm is
            frozen: its statistics and parameters stay those of the starting weights; in
            train_unet, that of a pretrained encoder of unet_efficientnet_lite0.
        gradient_accumulation_steps: Number of batches whose gradients are averaged for one
            optimizer step.
        learning_rate: Peak learning rate; by default chosen from the optimizer and the number of
            images per step.
        weight_decay: Weight decay; not applied to biases and normalisation layers.
        warmup_steps: Steps of linear warm-up, at the start of the run and of each stage.
        schedule: Learning rate schedule: cooldown (constant, then linear to zero), cosine, steps
            (divided by 10 after 2/3 and 8/9 of the steps), or plateau (divided by 10 whenever the
            validation score has not improved for `plateau_patience` epochs).
        cooldown: For the schedule cooldown: share of the steps, at the end, in which the learning
            rate falls to zero, 0 to 1.
        plateau_patience: For the schedule plateau: epochs without improvement before the learning
            rate falls.
        patience: Early stopping: stop after this many epochs without a better validation score.
        clip_grad_norm: Clip gradient norm to this value.
        ema_decay: Decay of the exponential moving average (EMA) of the weights; validated and saved
            are the averaged weights.
        save_every: Steps between checkpoints.
        workers: Number of processes that load and augment images.
        weights_dtype: Data type of the weights in the model file.
        device: auto, cpu, cuda, cuda:1 or mps.
        precision: Floating-point precision; auto uses bf16 if the processor supports it natively.
        seed: Random seed.
        resume: Output folder of a run that was stopped or killed; continues it with its own
            options.
        on_event: Called with each event of the run (instseg.core.events), in the first process.
        cancel: Set it from another thread to end training after the current step; a checkpoint is
            saved, and the result has `finished` False.
    """

    auto_repair: bool = renamed(False, "skip_bad")
    out: str | Path = Path("out/training")
    epochs: int | None = None
    max_steps: int | None = None
    batch_size: int = 4
    gradient_accumulation_steps: int = renamed(1, "accumulate")
    learning_rate: float | None = None
    weight_decay: float = 0.03
    warmup_steps: int = 150
    schedule: Literal["cooldown", "cosine", "steps", "plateau"] = "cooldown"
    cooldown: float = 0.3
    plateau_patience: int = 2
    patience: int | None = None
    clip_grad_norm: float = renamed(10.0, "clip_norm")
    ema_decay: float = renamed(0.998, "average_decay")
    save_every: int = 200
    workers: int = 1
    weights_dtype: Literal["fp32", "fp16"] = renamed("fp32", "store")
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 0
    resume: str | Path | None = None
    on_event: OnEvent = python_only(ignore)
    cancel: threading.Event | None = python_only()

    verb: ClassVar[str]  # in options.json

    def __init_subclass__(cls) -> None:
        """Add the common arguments to the docstring of each subclass."""
        _, _, common = (TrainingOptions.__doc__ or "").partition("Args:\n")
        cls.__doc__ = f"{(cls.__doc__ or '').rstrip()}\n{common}"

    @property
    def folder(self) -> Path:
        """`out`."""
        return Path(self.out)

    def given(self) -> dict[str, Any]:
        """The options by name, without Python-only ones such as callbacks."""
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if not each.metadata.get("python_only")
        }

    def check_training(self, *, measured: bool, validation: str) -> None:
        """Raise ArgumentError for a common option that is out of range or does not match others.

        Args:
            measured: Whether there is validation data.
            validation: The options that give validation data, for messages.
        """
        require_between(
            1,
            epochs=self.epochs,
            max_steps=self.max_steps,
            batch_size=self.batch_size,
            gradient_accumulation_steps=self.gradient_accumulation_steps,
            save_every=self.save_every,
            patience=self.patience,
            plateau_patience=self.plateau_patience,
        )
        require_between(
            0,
            workers=self.workers,
            weight_decay=self.weight_decay,
            warmup_steps=self.warmup_steps,
        )
        require_between(0, 1, cooldown=self.cooldown, ema_decay=self.ema_decay)
        require_between(0, HIGHEST_SEED, seed=self.seed)
        require_positive(learning_rate=self.learning_rate, clip_grad_norm=self.clip_grad_norm)
        if not measured and (self.schedule == "plateau" or self.patience is not None):
            raise ArgumentError(f"{{schedule}} plateau and {{patience}} need {validation}")

    def check_weights_stay(self, weights: object) -> None:
        """Raise ArgumentError if the run would overwrite the weights that it starts from."""
        best = self.folder / "best.safetensors"
        if is_path(weights) and Path(weights).resolve() == best.resolve():
            raise ArgumentError(
                f"{{weights}} {weights} would be overwritten; choose another {{out}}"
            )

    def run(self) -> Run:
        """The run of these options, in its folder."""
        from instseg.training.run import Run

        return Run(
            verb=self.verb,
            given=self.given(),
            folder=self.folder,
            resumed=self.resume is not None,
            device=self.device,
            on_event=self.on_event,
            cancel=self.cancel or threading.Event(),
        )

    def plateau(self) -> Plateau:
        """What lowers the learning rate, for the schedule of this name."""
        return Plateau(self.plateau_patience if self.schedule == "plateau" else None)

    def images_per_step(self, images: int) -> int:
        """Images per step of all processes; `images` is the number in an epoch of each process."""
        return min(self.batch_size * self.gradient_accumulation_steps, images) * process_count()

    def recipe_with(self, **own: Any) -> Recipe:
        """The recipe, from the common options and those of a subclass."""
        from instseg.training.recipe import Recipe

        return Recipe(
            gradient_accumulation_steps=self.gradient_accumulation_steps,
            warmup_steps=self.warmup_steps,
            schedule=self.schedule,
            cooldown=self.cooldown,
            clip_grad_norm=self.clip_grad_norm,
            ema_decay=self.ema_decay,
            max_steps=self.max_steps,
            seed=self.seed,
            save_every=self.save_every,
            workers=self.workers,
            **own,
        )


def is_path(value: object) -> TypeGuard[str | Path]:
    """Whether it is a path or name, rather than a loaded object."""
    return isinstance(value, str | Path)


def check_photos_given(coco_json: object, images: object) -> None:
    """Raise ArgumentError unless photos are given with annotations, and only once."""
    if is_path(coco_json) and images is None:
        raise ArgumentError("{coco_json} needs {images}, the folder of its photos")
    if coco_json is not None and not is_path(coco_json) and images is not None:
        raise ArgumentError("{images} goes with a path; a loaded dataset has its own photos")


def resumed(options: AnyOptions) -> AnyOptions:
    """The options; for a resumed run, those that it was started with.

    Raises:
        InputError: There is no such run, or further options are given.
    """
    if options.resume is None:
        return options
    kind, folder = type(options), Path(options.resume)
    if options.given() != kind(resume=options.resume).given():
        raise ArgumentError("{resume} uses the options of its run; give no others")
    values = read_options(folder, kind.verb, options.given().keys())
    for each in fields(kind):
        kinds = field_types(kind, each.name, each.type)
        if each.name in values and not any(is_a(values[each.name], one) for one in kinds):
            path = folder / OPTIONS_FILE
            raise InputError(f"{path}: is damaged ({each.name}); start a new run")
    values |= {"out": folder, "resume": folder}
    return kind(**values, on_event=options.on_event, cancel=options.cancel)
