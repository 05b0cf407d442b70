"""The training loop: plain PyTorch, short enough to read whole."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.image_list import ImageList

from instseg.errors import InputError
from instseg.training.checkpoint import load_checkpoint, save_checkpoint
from instseg.training.crowds import ignore_crowds, scale_crowds
from instseg.training.samples import CocoSamples, SceneSamples, collate
from instseg.training.scope import freeze_batch_norms, train_only

log = logging.getLogger(__name__)

Samples = CocoSamples | SceneSamples

MAX_BAD_STEPS = 5  # non-finite steps in a row before a run gives up


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Attributes:
        batch_size: Images a step.
        optimizer: `adamw`, or `sgd` with momentum 0.9.
        learning_rate: The highest.
        weight_decay: Of weights; biases and norms have none.
        warmup_steps: Steps in which the learning rate rises from zero, at the start of each stage.
        schedule: `cooldown` keeps the learning rate and lets it fall to zero in a straight line at
            the end; `cosine` lets it fall to zero from the start; `steps` takes a tenth after two
            thirds and another tenth after eight ninths.
        cooldown: Last share of the steps, 0..1, in which it falls.
        clip_norm: Gradients longer than this are shortened to it.
        average_decay: Of the exponential moving average of the weights, which is what is kept.
        seed: Of everything random.
        save_every: Steps between checkpoints.
        workers: Processes that prepare images.
    """

    batch_size: int = 8
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.03
    warmup_steps: int = 150
    schedule: Literal["cooldown", "cosine", "steps"] = "cooldown"
    cooldown: float = 0.3
    clip_norm: float = 10.0
    average_decay: float = 0.998
    seed: int = 0
    save_every: int = 200
    workers: int = 1

    def learning_rate_at(self, step: int, steps: int, stage_start: int = 0) -> float:
        """Learning rate of a step, 0 <= step < steps, in a stage that began at `stage_start`."""
        rise = min(1.0, (step - stage_start + 1) / max(self.warmup_steps, 1))
        if self.schedule == "cosine":
            fall = (1 + math.cos(math.pi * step / steps)) / 2
        elif self.schedule == "steps":
            fall = 0.1 ** ((step >= steps * 2 / 3) + (step >= steps * 8 / 9))
        else:
            fall = min(1.0, (steps - step) / max(self.cooldown * steps, 1.0))
        return self.learning_rate * rise * fall

    def optimizer_of(self, weights: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """A new optimizer of those weights that are to be trained."""
        trained = [p for p in weights if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        if self.optimizer == "sgd":
            return torch.optim.SGD(groups, lr=self.learning_rate, momentum=0.9)
        return torch.optim.AdamW(groups, betas=(0.9, 0.99), fused=True)


def training_losses(
    model: GeneralizedRCNN, batch: ImageList, targets: list[dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Torchvision's five Mask R-CNN losses.

    Args:
        model: In training mode.
        batch: Normalised images, as the model's own `transform` gives them.
        targets: For each image boxes, labels and masks, in the pixels of `batch`.

    Returns:
        Scalars by name.
    """
    inputs = batch.tensors.contiguous(memory_format=torch.channels_last)
    features = model.backbone(inputs)
    proposals, proposal_losses = model.rpn(batch, features, targets)
    _, head_losses = model.roi_heads(features, proposals, batch.image_sizes, targets)
    return {**proposal_losses, **head_losses}


@dataclass
class Trainer:
    """A model in training, with all that a checkpoint must hold.

    Args:
        model: The network; trained in place.
        dataset: Samples, and the batches they come in.
        recipe: How.
        device: Where.
        dtype: Of the network's arithmetic, float32 or bfloat16 (autocast).
        resize: Resize images to the network's input size; else they are taken as they are, and
            must be of one size within a batch.
        stages: What is trained from which step on: pairs of a step, the first 0, and one of
            `SCOPES`. Each stage has a new optimizer.
        frozen_norms: Keep the batch norms as they are.
        notes: Numbers that whoever runs it wants to find again when it goes on.
    """

    model: GeneralizedRCNN
    dataset: Samples
    recipe: Recipe
    device: torch.device
    dtype: torch.dtype = torch.float32
    resize: bool = False
    stages: Sequence[tuple[int, str]] = ((0, "all"),)
    frozen_norms: bool = False
    step: int = 0
    bad_steps: int = 0
    notes: dict[str, float] = field(default_factory=dict)
    batches: Sequence[list[Any]] = field(init=False)
    average: nn.Module = field(init=False)
    stage: tuple[int, str] = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.batches = self.dataset.batches()
        ignore_crowds(self.model)
        self.model.to(self.device, memory_format=torch.channels_last).train()
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self._enter_stage()

    def _stage(self) -> tuple[int, str]:
        """First step and scope of the stage that the next step belongs to."""
        return [stage for stage in self.stages if stage[0] <= self.step][-1]

    def _enter_stage(self) -> None:
        self.stage = self._stage()
        train_only(self.model, self.stage[1])
        if self.frozen_norms:
            freeze_batch_norms(self.model)
        self.optimizer = self.recipe.optimizer_of(self.model.parameters())

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return len(self.batches)

    def run(self, checkpoint: Path) -> Iterator[dict[str, float]]:
        """Train to the end, from `checkpoint` where it exists; yields each step's figures."""
        torch.manual_seed(self.recipe.seed)
        if checkpoint.exists():
            self.load(checkpoint)
        loader = DataLoader(
            self.dataset,
            batch_sampler=self.batches[self.step :],
            collate_fn=collate,
            num_workers=self.recipe.workers,
            generator=torch.Generator(),  # else a resumed run would draw from the training's own
        )
        for images, targets in loader:
            yield self.train_step(images, targets)
            if self.step % self.recipe.save_every == 0 or self.step == self.steps:
                self.save(checkpoint)

    def train_step(
        self, images: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> dict[str, float]:
        """One step on uint8 (3, H, W) images; returns the losses and the learning rate."""
        if self._stage() != self.stage:
            self._enter_stage()
        rate = self.recipe.learning_rate_at(self.step, self.steps, self.stage[0])
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch, moved = self.to_batch(images, targets)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            losses = training_losses(self.model, batch, moved)
        total = torch.stack(list(losses.values())).sum()
        self.optimizer.zero_grad()
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.step += 1
        if torch.isfinite(norm):
            self.optimizer.step()
            self.update_average()
            self.bad_steps = 0
        else:
            self.skip_step()
        figures = {name: float(loss.detach()) for name, loss in losses.items()}
        return {"step": self.step, "loss": float(total.detach()), **figures, "lr": rate}

    def to_batch(
        self, images: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[ImageList, list[dict[str, Tensor]]]:
        """Normalise images, resize them with their targets if asked to, and move all of it."""
        sizes = [(image.shape[-2], image.shape[-1]) for image in images]
        scaled = [image.to(self.device).float() / 255 for image in images]
        moved = [{k: v.to(self.device) for k, v in target.items()} for target in targets]
        if self.resize:
            batch, resized = self.model.transform(scaled, moved)
            return batch, scale_crowds(resized or [], sizes, batch.image_sizes)
        stacked = self.model.transform.normalize(torch.stack(scaled))
        return ImageList(stacked, sizes), moved

    def skip_step(self) -> None:
        """Count a step whose gradients are not finite; a few in a row end the run."""
        self.bad_steps += 1
        seen = ", ".join(map(self.dataset.name_of, self.batches[self.step - 1]))
        log.warning("step %d: gradients are not finite, skipped; it saw %s", self.step, seen)
        if self.bad_steps >= MAX_BAD_STEPS:
            raise InputError(
                f"training stopped at step {self.step}: {self.bad_steps} steps in a row had no "
                f"finite gradients, the last with {seen}; lower the learning rate (now "
                f"{self.recipe.learning_rate})"
            )

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the average towards the model, faster at first."""
        decay = min(self.recipe.average_decay, (1 + self.step) / (10 + self.step))
        new_state = self.model.state_dict()
        for name, kept in self.average.state_dict().items():
            new = new_state[name]
            if kept.is_floating_point():
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)

    def save(self, path: Path) -> None:
        """Write the checkpoint."""
        state: dict[str, Any] = {
            "step": self.step,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "stage": self.stage[0],
            "notes": self.notes,
            "random": torch.get_rng_state(),
        }
        save_checkpoint(path, state)

    def load(self, path: Path) -> None:
        """Go on from the checkpoint."""
        state = load_checkpoint(path)
        self.step, self.notes = state["step"], state["notes"]
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self._enter_stage()
        if state["stage"] == self.stage[0]:  # else the checkpoint ends a stage
            self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        log.info("going on from step %d", self.step)
