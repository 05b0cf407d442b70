"""Estimates time and memory of a run before it begins."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from instseg.system.memory import highest_memory_bytes
from instseg.system.processes import process_count
from instseg.training.loop import Trainer
from instseg.training.samples import collate

TRIALS = 2  # the first is a warm-up


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Estimate for a training run.

    Attributes:
        step_s: Seconds per step.
        memory_bytes: Peak memory, of the GPU if there is one, else of all processes.
    """

    step_s: float
    memory_bytes: int


def estimate(trainer: Trainer) -> Estimate:
    """Measure a forward and backward pass, without changing the trainer.

    Of several stages the last is measured, which usually trains most layers. The state of the
    optimizer is calculated, not measured. Worker processes prepare photos during the steps; without
    workers, that time is included.
    """
    network = trainer.network
    before = {name: values.clone() for name, values in network.named_buffers()}
    keys = trainer.plan[min(trainer.step, trainer.steps - 1)]
    seconds = 0.0
    trainer.task.enter_stage(trainer.stages[-1][1])
    for _ in range(TRIALS):
        begin_s = time.perf_counter()
        parts = [collate([trainer.samples[key] for key in batch]) for batch in keys]
        if trainer.recipe.workers:
            begin_s = time.perf_counter()
        trainer.forward_backward(parts)
        if trainer.device.type == "cuda":
            torch.cuda.synchronize(trainer.device)
        seconds = time.perf_counter() - begin_s
    memory = memory_in_use(trainer.device)
    network.zero_grad()
    for name, values in network.named_buffers():
        values.copy_(before[name])
    moments = {"adamw": 2, "sgd": 1}[trainer.recipe.optimizer]
    memory += moments * sum(4 * p.numel() for p in network.parameters() if p.requires_grad)
    trainer.task.enter_stage(trainer.scope)
    return Estimate(step_s=seconds, memory_bytes=memory)


def memory_in_use(device: torch.device) -> int:
    """Peak memory so far in bytes, of a GPU or of all processes together."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return highest_memory_bytes() * process_count()
