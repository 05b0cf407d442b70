"""The options that all training has in common: checked, and what other files make of them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeGuard, TypeVar, get_type_hints

import msgspec

from instseg.core.errors import ArgumentError, InputError, require_between, require_positive
from instseg.core.events import OnEvent, ignore
from instseg.core.options import python_only, renamed
from instseg.system.processes import process_count
from instseg.training.resume import OPTIONS_FILE, read_options

if TYPE_CHECKING:
    from instseg.training.recipe import Recipe

HIGHEST_SEED = 2**32

AnyOptions = TypeVar("AnyOptions", bound="TrainingOptions")


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What all training has in common; the Args are part of the subclasses' own docstrings.

    Args:
        auto_repair: If the doctor finds errors in a dataset, train on an automatically repaired
            copy of it.
        out: Folder for everything that is written.
        epochs: How often every image is seen; chosen from the number of images if not given.
        max_steps: Train for this many optimizer steps, in as many epochs as it takes.
        batch_size: Images per batch, in each process. If finetune has less than 16, BatchNorm is
            frozen: its statistics and parameters stay those of the starting weights.
        gradient_accumulation_steps: Batches whose gradients are averaged for one optimizer step.
        learning_rate: Peak learning rate; chosen from the optimizer and the images per step if not
            given.
        weight_decay: Weight decay of weights; biases and normalisation layers have none.
        warmup_steps: Steps of linear warm-up, at the start of the run and of each stage.
        schedule: cooldown (constant, then linear to zero), cosine, steps (a tenth after 2/3 and 8/9
            of the steps), or plateau (a tenth whenever the validation score has not improved for
            --plateau-patience epochs).
        cooldown: For the schedule cooldown: last share of the steps in which the learning rate
            falls to zero, 0 to 1.
        plateau_patience: For the schedule plateau: epochs without improvement before the learning
            rate falls.
        patience: Early stopping: stop after this many epochs without a better validation score.
        clip_grad_norm: Clip gradient norm to this value.
        ema_decay: Decay of the exponential moving average (EMA) of the weights, which is what is
            measured and saved.
        save_every: Steps between checkpoints.
        workers: Processes that load and augment images.
        weights_dtype: Data type of the weights in the model file.
        device: auto, cpu, cuda, cuda:1 or mps.
        precision: Arithmetic; auto takes bf16 where the processor has it natively.
        seed: Random seed.
        resume: Folder of a run that was stopped or killed; it continues with its own options.
        on_event: Called with each event of the run, in the first process; see instseg.core.events.
        cancel: When it is set, from another thread, training ends after the current step, saves a
            checkpoint and returns a result that is not finished.
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
        """Each subclass documents all of its arguments: its own, then the common ones."""
        _, _, common = (TrainingOptions.__doc__ or "").partition("Args:\n")
        cls.__doc__ = f"{(cls.__doc__ or '').rstrip()}\n{common}"

    @property
    def folder(self) -> Path:
        """`out`."""
        return Path(self.out)

    def given(self) -> dict[str, Any]:
        """The options by name, without what only Python can give."""
        return {
            each.name: getattr(self, each.name)
            for each in fields(self)
            if not each.metadata.get("python_only")
        }

    def check_training(self, *, measured: bool, validation: str) -> None:
        """Raise ArgumentError for a common option that is out of range or does not fit.

        Args:
            measured: Whether there is validation data.
            validation: What gives it, for messages.
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

    def images_per_step(self, images: int) -> int:
        """Of all processes, where an epoch has so many images in each."""
        return min(self.batch_size * self.gradient_accumulation_steps, images) * process_count()

    def recipe_with(self, **own: Any) -> Recipe:
        """The recipe of the common options and of a subclass's own."""
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
    """Whether it is the path, or the name, of something that is still to be read."""
    return isinstance(value, str | Path)


def check_photos_given(coco_json: object, images: object) -> None:
    """Raise ArgumentError unless annotations come with their photos, and know them only once."""
    if is_path(coco_json) and images is None:
        raise ArgumentError("{coco_json} needs {images}, the folder of its photos")
    if coco_json is not None and not is_path(coco_json) and images is not None:
        raise ArgumentError("{images} is for a path; the dataset that was given has its own")


def resumed(options: AnyOptions) -> AnyOptions:
    """The options; of a run that is to be resumed, those that it was started with.

    Raises:
        InputError: There is no such run, or other options are given beside its folder.
    """
    if options.resume is None:
        return options
    kind, folder = type(options), Path(options.resume)
    if options.given() != kind(resume=options.resume).given():
        raise ArgumentError("{resume} goes on with the options of its run; give no others")
    values = read_options(folder, kind.verb, options.given().keys())
    try:
        values = msgspec.to_builtins(msgspec.convert(values, _form_of(kind)))
    except msgspec.ValidationError as error:
        path = folder / OPTIONS_FILE
        raise InputError(f"{path}: is damaged ({error}); start the run anew") from error
    values |= {"out": folder, "resume": folder}
    return kind(**values, on_event=options.on_event, cancel=options.cancel)


def _form_of(kind: type[TrainingOptions]) -> type[msgspec.Struct]:
    """Options as JSON holds them, where text stands for paths and objects."""
    as_text = dict.fromkeys(("Path", "CocoData", "Model", "SegmenterModel"), str)
    types = get_type_hints(kind, localns=as_text)
    names = [each.name for each in fields(kind) if not each.metadata.get("python_only")]
    return msgspec.defstruct("Options", [(name, types[name]) for name in names])
