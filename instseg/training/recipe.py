"""The hyperparameters of training, and default values that depend on the data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["cooldown", "cosine", "steps", "plateau"]

PHOTOS_TO_SEE = 8_000  # images in all, for a small dataset, each photo many times
EPOCHS = (12, 100)  # least and most
WARMUP_SHARE = 0.2  # of a short run


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The hyperparameters of training.

    Attributes:
        gradient_accumulation_steps: Batches whose gradients are averaged for one step.
        optimizer: `adamw`, or `sgd` with momentum 0.9.
        learning_rate: Peak learning rate.
        backbone_learning_rate: That of the backbone; None for the same.
        weight_decay: Weight decay; not applied to biases and normalisation layers.
        warmup_steps: Steps in which the learning rate rises from zero, at the start of each stage;
            at most a fifth of all steps.
        schedule: `cooldown` is constant, then linear to zero; `cosine` falls to zero from the
            start; `steps` divides by 10 after 2/3 and after 8/9 of the steps; `plateau` is
            constant, and the trainer's `Plateau` lowers it.
        cooldown: Share of the steps, at the end, in which it falls, 0..1.
        clip_grad_norm: Gradients with a larger norm are scaled down to it.
        ema_decay: Decay of the exponential moving average of the weights, which is kept.
        max_steps: Number of steps after which the run ends; None for all epochs.
        seed: Random seed.
        save_every: Steps between checkpoints.
        workers: Number of processes that prepare images.
    """

    gradient_accumulation_steps: int = 1
    optimizer: Optimizer = "adamw"
    learning_rate: float = 1e-3
    backbone_learning_rate: float | None = None
    weight_decay: float = 0.03
    warmup_steps: int = 150
    schedule: Schedule = "cooldown"
    cooldown: float = 0.3
    clip_grad_norm: float = 10.0
    ema_decay: float = 0.998
    max_steps: int | None = None
    seed: int = 0
    save_every: int = 200
    workers: int = 1

    def learning_rate_at(self, step: int, steps: int, stage_start: int = 0) -> float:
        """Learning rate of a step, 0 <= step < steps, in a stage that began at `stage_start`."""
        warmup = min(self.warmup_steps, steps * WARMUP_SHARE)
        rise = min(1.0, (step - stage_start + 1) / max(warmup, 1))
        if self.schedule == "cosine":
            fall = (1 + math.cos(math.pi * step / steps)) / 2
        elif self.schedule == "steps":
            fall = 0.1 ** ((step >= steps * 2 / 3) + (step >= steps * 8 / 9))
        elif self.schedule == "cooldown":
            fall = min(1.0, (steps - step) / max(self.cooldown * steps, 1.0))
        else:
            fall = 1.0
        return self.learning_rate * rise * fall

    def optimizer_of(
        self, weights: Iterable[nn.Parameter], backbone: Iterable[nn.Parameter] = ()
    ) -> torch.optim.Optimizer:
        """A new optimizer of the trainable weights, some of which belong to the backbone.

        Its groups have a factor of the learning rate, `lr_factor`; that of the first two is 1.
        """
        slower = self.backbone_learning_rate
        factor = 1.0 if slower is None else slower / self.learning_rate
        slow = {id(p) for p in backbone} if factor != 1 else set()
        trained = [p for p in weights if p.requires_grad]
        parts = [([p for p in trained if id(p) not in slow], 1.0)]
        if slow:
            parts.append(([p for p in trained if id(p) in slow], factor))
        groups: list[dict[str, Any]] = []
        for part, lr_factor in parts:
            matrices, vectors = [p for p in part if p.ndim > 1], [p for p in part if p.ndim <= 1]
            decay = self.weight_decay
            groups.append({"params": matrices, "weight_decay": decay, "lr_factor": lr_factor})
            groups.append({"params": vectors, "weight_decay": 0.0, "lr_factor": lr_factor})
        if self.optimizer == "sgd":
            return torch.optim.SGD(groups, lr=self.learning_rate, momentum=0.9, fused=True)
        return torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True)


def usual_learning_rate(optimizer: Optimizer, images_per_step: int) -> float:
    """The default learning rate for fine-tuning, which grows with the images per step.

    For SGD in proportion to them (Goyal et al., 2017), from 0.02 for 16 as torchvision and
    Detectron2 train COCO; for AdamW with their square root (Malladi et al., NeurIPS 2022), from
    2e-4 for 4.
    """
    if optimizer == "sgd":
        return 0.02 * images_per_step / 16
    return 2e-4 * math.sqrt(images_per_step / 4)


def learning_rate_from_scratch(optimizer: Optimizer, images_per_step: int) -> float:
    """The default learning rate for training from scratch, which grows with the images per step."""
    if optimizer == "sgd":
        return 0.01 * images_per_step / 8
    return 3e-3 * math.sqrt(images_per_step / 8)


def usual_epochs(images: int) -> int:
    """The default number of epochs: the fewer photos there are, the more epochs."""
    return min(max(math.ceil(PHOTOS_TO_SEE / images), EPOCHS[0]), EPOCHS[1])
