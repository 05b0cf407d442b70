"""The starting network of `finetune`, with outputs for the classes of the dataset."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from instseg.core.errors import ArgumentError
from instseg.core.events import (
    ClassesMatched,
    Notice,
    OnEvent,
    Progress,
    download_progress,
    ignore,
)
from instseg.data.coco import CocoData
from instseg.models.heads import kept_classes, match_classes, with_detector_classes
from instseg.models.imagenet import ARCHITECTURE, load_imagenet
from instseg.models.mask_rcnn import Model, build_detector, fresh_model, load_detector
from instseg.models.segmenters import is_segmenter
from instseg.predict.predictor import Predictor
from instseg.system.processes import from_first, process_device, process_rank
from instseg.training.common_options import NEW
from instseg.training.pseudo_labels import UNSURE, pseudo_label


@dataclass(frozen=True, kw_only=True)
class DetectorStart:
    """Starting weights, and how they are adapted to other classes.

    Attributes:
        weights: A name, a path, a model, which is not changed, or one of `NEW`.
        architecture: Architecture of new weights, which `imagenet` does not need, or of a `.pth`
            file.
        init_classes: New names by the old names that they are initialised from.
        min_size: Another input size, which is written to the model file.
        class_agnostic_mask: Whether all classes share one mask channel; None as in the weights.
        on_event: Called with downloads and the initialisation of classes.
    """

    weights: str | Path | Model
    architecture: str | None = None
    init_classes: Mapping[str, str] = field(default_factory=dict)
    min_size: int | None = None
    class_agnostic_mask: bool | None = None
    on_event: OnEvent = ignore

    def model(
        self, names: tuple[str, ...], category_ids: tuple[int, ...], known: Model | None = None
    ) -> Model:
        """The network that training starts from, with outputs for the given classes.

        Args:
            names: Names of the classes, after "BG".
            category_ids: Their dataset ids.
            known: The starting weights, if they are already loaded.
        """
        if self.weights in NEW:
            new = fresh_model(
                self.architecture or ARCHITECTURE,
                names,
                category_ids,
                class_agnostic_mask=bool(self.class_agnostic_mask),
            )
            if self.weights == "imagenet":
                load_imagenet(new.network)
            return self._resized(new)
        old = known or self.known()
        sources = self._sources(old, names)
        self.on_event(ClassesMatched(sources={name: sources.get(name) for name in names[1:]}))
        shared = self.class_agnostic_mask
        return self._resized(
            with_detector_classes(old, names, category_ids, sources, class_agnostic_mask=shared)
        )

    def known(self) -> Model:
        """The starting weights, unchanged."""
        if isinstance(self.weights, str | Path):
            progress = download_progress(self.on_event)
            return load_detector(self.weights, architecture=self.architecture, progress=progress)
        architecture = self.weights.card.architecture
        if is_segmenter(architecture):
            raise ArgumentError(f"{{weights}} hold {architecture}, which gives semantic maps")
        return self.weights

    def kept_classes(self, old: Model, data: CocoData) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Names and dataset ids of a dataset's classes and of further ones of `old`."""
        sources = self._sources(old, data.class_names)
        return kept_classes(old, data.class_names, data.category_ids, sources)

    def _sources(self, old: Model, names: tuple[str, ...]) -> dict[str, str]:
        return match_classes(old.card.class_names[1:], names[1:], self.init_classes)

    def _resized(self, model: Model) -> Model:
        if self.min_size is None:
            return model
        before = model.card.preprocessing
        sizes = {
            "min_size": self.min_size,
            "max_size": round(before["max_size"] * self.min_size / before["min_size"]),
        }
        new = build_detector(dataclasses.replace(model.card, preprocessing=before | sizes))
        new.network.load_state_dict(model.network.state_dict())
        return new


@dataclass(frozen=True, kw_only=True)
class PseudoLabels:
    """Pseudo labels of the kept classes, predicted by the starting weights.

    Attributes:
        path: The dataset with these labels.
        resumed: Whether the run is resumed; it may already have written the dataset.
        device: Device for prediction.
        precision: Precision of prediction.
        tile: Side of the tiles of larger photos in prediction; None for none.
        on_event: Called with progress.
    """

    path: Path
    resumed: bool
    device: str
    precision: str
    tile: int | None = None
    on_event: OnEvent = ignore

    def added(
        self, model: Model, data: CocoData, names: tuple[str, ...], category_ids: tuple[int, ...]
    ) -> CocoData:
        """A dataset with pseudo labels of further classes.

        Args:
            model: The starting weights.
            data: The dataset.
            names: Names of its classes and the further ones.
            category_ids: Their dataset ids.
        """
        kept = [name for name in names if name not in data.class_names]
        if not kept:
            return data
        if process_rank() == 0 and not (self.resumed and self.path.exists()):
            predictor = Predictor(
                model,
                device=process_device(self.device),
                precision=self.precision,
                score_threshold=UNSURE,
                classes=kept,
                tile=self.tile,
            )
            task = "predicting the kept classes"
            pseudo_label(
                predictor,
                data,
                names,
                category_ids,
                self.path,
                progress=lambda done, total: self.on_event(
                    Progress(task=task, done=done, total=total)
                ),
            )
            words = "the dataset with pseudo labels of the starting weights, used for training"
            self.on_event(Notice(text=f"{self.path}: {words}"))
        from_first(None)  # the others wait for the file
        return CocoData.read(self.path, data.folder)


def parse_init_classes(text: str) -> dict[str, str]:
    """Old names to new names, from `OLD=NEW, ...`."""
    pairs = [each.split("=") for each in text.split(",") if each.strip()]
    if any(len(pair) != 2 for pair in pairs):
        raise ArgumentError(
            f"{{init_classes}} {text}: expected OLD=NEW, with commas between several"
        )
    return {old.strip(): new.strip() for old, new in pairs}
