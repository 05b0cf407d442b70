"""The best weights of `instseg train-unet`, by mIoU on the validation data."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from instseg.commands.best_weights import BestWeights, Json, Measured
from instseg.commands.terminal import progress

if TYPE_CHECKING:
    from torch import Tensor

    from instseg.commands.train_unet import TrainUnetConfig
    from instseg.data.semantic_data import SemanticData
    from instseg.evaluation.semantic import SemanticScores
    from instseg.models.segmenters import SegmenterModel
    from instseg.predict.segmenter import Segmenter
    from instseg.training.run_log import RunLog
    from instseg.training.segmentation import Segmentation

WORST = 6  # images in worst.png
SMALLEST_TILE, LARGEST_TILE = 160, 320  # their size there, in pixels
SHOWN = ("mIoU", "mDice", "pACC", "mIoU_fg", "mBIoU")  # columns of epochs.csv
DRAWN = ("mIoU", "mDice")  # in history.png


@dataclass
class BestByIoU(BestWeights):
    """Keeps the weights of the best mIoU: of the classes with pixels, the background included.

    Args:
        class_pixels: Of the training data, for the model file; the others are those of
            `BestWeights`.
    """

    config: TrainUnetConfig
    task: Segmentation
    model: SegmenterModel
    val: SemanticData | None
    class_pixels: dict[str, int]

    def look_at(self, log: RunLog | None, epoch: int) -> bool:
        """As `BestWeights` does, and draw the curves up to the best."""
        done = super().look_at(log, epoch)
        if log and self.trainer.notes.get("best_epoch") == epoch:
            self.draw_history()
        return done

    def measure(
        self, model: SegmenterModel, val: SemanticData, log: RunLog | None
    ) -> Measured | None:
        """Scores at full resolution, and mean losses of whole images that have labels.

        The first process measures alone.
        """
        from instseg.core.semantic import IGNORE
        from instseg.evaluation.semantic import SemanticEvaluator
        from instseg.predict.segmenter import Segmenter
        from instseg.training.segmentation import resized, to_tensors
        from instseg.training.validation import validation_losses

        if log is None:
            return None
        segmenter = Segmenter(model, device=str(self.trainer.device), precision="fp32")
        evaluator = SemanticEvaluator(val.class_names)
        size = model.card.preprocessing["min_size"]

        def samples() -> Iterator[tuple[Tensor, Tensor]]:
            for row in progress(range(len(val)), description="measuring"):
                image, labels = val.load(row)
                evaluator.add(labels, segmenter(image))
                image, labels = resized(image, labels, size)
                if (labels != IGNORE).any():
                    yield to_tensors(image, labels)

        means = validation_losses(self.task, model.network, samples(), batch_size=1)
        losses = {f"val_{name}": value for name, value in means.items()}
        scores = evaluator.scores(resamples=0)
        self._draw_worst(val, segmenter, scores, log)
        found = scores.scores
        return Measured(
            score=found["mIoU"],
            figures={**losses, **{name: found[name] for name in SHOWN}},
            metrics=metrics_of(scores),
        )

    def in_words(self, metrics: Json) -> str:
        """The mean IoU, and of what it is the mean."""
        classes = sum(each is not None for each in metrics["IoU"].values())
        words = f", mIoU {metrics['scores']['mIoU']:.3f} over {classes} classes"
        without = metrics["scores"]["mIoU_fg"]
        if metrics["IoU"]["BG"] is None or without is None:
            return words
        return f"{words} with the background, {without:.3f} without it"

    def facts(self) -> Json:
        """How much there was to learn of each class."""
        return {"class_pixels": self.class_pixels}

    def draw_history(self) -> None:
        """history.png: losses and scores over epochs, from the logs."""
        from instseg.visualize.curves import history
        from instseg.visualize.figures import save_figure

        steps, epochs = (read_columns(self.config.out / f"{n}.csv") for n in ("log", "epochs"))
        per_epoch = math.ceil(len(self.trainer.samples.batches(0)) / self.config.accumulate)
        for table in (steps, epochs):
            table["epoch"] = [step / per_epoch for step in table.pop("step", [])]
        save_figure(history(steps, epochs, DRAWN), self.config.out / "history.png")

    def _draw_worst(
        self, val: SemanticData, segmenter: Segmenter, scores: SemanticScores, log: RunLog
    ) -> None:
        """worst.png: the images of the lowest mIoU, with truth and prediction."""
        from instseg.files.image import write_image
        from instseg.visualize.contact_sheet import contact_sheet
        from instseg.visualize.labels import as_photo, draw_labels

        each = scores.of_images()["mIoU"]
        tiles = []
        side = SMALLEST_TILE
        for row in np.argsort(each, kind="stable")[:WORST].tolist():  # NaN comes last
            image, labels = val.load(row)
            photo, predicted = as_photo(image), segmenter(image)
            side = max(side, *photo.shape[:2])
            tiles.append((photo, f"{val.name(row)}: mIoU {each[row]:.2f}", ""))
            for words, shown in (("truth", labels), ("prediction", predicted)):
                ids = np.unique(shown[(shown > 0) & (shown < len(val.class_names))])
                names = ", ".join(val.class_names[i] for i in ids.tolist())
                tiles.append((draw_labels(photo, shown, val.class_names), f"{words}: {names}", ""))
        picture = contact_sheet(tiles, columns=3, tile_px=min(side, LARGEST_TILE))
        write_image(self.config.out / "worst.png", picture)
        log.image("worst", self.trainer.step, picture)


def metrics_of(scores: SemanticScores) -> Json:
    """Scores as JSON: all means, and the IoU of each class; None for what has no value."""
    found = scores.as_json()
    return {
        "images": found["images"],
        "scores": found["scores"],
        "IoU": {row["class"]: row["IoU"] for row in found["per_class"]},
    }


def read_columns(path: Path) -> dict[str, list[float]]:
    """The columns of a CSV file by name; none if there is no file."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name] or "nan") for row in rows] for name in rows[0]}
