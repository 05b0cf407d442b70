"""The best weights of a training run, by a score on the validation data."""

from __future__ import annotations

import copy
import json
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from instseg.core.events import EpochDone, OnEvent
from instseg.core.json_types import Json
from instseg.system.atomic import replacing
from instseg.system.processes import process_rank
from instseg.training.loop import Trainer
from instseg.training.resume import BEST_FILE
from instseg.training.task import Task

if TYPE_CHECKING:
    from instseg.models.mask_rcnn import Model
    from instseg.models.segmenters import SegmenterModel

METRICS_FILE = "metrics.json"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The result of a validation.

    Attributes:
        score: Decides which weights are the best; higher is better.
        figures: Numbers by name, for epochs.csv.
        metrics: For metrics.json and the model file.
        pictures: Pictures by name, for TensorBoard: uint8 RGB (H, W, 3).
    """

    score: float
    figures: dict[str, float]
    metrics: Json
    pictures: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)


@dataclass
class BestSoFar:
    """The best score of a run and its epoch, from 1; 0 if there is none."""

    score: float = -math.inf
    epoch: int = 0

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"score": self.score, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.score, self.epoch = state["score"], state["epoch"]


@dataclass(kw_only=True)
class BestWeights(ABC):
    """Validates after every epoch and keeps the best weights; without validation data, the last.

    The exponential moving average of the weights is validated and kept.

    Args:
        trainer: The trainer of the run.
        task: The task of the trainer.
        model: The trained model; its card is written to the model file.
        val: Validation data, if any.
        folder: Output folder, for the model file, metrics.json and pictures.
        recipe: The options, for the model file.
        weights_dtype: Data type in the model file, fp32 or fp16.
        patience: Stop after this many epochs without a better score; None never does.
    """

    trainer: Trainer
    task: Task
    model: Model | SegmenterModel
    val: Any
    folder: Path
    recipe: Mapping[str, Any]
    weights_dtype: str = "fp32"
    patience: int | None = None
    best: BestSoFar = field(init=False, default_factory=BestSoFar)

    def __post_init__(self) -> None:
        self.trainer.keep("best", self.best)

    @abstractmethod
    def measure(self, model: Any, val: Any, on_event: OnEvent) -> Measured | None:
        """Validate a model, and draw pictures; called in every process.

        Args:
            model: The model, with the weights as they would be stored.
            val: Validation data.
            on_event: Called with progress.

        Returns:
            None in other processes than the first.
        """

    def facts(self) -> Json:
        """Provenance for the model file, besides recipe and metrics."""
        return {}

    def look_at(self, epoch: int, on_event: OnEvent) -> bool:
        """Validate after an epoch; called in every process.

        Args:
            epoch: Number of the epoch, from 1.
            on_event: Called with the result.

        Returns:
            True when the run should stop, decided by the first process.
        """
        step = self.trainer.step
        if self.val is None:
            last = step == self.trainer.steps
            if last and process_rank() == 0:
                self._save(self._as_stored(), {})
            on_event(EpochDone(epoch=epoch, step=step, figures={}, is_best=last))
            return False
        model = self._as_stored()
        measured = self.measure(model, self.val, on_event)
        if measured is None:
            return False
        better = measured.score > self.best.score
        kept = measured.score >= self.best.score  # of equal scores, the later one
        if kept:
            self._save(model, measured.metrics)
        if better:
            self.best.score, self.best.epoch = measured.score, epoch
        self.trainer.plateau.epoch_done(epoch, improved=better)
        on_event(
            EpochDone(
                epoch=epoch,
                step=step,
                figures=measured.figures,
                is_best=kept,
                pictures=measured.pictures,
            )
        )
        return self.patience is not None and epoch - self.best.epoch >= self.patience

    def metrics(self) -> Json:
        """Metrics of the best weights; {} before the first validation and without validation."""
        path = self.folder / METRICS_FILE
        return json.loads(path.read_text()) if self.best.epoch and path.exists() else {}

    def _as_stored(self) -> Any:
        """The averaged weights, rounded as in the file: the stored weights are validated."""
        network: Any = copy.deepcopy(self.trainer.average)
        if self.weights_dtype == "fp16":
            network.half().float()
        return replace(self.model, network=network)

    def _save(self, model: Any, metrics: Json) -> None:
        """Write the model file, and the metrics beside it."""
        provenance = {"recipe": dict(self.recipe), "metrics": metrics, **self.facts()}
        dtype = torch.float16 if self.weights_dtype == "fp16" else None
        card = replace(model.card, provenance=provenance)
        replace(model, card=card).save(self.folder / BEST_FILE, dtype=dtype)
        with replacing(self.folder / METRICS_FILE) as temporary:
            temporary.write_text(json.dumps(metrics, indent=1) + os.linesep)
