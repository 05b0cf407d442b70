"""Batches of samples in a planned order, prepared by worker processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from instseg.core.errors import InputError
from instseg.training.recipe import Recipe
from instseg.training.samples import Samples, collate


def plan_steps(samples: Samples, recipe: Recipe) -> tuple[list[list[Any]], dict[int, int]]:
    """The batches of every step, and the number, from 1, of the epoch that ends with a step."""
    plan: list[list[Any]] = []
    ends: dict[int, int] = {}
    size = recipe.gradient_accumulation_steps
    for epoch in range(samples.epochs):
        batches = samples.batches(epoch)
        plan += [list(batches[i : i + size]) for i in range(0, len(batches), size)]
        if recipe.max_steps is not None and len(plan) >= recipe.max_steps:
            plan = plan[: recipe.max_steps]
            ends[len(plan)] = epoch + 1
            break
        ends[len(plan)] = epoch + 1
    return plan, ends


def load_batches(
    samples: Samples, keys: Sequence[list[Any]], workers: int
) -> Iterator[tuple[list[Tensor], list[Any]]]:
    """Images and targets of each batch.

    Args:
        samples: Source of the samples.
        keys: Keys of the samples of each batch.
        workers: Number of processes that prepare them.

    Raises:
        InputError: A sample cannot be read.
    """
    loader: DataLoader[Any] = DataLoader(
        _Reading(samples),
        batch_sampler=keys,
        collate_fn=_collate,
        num_workers=workers,
        worker_init_fn=_ignore_interrupts,
        generator=torch.Generator(),  # else a resumed run would use random numbers of the training
    )
    for batch in loader:
        if isinstance(batch, InputError):
            raise batch
        yield batch


class _Reading(Dataset[Any]):
    """Samples, or the error of one; raised in a worker, it would lose its one-line message."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.samples[key]
        except InputError as error:
            return error


def _collate(samples: list[Any]) -> Any:
    errors = [each for each in samples if isinstance(each, InputError)]
    return errors[0] if errors else collate(samples)


def _ignore_interrupts(_: int) -> None:
    """In worker processes: ignore Ctrl-C, which all processes get; the trainer handles it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
