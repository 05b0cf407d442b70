"""The best weights of a training run, by a score on the validation data."""

from __future__ import annotations

import copy
import json
import math
import os
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from instseg.system.atomic import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from instseg.commands.finetune import FinetuneConfig
    from instseg.commands.train_unet import TrainUnetConfig
    from instseg.models.mask_rcnn import Model
    from instseg.models.segmenters import SegmenterModel
    from instseg.training.loop import Task, Trainer
    from instseg.training.run_log import RunLog

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a model is worth on the validation data.

    Attributes:
        score: Decides which weights are the best; higher is better.
        figures: By name, for epochs.csv.
        metrics: For metrics.json and the model file.
    """

    score: float
    figures: dict[str, float]
    metrics: Json


@dataclass
class BestWeights(ABC):
    """Measures after every epoch and keeps the best; without validation data, the last.

    What is measured and kept is the moving average of the weights. What was best lies in the
    trainer's notes and so in its checkpoints.

    Args:
        config: The options of the run.
        trainer: Of the run.
        task: The trainer's.
        model: What is trained; its card goes into the model file.
        val: Images to measure with, if there are any.
    """

    config: FinetuneConfig | TrainUnetConfig
    trainer: Trainer
    task: Task
    model: Model | SegmenterModel
    val: Any

    @abstractmethod
    def measure(self, model: Any, val: Any, log: RunLog | None) -> Measured | None:
        """Measure a model, and draw what is to be seen of it; called in every process.

        Args:
            model: With the weights as they would be stored.
            val: Images to measure with.
            log: Of the first process; None in the others, where None may be returned.
        """

    @abstractmethod
    def in_words(self, metrics: Json) -> str:
        """The most important metrics, for the closing line; begins with ", "."""

    def facts(self) -> Json:
        """What the model file tells of its origin besides recipe and metrics."""
        return {}

    @property
    def path(self) -> Path:
        """The model file."""
        return self.config.out / "best.safetensors"

    def look_at(self, log: RunLog | None, epoch: int) -> bool:
        """Measure what an epoch has brought; to be called in every process.

        Args:
            log: Of the first process; None in the others.
            epoch: Its number, from 1.

        Returns:
            True when the run should stop, decided by the first process.
        """
        if self.val is None:
            if log and self.trainer.step == self.trainer.steps:
                self._save(self._as_stored(), {})
            return False
        model = self._as_stored()
        measured = self.measure(model, self.val, log)
        if log is None or measured is None:
            return False
        log.epoch(epoch, self.trainer.step, measured.figures)
        notes = self.trainer.notes
        best = notes.get("best", -math.inf)
        if measured.score >= best:  # of two that are as good, the one that is longer trained
            self._save(model, measured.metrics)
        if measured.score > best:
            notes.update(best=measured.score, best_epoch=epoch, lowered_epoch=epoch)
        self._lower_rate(epoch)
        patience = self.config.patience
        return patience is not None and epoch - notes["best_epoch"] >= patience

    def describe(self) -> str:
        """The best figures, for the closing line."""
        path = self.config.out / "metrics.json"
        if self.val is None or not path.exists():
            return ""
        return self.in_words(json.loads(path.read_text()))

    def _as_stored(self) -> Any:
        """The averaged weights, rounded as the file will have them: what is measured is stored."""
        network: Any = copy.deepcopy(self.trainer.average)
        if self.config.store == "fp16":
            network.half().float()
        return replace(self.model, network=network)

    def _lower_rate(self, epoch: int) -> None:
        """With the schedule `plateau`, a tenth of the learning rate when the score has not risen.

        The epochs of patience are counted from the last rise or fall.
        """
        notes = self.trainer.notes
        if self.config.schedule != "plateau":
            return
        if epoch - notes["lowered_epoch"] >= self.config.plateau_patience:
            notes.update(lowered_epoch=epoch, rate_factor=notes.get("rate_factor", 1.0) / 10)

    def _save(self, model: Any, metrics: Json) -> None:
        """Write the model file, and the metrics beside it."""
        import torch

        recipe = json.loads(json.dumps(asdict(self.config), default=lambda path: path.name))
        del recipe["out"], recipe["resume"]
        provenance = {"recipe": recipe, "metrics": metrics, **self.facts()}
        dtype = torch.float16 if self.config.store == "fp16" else None
        replace(model, card=replace(model.card, provenance=provenance)).save(self.path, dtype=dtype)
        with replacing(self.config.out / "metrics.json") as temporary:
            temporary.write_text(json.dumps(metrics, indent=1) + os.linesep)
