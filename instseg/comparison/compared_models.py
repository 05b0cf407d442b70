"""Two models and the data that they are compared on, in one set of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.json_types import Json
from instseg.core.overlap_rule import Rule
from instseg.core.semantic import IGNORE, to_semantic, translation
from instseg.core.wording import some
from instseg.files.results import coco_annotations
from instseg.system.budget import Need

if TYPE_CHECKING:
    from instseg.core.instances import Instances
    from instseg.data.semantic_data import CocoSemantic
    from instseg.predict.predictor import Predictor
    from instseg.predict.segmenter import Segmenter

Labels = NDArray[np.uint8]

THRESHOLDS = (0.05, *(tenths / 10 for tenths in range(1, 10)))


@dataclass(frozen=True, kw_only=True)
class ComparedModels:
    """Two models, and what they are compared on.

    Attributes:
        data: Photos and semantic maps, of the dataset's classes.
        segmenter: The U-Net.
        predictor: Mask R-CNN, which gives instances of low scores too.
        names: "BG", then the compared classes: those of the dataset and both models.
        rule: Which of Mask R-CNN's instances is on top.
        priority: For "class-priority", class names from highest to lowest.
        score_threshold: Minimum score of instances in semantic maps.
    """

    data: CocoSemantic
    segmenter: Segmenter
    predictor: Predictor
    names: tuple[str, ...]
    rule: Rule
    priority: Sequence[str]
    score_threshold: float

    @cached_property
    def _translations(self) -> dict[str, Labels]:
        """The compared class of each label of the truth and of both models."""
        return {
            "truth": translation(self.data.class_names, self.names, other=IGNORE),
            "unet": translation(self.segmenter.class_names, self.names),
            "mask_rcnn": translation(self.predictor.class_names, self.names),
        }

    def need(self, row: int) -> Need:
        """The memory that a photo needs: it is in both models, one after the other."""
        image = self.data.data.images[row]
        path = self.data.data.folder / image.file_name
        needs = [each.plan.need_of_file(path) for each in (self.segmenter, self.predictor)]
        extra = map(max, *(need.extra for need in needs))
        return Need(max(need.held for need in needs), tuple(extra))

    def load(self, row: int) -> tuple[NDArray[np.uint8], Labels]:
        """A photo and its semantic map.

        Raises:
            InputError: It cannot be read, or needs too much memory.
        """
        name = self.data.data.images[row].file_name
        self.predictor.plan.require(name, self.need(row))
        return self.data.load(row)

    def truth(self, labels: Labels) -> Labels:
        """A semantic map of the dataset, (H, W), in the compared classes; others are 255."""
        return self._translations["truth"][labels]

    def unet_map(self, labels: Labels) -> Labels:
        """A semantic map of the U-Net, (H, W), in the compared classes; others are 0."""
        return self._translations["unet"][labels]

    def mask_rcnn_map(
        self, found: Instances, rule: Rule | None = None, score_threshold: float | None = None
    ) -> Labels:
        """Mask R-CNN's instances as a semantic map, by the chosen rule or another."""
        labels = to_semantic(
            found,
            rule=rule or self.rule,
            score_threshold=self.score_threshold if score_threshold is None else score_threshold,
            priority=self.priority,
        )
        return self._translations["mask_rcnn"][labels]

    @property
    def left_out(self) -> dict[str, list[str]]:
        """The classes that are not compared, of the dataset and of both models."""
        sides: dict[str, Any] = {
            "dataset": self.data,
            "mask_rcnn": self.predictor,
            "unet": self.segmenter,
        }
        return {
            side: [name for name in known.class_names if name not in self.names]
            for side, known in sides.items()
        }

    @property
    def thresholds(self) -> list[float]:
        """The score thresholds whose effect is measured, rising."""
        return sorted({*THRESHOLDS, self.score_threshold})

    def records(self, found: Instances) -> list[Json]:
        """Those of the best instances that are of compared classes, as COCO results of an image."""
        ids = dict(zip(self.data.class_names, self.data.category_ids, strict=True))
        best = found[: self.predictor.choice.max_detections]  # as many of either model
        compared = best[np.isin(best.names, self.names)]
        return coco_annotations(compared, [ids.get(name, 0) for name in found.class_names])

    def objects(self) -> Json:
        """The truth as a COCO document, of the classes that are compared."""
        document = self.data.data.document()
        categories = [each for each in document["categories"] if each["name"] in self.names]
        ids = {each["id"] for each in categories}
        annotations = [each for each in document["annotations"] if each["category_id"] in ids]
        return {**document, "categories": categories, "annotations": annotations}


def compared_names(
    dataset: Sequence[str], mask_rcnn: Sequence[str], unet: Sequence[str]
) -> tuple[str, ...]:
    """BG and the classes that all three have, in the dataset's order.

    Raises:
        InputError: There is none.
    """
    names = tuple(name for name in dataset if name in mask_rcnn and name in unet)
    if len(names) == 1:
        raise InputError(
            f"no class is in the dataset ({some(dataset[1:])}), in Mask R-CNN "
            f"({some(mask_rcnn[1:])}) and in the U-Net ({some(unet[1:])}); classes are matched "
            "by name"
        )
    return names
