"""The averaged weights as the teacher: they label the photos of each epoch before it begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import Notice, OnEvent, ignore
from instseg.core.wording import count
from instseg.predict.attempts import attempted
from instseg.predict.predictor import Predictor
from instseg.system.processes import from_first, process_count, process_rank, to_first
from instseg.training.epoch_labels import encoded

if TYPE_CHECKING:
    from instseg.models.mask_rcnn import Model
    from instseg.training.loop import Trainer
    from instseg.training.unlabelled import MixedSamples

ONE_OBJECT_IOU = 0.5  # of masks: only the surer one of two classes becomes a label


@dataclass(kw_only=True)
class Teacher:
    """Labels the unlabelled photos of each epoch (Tarvainen and Valpola, NeurIPS 2017).

    The labels are made by the averaged weights at the beginning of the epoch. Together with the
    weights they are kept in checkpoints, so that a resumed run has the same ones.

    Args:
        trainer: The trainer of the run, whose averaged weights are used.
        model: The trained model; its card is used.
        samples: The training data.
        on_event: Called with progress, a notice for each epoch, and photos that fail.
    """

    trainer: Trainer
    model: Model
    samples: MixedSamples
    on_event: OnEvent = ignore

    def __post_init__(self) -> None:
        if self.trainer.epochs <= self.samples.first:
            raise ArgumentError(
                f"the run has {count(self.trainer.epochs, 'epoch')}, and unlabelled photos are "
                f"used after {self.samples.first}; change {{unlabelled_start}} or train longer"
            )
        self.trainer.keep("unlabelled", self.samples.labels)
        self.trainer.before_epoch = self.label

    def label(self, epoch: int) -> None:
        """Label the photos of an epoch, unless they are; called in every process."""
        labels, drawn = self.samples.labels, self.samples.drawn(epoch)
        if labels.epoch == epoch or not drawn:
            return
        wanted = sorted(set(drawn) - set(labels.failed))
        parts = to_first(list(self._predict(wanted[process_rank() :: process_count()])))
        found = from_first(dict(pair for part in parts or [] for pair in part))
        labels.replace(epoch, drawn, found)
        if not labels.photos:
            first = self.samples.photos[drawn[0]].path
            raise InputError(f"{first}: as all unlabelled photos of this epoch, cannot be read")
        self.on_event(
            Notice(
                text=f"epoch {epoch + 1}: {count(labels.learnt, 'pseudo-label')} and "
                f"{count(labels.ignored, 'ignored region')} in {count(labels.photos, 'photo')}"
            )
        )

    def figures(self) -> dict[str, float]:
        """The numbers of the current epoch, for the log."""
        labels = self.samples.labels
        return {"pseudo_labels": float(labels.learnt), "pseudo_ignored": float(labels.ignored)}

    def _predict(self, photos: list[int]) -> Iterator[tuple[int, str | None]]:
        network: Any = self.trainer.average
        predictor = Predictor(
            replace(self.model, network=network),
            device=str(self.trainer.device),
            precision="bf16" if self.trainer.dtype == torch.bfloat16 else "fp32",
            score_threshold=self.samples.labels.scores[0],
            cross_class_nms=ONE_OBJECT_IOU,
        )
        paths = [Path(self.samples.photos[number].path) for number in photos]
        task = "labelling photos"
        found = attempted(
            predictor, paths, predictor.predict_batch, task=task, on_event=self.on_event
        )
        for number, (_, instances) in zip(photos, found, strict=True):
            yield number, None if instances is None else encoded(instances)
