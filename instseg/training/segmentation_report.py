"""What the report of `train_unet` shows of a semantic network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instseg.core.json_types import Json
from instseg.core.semantic import IGNORE, from_semantic
from instseg.core.wording import number, printable
from instseg.report import components as parts
from instseg.report.photo_names import unique_name
from instseg.training.batch_pictures import semantic_batch
from instseg.training.best_iou import SHOWN, BestByIoU
from instseg.visualize.labels import as_photo

LABELS = {
    "mIoU": "mIoU",
    "mIoU_fg": "mIoU without background",
    "mDice": "mean Dice",
    "pACC": "pixel accuracy",
    "mBIoU": "mean boundary IoU",
}
"""Headline numbers, by their names in metrics.json."""


@dataclass(frozen=True, kw_only=True)
class SegmentationShown:
    """IoU, batches and worst images; see `training.report.Shown`."""

    best: BestByIoU
    title = "Training of a semantic network"
    scores = SHOWN

    def numbers(self, metrics: Json) -> list[parts.Number]:
        """The means over the classes."""
        return [
            parts.Number(label=label, value=number(metrics["scores"].get(name)))
            for name, label in LABELS.items()
        ]

    def classes(self, metrics: Json) -> parts.Bars:
        """The IoU of each class, the best first."""
        ious = metrics["IoU"]
        order = sorted(ious, key=lambda name: -1 if ious[name] is None else ious[name])[::-1]
        return parts.Bars(
            title="IoU of each class",
            bars=[
                parts.Bar(label="background" if name == "BG" else name, value=ious[name])
                for name in order
            ],
            most=1.0,
        )

    def batch(self, count: int) -> NDArray[np.uint8]:
        """The first images that are trained on."""
        return semantic_batch(self.best.trainer, self.best.model.card.class_names, most=count)

    def worst(self) -> parts.Gallery | None:
        """The images of the lowest mIoU, each class of truth and prediction as one region."""
        val = self.best.val
        if val is None or not self.best.worst:
            return None
        return parts.Gallery(
            photos=self._photos(),
            class_names=val.class_names,
            category_ids=val.category_ids,
            sort="mIoU",
        )

    def _photos(self) -> Iterator[parts.Photo]:
        val = self.best.val
        assert val is not None, "only then are there worst images"
        taken: set[str] = set()
        for row, predicted, score in self.best.worst:
            image, labels = val.load(row)
            shown = np.where(labels == IGNORE, 0, predicted).astype(np.uint8)
            yield parts.Photo(
                name=unique_name(printable(val.name(row)), str(row), taken),
                image=as_photo(image),
                layers=[
                    parts.Layer(name=parts.TRUTH, instances=from_semantic(labels, val.class_names)),
                    parts.Layer(
                        name=parts.PREDICTION, instances=from_semantic(shown, val.class_names)
                    ),
                ],
                values={"mIoU": round(score, 3)} if np.isfinite(score) else {},
                lines=[f"mIoU {number(score)}" if np.isfinite(score) else "nothing is labelled"],
            )
