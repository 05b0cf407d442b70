"""The best weights of a training run, by mask AP on the validation data."""

from __future__ import annotations

import copy
import csv
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instseg.atomic import replacing
from instseg.commands.finetune_data import list_examples

if TYPE_CHECKING:
    from instseg.commands.finetune import FinetuneConfig
    from instseg.data.coco import CocoData
    from instseg.models.mask_rcnn import Model
    from instseg.training.loop import Trainer

AP_THRESHOLD = 0.01  # AP needs the whole list; lower scores change it in the fourth decimal


@dataclass
class BestWeights:
    """Measures after every epoch and keeps the best; without validation data, the last.

    What is measured and kept is the moving average of the weights. What was best lies in the
    trainer's notes and so in its checkpoints.

    Args:
        config: The options of the run.
        model: What is trained; its card goes into the model file.
        val: Photos to measure with, if not drawn scenes.
    """

    config: FinetuneConfig
    model: Model
    val: CocoData | None

    @property
    def path(self) -> Path:
        """The model file."""
        return self.config.out / "best.safetensors"

    def look_at(self, trainer: Trainer) -> bool:
        """To be called after each step; True when the run should stop."""
        samples = trainer.dataset
        epoch = samples.epoch_that_ends(trainer.step)
        if epoch is None:
            return False
        model = self._as_stored(trainer)
        metrics = self._measure(model)
        if not metrics:
            if trainer.step == trainer.steps:
                self._save(model, metrics)
            return False
        score = metrics["segm"]["AP"]
        self._log(epoch, trainer.step, metrics)
        if score > trainer.notes.get("best", -2):
            trainer.notes.update(best=score, best_epoch=epoch)
            self._save(model, metrics)
        patience = self.config.patience
        return patience is not None and epoch - trainer.notes["best_epoch"] >= patience

    def describe(self) -> str:
        """The best figures, for the closing line."""
        path = self.config.out / "metrics.json"
        metrics = json.loads(path.read_text()) if path.exists() else {}
        kinds = (("bbox", "box"), ("segm", "mask"))
        return "".join(f", {name} AP {metrics[k]['AP']:.3f}" for k, name in kinds if k in metrics)

    def _as_stored(self, trainer: Trainer) -> Model:
        """The averaged weights, rounded as the file will have them: what is measured is stored."""
        network = copy.deepcopy(trainer.average)
        if self.config.store == "fp16":
            network.half().float()
        return replace(self.model, network=network)

    def _measure(self, model: Model) -> dict[str, Any]:
        """AP on the validation data; empty without any."""
        from instseg.evaluation.validate import validate
        from instseg.predict import Predictor

        examples = list_examples(self.config, self.val)
        if examples is None:
            return {}
        predictor = Predictor(
            model, device=self.config.device, precision="fp32", score_threshold=AP_THRESHOLD
        )
        return validate(predictor, examples)

    def _log(self, epoch: int, step: int, metrics: dict[str, Any]) -> None:
        with (self.config.out / "epochs.csv").open("a", newline="") as file:
            log = csv.writer(file)
            if file.tell() == 0:
                log.writerow(["epoch", "step", "box_AP", "mask_AP"])
            aps = [f"{metrics[kind]['AP']:.5f}" for kind in ("bbox", "segm")]
            log.writerow([epoch, step, *aps])

    def _save(self, model: Model, metrics: dict[str, Any]) -> None:
        """Write the model file, and the metrics beside it."""
        import torch

        recipe = json.loads(json.dumps(asdict(self.config), default=str))
        del recipe["out"], recipe["resume"]
        card = replace(model.card, provenance={"recipe": recipe, "metrics": metrics})
        dtype = torch.float16 if self.config.store == "fp16" else None
        replace(model, card=card).save(self.path, dtype=dtype)
        with replacing(self.config.out / "metrics.json") as temporary:
            temporary.write_text(json.dumps(metrics, indent=1) + os.linesep)
