"""The best weights of `instseg finetune`, by mask AP on the validation data."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from instseg.commands.best_weights import BestWeights, Json, Measured
from instseg.commands.listener import Listener
from instseg.predict.dataset import predict_dataset

if TYPE_CHECKING:
    from instseg.commands.finetune import FinetuneConfig
    from instseg.core.instances import Instances
    from instseg.data.coco import CocoData
    from instseg.models.mask_rcnn import Model
    from instseg.training.detection import Detection
    from instseg.training.run_log import RunLog

AP_THRESHOLD = 0.01  # AP needs the whole list; lower scores change it in the fourth decimal
WORST = 6  # photos in worst.png
KINDS = {"bbox": "box", "segm": "mask"}


@dataclass
class BestByAP(BestWeights):
    """Keeps the weights of the best mask AP; see `BestWeights`."""

    config: FinetuneConfig
    task: Detection
    model: Model
    val: CocoData | None

    def measure(self, model: Model, val: CocoData, log: RunLog | None) -> Measured | None:
        """AP and losses; every process predicts its share."""
        results = self._predict(model, val)
        if log is None or results is None:
            return None
        metrics = self._metrics(results)
        figures = {f"{name}_AP": metrics[kind]["AP"] for kind, name in KINDS.items()}
        self._draw_worst(val, results, log)
        return Measured(
            score=metrics["segm"]["AP"],
            figures={**self._losses(model, val), **figures},
            metrics=metrics,
        )

    def in_words(self, metrics: Json) -> str:
        """AP of boxes and masks."""
        return "".join(f", {name} AP {metrics[kind]['AP']:.3f}" for kind, name in KINDS.items())

    @cached_property
    def _truth(self) -> Json:
        return self.val.document() if self.val else {}

    def _predict(self, model: Model, val: CocoData) -> Sequence[Json] | None:
        """Results on the validation data; None but in the first process."""
        from instseg.predict.predictor import Predictor

        device = str(self.trainer.device)
        known = [name for name in val.class_names[1:] if name in model.card.class_names]
        predictor = Predictor(
            model,
            device=device,
            precision="fp32",
            score_threshold=AP_THRESHOLD,
            classes=known,
        )
        with Listener() as show:
            return predict_dataset(predictor, val, on_event=show)

    def _metrics(self, results: Sequence[Json]) -> dict[str, Json]:
        """COCO's figures of boxes and masks."""
        from instseg.evaluation.coco_ap import average_precision

        return {kind: average_precision(self._truth, results, kind) for kind in ("bbox", "segm")}

    def _losses(self, model: Model, val: CocoData) -> dict[str, float]:
        """Losses on the validation data, their names led by `val_`."""
        from instseg.training.samples import to_sample
        from instseg.training.validation import validation_losses

        samples = (
            to_sample(*val.load(row), model.card.class_names, val.crowds(row))
            for row in range(len(val))
        )
        size = self.config.batch_size
        found = validation_losses(self.task, model.network, samples, batch_size=size)
        return {f"val_{name}": value for name, value in found.items()}

    def _draw_worst(self, val: CocoData, results: Sequence[Json], log: RunLog) -> None:
        """worst.png: the photos of the lowest panoptic quality, with truth and predictions."""
        from instseg.evaluation.panoptic_quality import PhotoQuality, photo_quality
        from instseg.files.image import write_image
        from instseg.visualize.worst import Comparison, draw_worst

        def measured() -> Iterator[tuple[int, Instances, PhotoQuality]]:
            for row, found in enumerate(instances_of(results, val)):
                yield row, found, photo_quality(val.objects(row), found, val.crowds(row))

        def badness(each: tuple[int, Instances, PhotoQuality]) -> tuple[float, int, int]:
            return each[2].value, -each[2].mistakes, each[0]

        worst = heapq.nsmallest(WORST, measured(), key=badness)
        picture = draw_worst(
            [
                Comparison(
                    photo=val.photo(row),
                    truth=val.objects(row),
                    predicted=found,
                    missed=quality.missed,
                    wrong=quality.wrong,
                    caption=f"{val.images[row].file_name}: {quality.describe()}",
                )
                for row, found, quality in worst
            ]
        )
        write_image(self.config.out / "worst.png", picture)
        log.image("worst", self.trainer.step, picture)


def instances_of(results: Sequence[Mapping[str, Any]], data: CocoData) -> Iterator[Instances]:
    """What was found in each photo of a dataset, from COCO results with masks, photo by photo."""
    import numpy as np

    from instseg.core.instances import Instances, Masks

    class_of = {category: number for number, category in enumerate(data.category_ids)}
    by_image = {
        image_id: list(records)
        for image_id, records in itertools.groupby(results, key=lambda each: each["image_id"])
    }
    for image in data.images:
        records = by_image.get(image.id, [])
        size_hw = (image.height, image.width)
        masks = Masks.from_rle([each["segmentation"] for each in records], size_hw)
        yield Instances(
            boxes=masks.boxes_xyxy(),
            class_ids=np.array([class_of[r["category_id"]] for r in records], dtype=np.int64),
            scores=np.array([r["score"] for r in records], dtype=np.float32),
            masks=masks,
            class_names=data.class_names,
        )
