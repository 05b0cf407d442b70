"""The best weights of `train_unet`, by mIoU on the validation data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from instseg.core.events import OnEvent, told
from instseg.core.json_types import Json
from instseg.core.semantic import IGNORE
from instseg.data.semantic_data import SemanticData
from instseg.evaluation.semantic import SemanticEvaluator, SemanticScores
from instseg.files.image_writing import write_image
from instseg.models.segmenters import SegmenterModel
from instseg.predict.segmenter import Segmenter
from instseg.system.processes import process_rank
from instseg.training.best import BestWeights, Measured
from instseg.training.run_log import EPOCHS_FILE, LOG_FILE, read_columns
from instseg.training.segmentation import Segmentation, resized, to_tensors
from instseg.training.validation import validation_losses
from instseg.visualize.contact_sheet import contact_sheet
from instseg.visualize.labels import as_photo, draw_labels

WORST = 6  # images in worst.png
SMALLEST_TILE, LARGEST_TILE = 160, 320  # their size there, in pixels
SHOWN = ("mIoU", "mDice", "pACC", "mIoU_fg", "mBIoU")  # columns of epochs.csv
DRAWN = ("mIoU", "mDice")  # in history.png


@dataclass(kw_only=True)
class BestByIoU(BestWeights):
    """Keeps the weights of the best mIoU: of the classes with pixels, the background included.

    Args:
        class_pixels: Pixels per class of the training data, for the model file; for the others see
            `BestWeights`.

    Attributes:
        worst: The images of the lowest mIoU in the last validation: their place in the data, their
            predicted semantic map (H, W), and their mIoU.
    """

    task: Segmentation
    model: SegmenterModel
    val: SemanticData | None
    class_pixels: dict[str, int]
    worst: list[tuple[int, NDArray[np.uint8], float]] = field(init=False, default_factory=list)

    def look_at(self, epoch: int, on_event: OnEvent) -> bool:
        """As in `BestWeights`; also draws the training curves."""
        done = super().look_at(epoch, on_event)
        if self.best.epoch == epoch and process_rank() == 0:
            self.draw_history()
        return done

    def measure(
        self, model: SegmenterModel, val: SemanticData, on_event: OnEvent
    ) -> Measured | None:
        """Scores at full resolution, and mean losses of whole images that have labels.

        Only the first process validates.
        """
        if process_rank() > 0:
            return None
        segmenter = Segmenter(model, device=str(self.trainer.device), precision="fp32")
        evaluator = SemanticEvaluator(val.class_names)
        size = model.card.preprocessing["min_size"]

        def samples() -> Iterator[tuple[Tensor, Tensor]]:
            for row in told(range(len(val)), on_event, "measuring"):
                image, labels = val.load(row)
                evaluator.add(labels, segmenter(image))
                image, labels = resized(image, labels, size)
                if (labels != IGNORE).any():
                    yield to_tensors(image, labels)

        means = validation_losses(self.task, model.network, samples(), batch_size=1)
        losses = {f"val_{name}": value for name, value in means.items()}
        scores = evaluator.scores(resamples=0)
        found = scores.scores
        return Measured(
            score=found["mIoU"],
            figures={**losses, **{name: found[name] for name in SHOWN}},
            metrics=metrics_of(scores),
            pictures={"worst": self._draw_worst(val, segmenter, scores)},
        )

    def facts(self) -> Json:
        """Number of training pixels of each class."""
        return {"class_pixels": self.class_pixels}

    def draw_history(self) -> None:
        """history.png: losses and scores over epochs, from the logs."""
        from instseg.visualize.curves import history
        from instseg.visualize.figures import save_figure

        steps, epochs = (read_columns(self.folder / name) for name in (LOG_FILE, EPOCHS_FILE))
        batches = len(self.trainer.samples.batches(0))
        per_epoch = math.ceil(batches / self.trainer.recipe.gradient_accumulation_steps)
        for table in (steps, epochs):
            table["epoch"] = [step / per_epoch for step in table.pop("step", [])]
        save_figure(history(steps, epochs, DRAWN), self.folder / "history.png")

    def _draw_worst(
        self, val: SemanticData, segmenter: Segmenter, scores: SemanticScores
    ) -> NDArray[np.uint8]:
        """worst.png: the images with the lowest mIoU, with ground truth and prediction."""
        each = scores.of_images()["mIoU"]
        tiles, self.worst = [], []
        side = SMALLEST_TILE
        for row in np.argsort(each, kind="stable")[:WORST].tolist():  # NaN comes last
            image, labels = val.load(row)
            photo, predicted = as_photo(image), segmenter(image)
            self.worst.append((row, predicted, float(each[row])))
            side = max(side, *photo.shape[:2])
            tiles.append((photo, f"{val.name(row)}: mIoU {each[row]:.2f}", ""))
            for words, shown in (("truth", labels), ("prediction", predicted)):
                ids = np.unique(shown[(shown > 0) & (shown < len(val.class_names))])
                names = ", ".join(val.class_names[i] for i in ids.tolist())
                tiles.append((draw_labels(photo, shown, val.class_names), f"{words}: {names}", ""))
        picture = contact_sheet(tiles, columns=3, tile_px=min(side, LARGEST_TILE))
        write_image(self.folder / "worst.png", picture)
        return picture


def metrics_of(scores: SemanticScores) -> Json:
    """Scores as JSON: all means, and the IoU of each class; None for missing values."""
    found = scores.as_json()
    return {
        "images": found["images"],
        "scores": found["scores"],
        "IoU": {row["class"]: row["IoU"] for row in found["per_class"]},
    }
