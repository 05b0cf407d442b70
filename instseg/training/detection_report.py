"""What the report of `finetune` shows of a Mask R-CNN."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instseg.core.json_types import Json
from instseg.core.wording import number, printable
from instseg.report import components as parts
from instseg.report.photo_names import unique_name
from instseg.training.batch_pictures import detection_batches
from instseg.training.best_ap import BestByAP
from instseg.visualize.worst import SCORE_THRESHOLD


@dataclass(frozen=True, kw_only=True)
class DetectionShown:
    """AP, batches and worst photos; see `training.report.Shown`."""

    best: BestByAP
    title = "Fine-tuning of Mask R-CNN"
    scores = ("mask_AP", "box_AP")

    def numbers(self, metrics: Json) -> list[parts.Number]:
        """COCO's most important numbers."""
        shown = (
            ("mask AP", "segm", "AP"),
            ("mask AP50", "segm", "AP50"),
            ("mask AP75", "segm", "AP75"),
            ("box AP", "bbox", "AP"),
        )
        return [
            parts.Number(label=label, value=number(metrics[kind][metric]))
            for label, kind, metric in shown
        ]

    def classes(self, metrics: Json) -> parts.Bars:
        """Mask AP beside box AP, the best class first."""
        masks, boxes = (metrics[kind]["per_class"] for kind in ("segm", "bbox"))
        order = sorted(masks, key=lambda name: -masks[name])
        return parts.Bars(
            title="AP of each class",
            bars=[parts.Bar(label=name, value=_defined(masks[name])) for name in order],
            most=1.0,
            other={name: _defined(boxes.get(name, -1)) for name in order},
            names=("mask AP", "box AP"),
        )

    def batch(self, count: int) -> NDArray[np.uint8]:
        """The first photos that are trained on."""
        trainer = self.best.trainer
        names = self.best.model.card.class_names
        return detection_batches(trainer, self.best.task, names, batches=1, most=count)

    def worst(self) -> parts.Gallery | None:
        """The photos of the lowest panoptic quality, truth and predictions."""
        if self.best.val is None or not self.best.worst:
            return None
        return parts.Gallery(
            photos=self._photos(),
            class_names=self.best.val.class_names,
            category_ids=self.best.val.category_ids,
            sort="panoptic quality",
        )

    def _photos(self) -> Iterator[parts.Photo]:
        val = self.best.val
        assert val is not None, "only then are there worst photos"
        taken: set[str] = set()
        for row, found, quality in self.best.worst:
            shown = found.scores >= SCORE_THRESHOLD
            missed: list[parts.Mark] = ["miss" if each else "hit" for each in quality.missed]
            right: parts.Mark = "" if len(val.crowds(row)) else "hit"  # or it lies in a crowd
            wrong: list[parts.Mark] = [
                "false positive" if each else right for each in quality.wrong[shown]
            ]
            yield parts.Photo(
                name=unique_name(printable(val.images[row].file_name), str(row), taken),
                image=val.photo(row),
                layers=[
                    parts.Layer(name=parts.TRUTH, instances=val.objects(row), marks=missed),
                    parts.Layer(name=parts.PREDICTION, instances=found[shown], marks=wrong),
                ],
                values={"panoptic quality": round(quality.value, 3), "mistakes": quality.mistakes},
                lines=[quality.describe()],
            )


def _defined(value: float) -> float | None:
    """COCO's -1 stands for a class without ground truth."""
    return None if value < 0 else value
