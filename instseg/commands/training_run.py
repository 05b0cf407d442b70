"""A training run as its user sees it: what it will take, a bar, logs, Ctrl-C."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from instseg.commands.terminal import console, error, progress_bar
from instseg.core.errors import InputError
from instseg.system.atomic import replacing

if TYPE_CHECKING:
    from instseg.commands.best_weights import BestWeights
    from instseg.commands.finetune import FinetuneConfig
    from instseg.commands.train_unet import TrainUnetConfig
    from instseg.training.loop import Trainer
    from instseg.training.run_log import RunLog

OPTIONS_FILE = "options.json"
CHECKPOINT_FILE = "checkpoint.pt"
HIGHEST_SEED = 2**32
FADING = 0.9  # of what the progress bar tells, from step to step

Config = TypeVar("Config", "FinetuneConfig", "TrainUnetConfig")


def run_command(
    config: Config, check: Callable[[Config], None], train_model: Callable[[Config], int]
) -> int:
    """Check the options, join the processes and train; returns the exit code.

    Args:
        config: As they were given.
        check: Raises InputError for options that do not go together.
        train_model: Takes the options, of a run that is to go on those that it was started with.
    """
    from instseg.system.processes import joined_processes, process_rank

    config = with_its_options(config)
    check(config)
    stopped = config.out / CHECKPOINT_FILE
    if not config.resume and stopped.exists():
        raise InputError(
            f"{stopped}: is of a run that was stopped; go on with --resume {config.out}, choose "
            "another --out, or remove it"
        )
    console.quiet = process_rank() > 0
    with joined_processes():
        return train_model(config)


def write_options(config: Any, path: Path, *, ended: bool) -> None:
    """Keep a run's options, for going on with them from any folder, unless it has ended."""
    given = vars(config)
    kept: dict[str, Any] = {"command": type(config).__name__, **given, "ended": ended}
    kept |= {name: value.absolute() for name, value in given.items() if isinstance(value, Path)}
    if config.weights and Path(config.weights).is_file():
        kept["weights"] = Path(config.weights).absolute()
    with replacing(path) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(kept, enc_hook=str)))


def read_options(kind: type[Config], run: Path) -> Config:
    """The options of the run in a folder, as `write_options` left them, with that as its folder.

    Raises:
        InputError: There are none, or they are broken, or the run has ended.
    """
    path = run / OPTIONS_FILE
    try:
        options = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        if options.get("command", kind.__name__) != kind.__name__:
            raise InputError(f"{path}: is of a run of another command; go on with that")
        options |= {"out": str(run), "resume": str(run)}
        config = msgspec.convert(options, kind, dec_hook=lambda to, value: to(value))
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"{path}: no run to go on with ({error}); start it anew") from error
    if options.get("ended"):
        (run / CHECKPOINT_FILE).unlink(missing_ok=True)  # a kill at the end may have left it
        best = run / "best.safetensors"
        raise InputError(f"{best}: the run has ended, with this model file; start another for more")
    return config


def with_its_options(config: Config) -> Config:
    """The options; of a run that is to go on, those that it was started with.

    Raises:
        InputError: There is no such run, or other options are given beside its folder.
    """
    if config.resume is None:
        return config
    if config != type(config)(resume=config.resume):
        raise InputError("--resume goes on with the options of its run; give no others")
    return read_options(type(config), config.resume)


def within(
    config: FinetuneConfig | TrainUnetConfig,
    least: float,
    names: Sequence[str],
    most: float = math.inf,
) -> None:
    """Raise InputError for an option that is given and lower or higher."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not least <= value <= most:
            limits = (
                f"lie between {least} and {most}" if most < math.inf else f"be at least {least}"
            )
            raise InputError(f"--{name.replace('_', '-')} must {limits}, not {value}")


def check_numbers(config: FinetuneConfig | TrainUnetConfig) -> None:
    """Raise InputError for a number out of range, of those that both commands have."""
    numbers = ("epochs", "max_steps", "batch_size", "accumulate", "save_every", "patience")
    within(config, 1, (*numbers, "plateau_patience"))
    within(config, 0, ("workers", "scenes", "val_scenes", "weight_decay", "warmup_steps"))
    within(config, 0, ("cooldown", "average_decay"), 1)
    within(config, 0, ("seed",), HIGHEST_SEED)
    for name in ("learning_rate", "clip_norm"):
        value = getattr(config, name)
        if value is not None and not 0 < value < math.inf:
            option = name.replace("_", "-")
            raise InputError(f"--{option} must be above 0 and finite, not {value}")


def run_training(
    config: FinetuneConfig | TrainUnetConfig,
    trainer: Trainer,
    best: BestWeights,
    scores: Callable[[], dict[str, float]] = dict,
) -> None:
    """Say what the run will take, run it to its end, and say what has come of it.

    Args:
        config: Its options, which are kept for going on.
        trainer: To be run.
        best: Measures after each epoch.
        scores: See `train`.
    """
    from instseg.system.processes import process_rank

    checkpoint, options = config.out / CHECKPOINT_FILE, config.out / OPTIONS_FILE
    if not config.resume and process_rank() == 0:
        # an earlier run's, which one without validation data would leave
        (config.out / "worst.png").unlink(missing_ok=True)
        write_options(config, options, ended=False)
    start(trainer, checkpoint, bool(config.resume))
    train(trainer, checkpoint, best.look_at, scores)
    if process_rank() == 0:
        write_options(config, options, ended=True)
        checkpoint.unlink(missing_ok=True)
    console.print(
        f"{best.path}: trained for {trainer.step} steps{best.describe()}; "
        f"log in {config.out / 'log.csv'}"
    )


def start(trainer: Trainer, checkpoint: Path, resume: bool) -> None:
    """Go on from the checkpoint if asked to, and say how long the run is and what it will take."""
    from instseg.system.processes import process_count
    from instseg.training.estimate import estimate

    recipe = trainer.recipe
    images = sum(map(len, trainer.plan[0])) * process_count()
    if not resume:
        checkpoint.unlink(missing_ok=True)
    elif checkpoint.exists():
        trainer.load(checkpoint)
        console.print(f"{checkpoint}: going on after step {trainer.step}")
    else:
        console.print(f"{checkpoint}: nothing was saved yet, so the run begins anew")
    found = estimate(trainer)
    console.print(
        f"{trainer.steps} steps of {images} images in {trainer.epochs} epochs, {recipe.optimizer} "
        f"with a learning rate of {recipe.learning_rate:.2g}: about "
        f"{timedelta(seconds=round(found.step_s * (trainer.steps - trainer.step)))} "
        f"({found.step_s:.2g} s a step) and {found.memory_bytes / 1e9:.1f} GB of memory, "
        "measuring not included"
    )


def train(
    trainer: Trainer,
    checkpoint: Path,
    measure: Callable[[RunLog | None, int], bool],
    scores: Callable[[], dict[str, float]] = dict,
) -> None:
    """Run the trainer under a progress bar, with logs beside the checkpoint.

    Args:
        trainer: To be run to its end.
        checkpoint: Where it is saved.
        measure: Called in every process with the log, which the first alone has, and the number
            of each epoch that has ended. When it is true in the first process, the run ends.
        scores: What else is to be told of the last step, by name.

    Raises:
        KeyboardInterrupt: After Ctrl-C, when the step at hand is done and saved.
    """
    from instseg.system.processes import process_rank
    from instseg.training.run_log import RunLog

    with hear_interrupts(trainer):
        if process_rank():
            _steps(trainer, checkpoint, None, measure, scores)
        else:
            with RunLog(checkpoint.parent, trainer.step, trainer.device) as log:
                _steps(trainer, checkpoint, log, measure, scores)


def _steps(
    trainer: Trainer,
    checkpoint: Path,
    log: RunLog | None,
    measure: Callable[[RunLog | None, int], bool],
    scores: Callable[[], dict[str, float]],
) -> None:
    from instseg.system.processes import from_first

    running: dict[str, float] = {}
    with progress_bar("training", "steps") as update:
        for figures in trainer.run(checkpoint):
            figures |= scores()
            running |= {
                name: FADING * running.get(name, value) + (1 - FADING) * value
                for name, value in figures.items()
                if math.isfinite(value)
            }
            update(trainer.step, trainer.steps, _words(trainer, running))
            if log:
                log.step(figures)
            epoch = trainer.epoch_that_ends()
            if epoch is not None:
                done, trainer.notes = from_first((measure(log, epoch), trainer.notes))
                if log:
                    log.restart_clock()
                if done:
                    return
    if trainer.step < trainer.steps:
        if log:
            error(f"stopped after step {trainer.step}, which is saved; --resume goes on")
        raise KeyboardInterrupt


def _words(trainer: Trainer, figures: dict[str, float]) -> str:
    from instseg.training.estimate import memory_in_use

    told = [f"{name} {value:.3f}" for name, value in figures.items() if name not in ("step", "lr")]
    return ", ".join([*told, f"{memory_in_use(trainer.device) / 1e9:.1f} GB"])


@contextmanager
def hear_interrupts(trainer: Trainer) -> Iterator[None]:
    """Let the first Ctrl-C ask the trainer to stop after its step; the second stops at once."""

    def ask(*_: object) -> None:
        trainer.stop_asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
