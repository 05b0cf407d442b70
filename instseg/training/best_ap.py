"""The best weights of `finetune`, by mask AP on the validation data."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from instseg.core.events import OnEvent
from instseg.core.instances import Instances
from instseg.core.json_types import Json
from instseg.data.coco import CocoData
from instseg.evaluation.coco_ap import Kind, average_precision
from instseg.evaluation.panoptic_quality import PhotoQuality, photo_quality
from instseg.evaluation.result import NAMES
from instseg.files.image_writing import write_image
from instseg.models.mask_rcnn import Model
from instseg.predict.dataset import coco_records, in_order, predicted_instances
from instseg.predict.predictor import Predictor
from instseg.system.processes import to_first
from instseg.training.best import BestWeights, Measured
from instseg.training.detection import Detection
from instseg.training.samples import Sample, to_sample
from instseg.training.tile_samples import tiles_of
from instseg.training.validation import validation_losses
from instseg.visualize.worst import WorstPhoto, draw_worst

AP_THRESHOLD = 0.01  # AP needs low scores too; lower ones change only its fourth decimal
WORST = 6  # photos in worst.png
KINDS: tuple[Kind, ...] = ("bbox", "segm")

Row: TypeAlias = tuple[int, Instances, PhotoQuality]
"""The result of one photo: its index, its instances, and their quality."""


@dataclass(kw_only=True)
class BestByAP(BestWeights):
    """Keeps the weights of the best mask AP; see `BestWeights`.

    Args:
        batch_size: Photos per batch for the losses.
        tile: Side of the tiles of larger photos; None for whole photos.

    Attributes:
        worst: The photos of the lowest quality in the last validation.
    """

    task: Detection
    model: Model
    val: CocoData | None
    batch_size: int
    tile: int | None = None
    worst: list[Row] = field(init=False, default_factory=list)

    def measure(self, model: Model, val: CocoData, on_event: OnEvent) -> Measured | None:
        """AP and losses; the photos are divided between the processes."""
        found = self._predict(model, val, on_event)
        if found is None:
            return None
        results, self.worst = found
        metrics = self._metrics(results)
        figures = {f"{NAMES[kind]}_AP": metrics[kind]["AP"] for kind in KINDS}
        return Measured(
            score=metrics["segm"]["AP"],
            figures={**self._losses(model, val), **figures},
            metrics=metrics,
            pictures={"worst": self._draw_worst(val, self.worst)},
        )

    @cached_property
    def _truth(self) -> Json:
        return self.val.document() if self.val else {}

    def _predict(
        self, model: Model, val: CocoData, on_event: OnEvent
    ) -> tuple[list[Json], list[Row]] | None:
        """Results on the validation data and the worst photos, in the first process; else None.

        Only RLE is kept of most photos: the masks of all would fill the memory.
        """
        known = [name for name in val.class_names[1:] if name in model.card.class_names]
        predictor = Predictor(
            model,
            device=str(self.trainer.device),
            precision="fp32",
            score_threshold=AP_THRESHOLD,
            classes=known,
            tile=self.tile,
        )
        records: list[list[Json]] = []
        worst: list[Row] = []
        for row, instances in predicted_instances(predictor, val, on_event=on_event):
            records.append(coco_records(instances, val, row))
            found = in_classes_of(instances, val)
            quality = photo_quality(val.objects(row), found, val.crowds(row))
            worst = heapq.nsmallest(WORST, [*worst, (row, found, quality)], key=badness)
        parts, all_worst = in_order(records, len(val)), to_first(worst)
        if parts is None or all_worst is None:
            return None
        worst = heapq.nsmallest(WORST, itertools.chain.from_iterable(all_worst), key=badness)
        return list(itertools.chain.from_iterable(parts)), worst

    def _metrics(self, results: Sequence[Json]) -> dict[str, Json]:
        """COCO's metrics for boxes and masks."""
        return {kind: average_precision(self._truth, results, kind) for kind in KINDS}

    def _losses(self, model: Model, val: CocoData) -> dict[str, float]:
        """Losses on the validation data, with the prefix `val_`."""
        samples = itertools.chain.from_iterable(
            self._samples(val, row, model.card.class_names) for row in range(len(val))
        )
        found = validation_losses(self.task, model.network, samples, batch_size=self.batch_size)
        return {f"val_{name}": value for name, value in found.items()}

    def _samples(self, val: CocoData, row: int, names: tuple[str, ...]) -> Iterator[Sample]:
        """A photo, or its tiles."""
        photo, instances = val.load(row)
        if self.tile is None:
            yield to_sample(photo, instances, names, val.crowds(row))
            return
        for part, labels in tiles_of(photo, instances, val.crowds(row), self.tile):
            yield to_sample(part, labels.instances, names, labels.crowds)

    def _draw_worst(self, val: CocoData, rows: Sequence[Row]) -> NDArray[np.uint8]:
        """worst.png: the photos of the lowest panoptic quality, with truth and predictions."""
        picture = draw_worst(
            [
                WorstPhoto(
                    photo=val.photo(row),
                    truth=val.objects(row),
                    predicted=found,
                    missed=quality.missed,
                    wrong=quality.wrong,
                    caption=f"{val.images[row].file_name}: {quality.describe()}",
                )
                for row, found, quality in rows
            ]
        )
        write_image(self.folder / "worst.png", picture)
        return picture


def badness(each: Row) -> tuple[float, int, int]:
    """Sort key, lower is worse; photos with equal quality keep their order."""
    row, _, quality = each
    return quality.value, -quality.mistakes, row


def in_classes_of(found: Instances, data: CocoData) -> Instances:
    """Predictions with the class order of a dataset, and the boxes of their masks.

    Args:
        found: Instances of classes of the dataset.
        data: The dataset.
    """
    ids = {name: number for number, name in enumerate(data.class_names)}
    return replace(
        found,
        boxes=found.masks.boxes_xyxy(),
        class_ids=np.array([ids[name] for name in found.names], dtype=np.int64),
        class_names=data.class_names,
    )
