"""The training loop: plain PyTorch, short enough to read whole."""

from __future__ import annotations

import copy
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import OnEvent, Warned, ignore
from instseg.models.quick import memory_format
from instseg.system.processes import average, from_first, process_count, process_rank
from instseg.training.checkpoint import load_checkpoint, save_checkpoint
from instseg.training.loading import load_batches, plan_steps
from instseg.training.plateau import Plateau
from instseg.training.recipe import Recipe
from instseg.training.samples import Samples
from instseg.training.several import average_step, batch_statistics
from instseg.training.task import Stateful, Task

MAX_BAD_STEPS = 5  # consecutive steps with non-finite gradients before a run ends


@dataclass
class Trainer:
    """A network in training, with the state for checkpoints.

    If torchrun has started several processes, each takes its share of every step, and all have the
    same weights.

    Args:
        task: The network, trained in place, and its losses.
        samples: Training data.
        recipe: Hyperparameters.
        device: The device.
        dtype: float32, or bfloat16 for autocast.
        stages: Pairs of a first epoch, from 0, and a scope of the task. Each stage has a new
            optimizer.
        plateau: Multiplies the learning rate; the validation gives it the score of each epoch.
        cancel: Set it from another thread or a signal handler to end the run after the current
            step.
        on_event: Called with warnings of skipped steps.
        clock: Returns seconds, to measure steps.

    Attributes:
        before_epoch: Called with the number of each epoch, from 0, before its first step, to
            prepare its samples; in a resumed run also with that of the epoch that it continues.
    """

    task: Task
    samples: Samples
    recipe: Recipe
    device: torch.device
    dtype: torch.dtype = torch.float32
    stages: Sequence[tuple[int, str]] = ((0, "all"),)
    plateau: Plateau = field(default_factory=Plateau)
    cancel: threading.Event = field(default_factory=threading.Event)
    on_event: OnEvent = ignore
    clock: Callable[[], float] = time.perf_counter
    step: int = field(init=False, default=0)
    step_s: float = field(init=False, default=0.0)
    bad_steps: int = field(init=False, default=0)
    plan: list[list[Any]] = field(init=False)
    average: nn.Module = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)
    before_epoch: Callable[[int], None] | None = field(init=False, default=None)
    _stage: tuple[int, str] = field(init=False)
    _epoch_ends: dict[int, int] = field(init=False)
    _stop_agreed: bool = field(init=False, default=False)
    _kept: dict[str, Stateful] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.keep("plateau", self.plateau)
        self.plan, self._epoch_ends = plan_steps(self.samples, self.recipe)
        layout = memory_format(self.device, self.dtype)
        self.network.to(self.device).to(memory_format=layout)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self._enter_stage()

    @property
    def network(self) -> nn.Module:
        """The network that is trained."""
        return self.task.network

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return len(self.plan)

    @property
    def epochs(self) -> int:
        """Epochs of the whole run; the last one may be incomplete."""
        return len(self._epoch_ends)

    @property
    def scope(self) -> str:
        """The current scope."""
        return self._stage[1]

    @property
    def first_steps(self) -> list[list[Any]]:
        """The batches of the steps whose samples need not be prepared."""
        return self.plan if self.before_epoch is None else self.plan[: min(self._epoch_ends)]

    def epoch_that_ends(self) -> int | None:
        """The number, from 1, of the epoch that the last step has completed, if any."""
        return self._epoch_ends.get(self.step)

    def keep(self, name: str, owner: Stateful) -> None:
        """Save and load the state of a further object with the checkpoints."""
        self._kept[name] = owner

    def run(
        self,
        checkpoint: Path,
        *,
        after_step: Callable[[dict[str, float]], None] = lambda figures: None,
        after_epoch: Callable[[int], bool] = lambda epoch: False,
    ) -> bool:
        """Train to the end, from the step that `load` has reached or the first.

        The checkpoint is written every `save_every` steps and at the end: after the step and, at
        the end of an epoch, after the validation. Once `cancel` is set, the current step is the
        last; with several processes, which must agree, perhaps the next one.

        Args:
            checkpoint: File to save to.
            after_step: Called with the figures of each step; see `train_step`.
            after_epoch: Called in every process with the number, from 1, of each epoch that has
                ended. If it returns True in the first process, the run ends.

        Returns:
            False if the run was cancelled before its end.
        """
        for figures in self.train_steps():
            after_step(figures)
            epoch = self.epoch_that_ends()
            if epoch is not None and self._first_decides(after_epoch(epoch)):
                return True
            cancelled = process_count() == 1 and self.cancel.is_set()
            stopping = cancelled or self._stop_agreed or self.step == self.steps
            if stopping or self.step % self.recipe.save_every == 0:
                self.save(checkpoint)
            if stopping:
                break
        return self.step == self.steps

    def train_steps(self) -> Iterator[dict[str, float]]:
        """Train one step for each item, without saving; yields the figures of the steps.

        Raises:
            InputError: A sample cannot be read, or several steps have non-finite gradients.
        """
        while self.step < self.steps:
            end = self.prepare()
            keys = list(itertools.chain.from_iterable(self.plan[self.step : end]))
            begin_s = self.clock()
            batches = load_batches(self.samples, keys, self.recipe.workers)
            while self.step < end:
                parts = list(itertools.islice(batches, len(self.plan[self.step])))
                figures = self.train_step(parts)
                self.step_s = self.clock() - begin_s
                yield figures
                begin_s = self.clock()  # time between steps is not part of the next one

    def prepare(self) -> int:
        """Prepare the samples of the next step; returns the step until which they are prepared."""
        if self.before_epoch is None:
            return self.steps
        end, epoch = next(each for each in self._epoch_ends.items() if each[0] > self.step)
        self.before_epoch(epoch - 1)
        return end

    def train_step(self, batches: Sequence[tuple[list[Tensor], list[Any]]]) -> dict[str, float]:
        """Train one step on the mean losses of some batches.

        Returns:
            `step`, counted from 1, `loss`, the losses by name and `lr`.
        """
        if self._current_stage() != self._stage:
            self._enter_stage()
        rate = self.recipe.learning_rate_at(self.step, self.steps, self._first_step(self._stage))
        for group in self.optimizer.param_groups:
            group["lr"] = rate * self.plateau.factor * group["lr_factor"]
        # Each step has a seed of its own: proposals and dropout then depend on seed and step
        # alone, and a resumed run draws the same random numbers as an uninterrupted one, without
        # the generator's state in the checkpoint. The caller forks torch's generator.
        torch.manual_seed(seed_of(self.recipe.seed, self.step, process_rank()))
        before = [values.clone() for values in batch_statistics(self.network)]
        losses = self.forward_backward(batches)
        average_step(self.network)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_grad_norm)
        self.step += 1
        if torch.isfinite(norm):
            self.optimizer.step()
            self.update_average()
            self.bad_steps = 0
        else:
            for values, old in zip(batch_statistics(self.network), before, strict=True):
                values.copy_(old)
            self.skip_step()
        means = torch.tensor([self.cancel.is_set(), *losses.values()], dtype=torch.float64)
        average([means])
        self._stop_agreed, figures = bool(means[0] > 0), means[1:].tolist()
        named = dict(zip(losses, figures, strict=True))
        return {"step": self.step, "loss": sum(figures), **named, "lr": self.learning_rate}

    def forward_backward(
        self, batches: Sequence[tuple[list[Tensor], list[Any]]]
    ) -> dict[str, float]:
        """Compute the gradients of the mean losses of some batches; returns the losses."""
        self.network.zero_grad()  # also of parameters that only an earlier stage has trained
        means: dict[str, float] = {}
        for images, targets in batches:
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                losses = self.task.losses(images, targets)
            total = torch.stack([loss.float() for loss in losses.values()]).sum() / len(batches)
            total.backward()
            values = torch.stack([loss.detach().double() for loss in losses.values()]).tolist()
            for name, value in zip(losses, values, strict=True):
                means[name] = means.get(name, 0.0) + value / len(batches)
        return means

    @property
    def learning_rate(self) -> float:
        """The learning rate of the last step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def skip_step(self) -> None:
        """Count a step with non-finite gradients; several in a row end the run."""
        self.bad_steps += 1
        keys = itertools.chain.from_iterable(self.plan[self.step - 1])
        seen = ", ".join(map(self.samples.name_of, keys))
        warning = f"step {self.step}: gradients are not finite, skipped; it saw {seen}"
        self.on_event(Warned(text=warning))
        if self.bad_steps >= MAX_BAD_STEPS:
            raise InputError(
                f"training stopped at step {self.step}: {self.bad_steps} steps in a row had no "
                f"finite gradients, the last with {seen}; lower the learning rate (now "
                f"{self.learning_rate:.3g})"
            )

    @torch.no_grad()
    def update_average(self) -> None:
        """Update the exponential moving average, faster at first."""
        decay = min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step))
        new_state = self.network.state_dict()
        for name, kept in self.average.state_dict().items():
            new = new_state[name]
            if kept.is_floating_point():
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)

    def save(self, path: Path) -> None:
        """Write the checkpoint, in the first process."""
        if process_rank() > 0:
            return
        state: dict[str, Any] = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "stage": self._stage[0],
            "bad_steps": self.bad_steps,
            "kept": self._kept_states(),
            "run": self._run(),
        }
        save_checkpoint(path, state)

    def load(self, path: Path) -> None:
        """Continue from the checkpoint.

        Raises:
            InputError: It cannot be read, or is of a run with other data or another number of
                processes.
        """
        state = load_checkpoint(path)
        try:
            run = steps, processes = state["run"]
            if run == self._run():
                self._take_up(state)
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise ArgumentError(
                f"{path} is not a checkpoint of this run; start without {{resume}}"
            ) from error
        if run != self._run():
            raise InputError(
                f"{path} is of a run of {steps} steps in {processes} processes, "
                f"this one has {self._run()[0]} in {self._run()[1]}; resume with the same data and "
                "as many processes"
            )

    def _take_up(self, state: dict[str, Any]) -> None:
        if not 0 <= state["step"] <= self.steps:
            raise ValueError(f"step {state['step']} of {self.steps}")
        self.step, self.bad_steps = state["step"], state["bad_steps"]
        self._load_kept(state["kept"])
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._enter_stage()
        if state["stage"] == self._stage[0]:  # else the checkpoint is at the end of a stage
            self.optimizer.load_state_dict(state["optimizer"])

    def _kept_states(self) -> dict[str, dict[str, Any]]:
        return {name: owner.state_dict() for name, owner in self._kept.items()}

    def _load_kept(self, states: dict[str, dict[str, Any]]) -> None:
        for name, owner in self._kept.items():
            owner.load_state_dict(states[name])

    def _first_decides(self, done: bool) -> bool:
        """The decision of the first process, which alone has validated."""
        done, states = from_first((done, self._kept_states()))
        self._load_kept(states)
        return done

    def _run(self) -> list[int]:
        """The values that a checkpoint must share with the run that resumes it."""
        return [self.steps, process_count()]

    def _first_step(self, stage: tuple[int, str]) -> int:
        """The first step of a stage; that of a stage that the run does not reach is its end."""
        ends = (step for step, epoch in self._epoch_ends.items() if epoch == stage[0])
        return next(ends, self.steps) if stage[0] else 0

    def _current_stage(self) -> tuple[int, str]:
        """First epoch and scope of the stage of the next step."""
        return [stage for stage in self.stages if self._first_step(stage) <= self.step][-1]

    def _enter_stage(self) -> None:
        self._stage = self._current_stage()
        self.task.enter_stage(self._stage[1])
        backbone = self.task.backbone_weights()
        self.optimizer = self.recipe.optimizer_of(self.network.parameters(), backbone)


def seed_of(*numbers: int) -> int:
    """A seed that depends on all the numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
