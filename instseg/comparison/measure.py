"""Predicts every image with both models, and compares them with the ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from instseg.comparison.compared_models import ComparedModels
from instseg.core.errors import InputError
from instseg.core.events import OnEvent, ignore, told
from instseg.core.json_types import Json
from instseg.core.overlap_rule import Rule
from instseg.evaluation import assess
from instseg.evaluation.semantic import (
    FOREGROUND,
    LEAST_IMAGES,
    SemanticEvaluator,
    SemanticScores,
    class_scores,
    confusion,
    mean_scores,
    score_differences,
)
from instseg.predict.memory import READERS
from instseg.predict.segmenter import regions
from instseg.system.ahead import map_ahead, pool_of

if TYPE_CHECKING:
    from instseg.data.semantic_data import CocoSemantic
    from instseg.evaluation.coco_ap import Kind

RULES: tuple[Rule, ...] = get_args(Rule)
KINDS: tuple[Kind, ...] = ("bbox", "segm")
LEAST_AREA = 16  # pixels of a U-Net's region that counts as an instance


class _Tally:
    """What is counted of one image after the other."""

    def __init__(self, models: ComparedModels) -> None:
        self.models = models
        classes = len(models.names)
        self.unet = SemanticEvaluator(models.names)
        self.mask_rcnn = {rule: SemanticEvaluator(models.names) for rule in RULES}
        self.pixels = {
            rule: np.zeros((len(models.thresholds), classes, classes), dtype=np.int64)
            for rule in RULES
        }
        self.results: dict[str, list[Json]] = {"unet": [], "mask_rcnn": []}

    def add(self, image_id: int, photo: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
        """Predict a photo by both models, and count what they find."""
        models, truth = self.models, self.models.truth(labels)
        unet, probability = models.segmenter.semantic_map(photo)
        large = regions(unet, probability, models.segmenter.class_names, LEAST_AREA)
        found = models.predictor(photo)
        self.unet.add(truth, models.unet_map(unet))
        for rule in RULES:
            for row, threshold in enumerate(models.thresholds):
                predicted = models.mask_rcnn_map(found, rule, threshold)
                self.pixels[rule][row] += confusion(truth, predicted, len(models.names))
                if threshold == models.score_threshold:
                    self.mask_rcnn[rule].add(truth, predicted)
        for side, instances in (("unet", large), ("mask_rcnn", found)):
            records = models.records(instances)
            self.results[side] += [{"image_id": image_id, **record} for record in records]


def compare_models(
    models: ComparedModels, *, resamples: int, seed: int, on_event: OnEvent = ignore
) -> Json:
    """Predict every image by both models, once.

    Args:
        models: The models and data.
        resamples: Number of resamples for the intervals.
        seed: Random seed of the resamples.
        on_event: Called with progress.

    Returns:
        What comparison.json holds of it: `left_out`, `semantic`, `rules`, `thresholds`,
        `instances` and `per_image`.

    Raises:
        InputError: No object is of a class that is compared, or a photo cannot be read.
    """
    objects = models.objects()
    if all(each["iscrowd"] for each in objects["annotations"]):
        raise InputError(
            f"{models.data.data.coco_json}: has no object of the {len(models.names) - 1} classes "
            "that both models know; give photos with some"
        )
    tally = measure_all(models, on_event)
    unet = tally.unet.scores(resamples=resamples, seed=seed)
    if not unet.areas[:, 1, 1:].any():
        raise InputError(
            f"{models.data.data.coco_json}: no object of the compared classes has a pixel in the "
            "semantic maps; give photos with larger ones"
        )
    rules = {rule: e.scores(resamples=resamples, seed=seed) for rule, e in tally.mask_rcnn.items()}
    ours = rules[models.rule]
    return {
        "left_out": models.left_out,
        "semantic": {
            "unet": unet.as_json(),
            "mask_rcnn": ours.as_json(),
            "difference": score_differences(unet, ours),
        },
        "rules": {
            rule: {"scores": each.scores, "difference": score_differences(ours, each)["scores"]}
            for rule, each in rules.items()
        },
        "thresholds": {
            "score_threshold": models.thresholds,
            "mIoU": {rule: mean_ious(pixels) for rule, pixels in tally.pixels.items()},
        },
        "instances": {
            kind: compare_instances(objects, tally.results, kind, resamples, seed) for kind in KINDS
        },
        "per_image": per_image(models.data, unet, ours),
    }


def measure_all(models: ComparedModels, on_event: OnEvent) -> _Tally:
    """One image after the other, read ahead as far as there is memory."""
    data, tally = models.data, _Tally(models)
    budget = models.predictor.plan.budget(workers=1)
    rows = budget.admit(range(len(data)), models.need)
    with pool_of(READERS) as pool:
        images = map_ahead(pool, models.load, rows)
        loaded = zip(
            data.data.images, told(images, on_event, "comparing", total=len(data)), strict=True
        )
        for image, (photo, labels) in loaded:
            tally.add(image.id, photo, labels)
            budget.release()
    return tally


def mean_ious(confusions: NDArray[np.int64]) -> list[float]:
    """The mIoU of each of some confusion matrices (T, C, C)."""
    right = confusions.diagonal(axis1=1, axis2=2)
    areas = np.stack([right, confusions.sum(axis=2), confusions.sum(axis=1)], axis=1)  # [T,3,C]
    found: list[float] = mean_scores(class_scores(areas, areas), areas[:, 1])["mIoU"].tolist()
    return found


def compare_instances(
    objects: Json, results: Mapping[str, list[Json]], kind: Kind, resamples: int, seed: int
) -> Json:
    """COCO's numbers of both, and how they differ; of few images without intervals, as for IoU."""
    if len(objects["images"]) < LEAST_IMAGES:
        resamples = 0
    unet, ours = (
        assess.assess(objects, results[side], kind, resamples=resamples, seed=seed)
        for side in ("unet", "mask_rcnn")
    )
    differences = assess.score_differences(unet, ours)
    return {
        "unet": {"scores": unet.evaluation.scores, "intervals": unet.intervals},
        "mask_rcnn": {"scores": ours.evaluation.scores, "intervals": ours.intervals},
        "difference": {name: each.to_dict() for name, each in differences.items()},
    }


def per_image(data: CocoSemantic, unet: SemanticScores, ours: SemanticScores) -> list[Json]:
    """The mIoU of both on each image alone; None where no class that is compared is on it."""
    numbers = (unet.of_images(), ours.of_images())
    held = np.isfinite(numbers[0][f"mIoU{FOREGROUND}"])
    pairs = np.stack([each["mIoU"] for each in numbers], axis=1).tolist()
    return [
        {
            "file_name": data.name(row),
            "unet": unet_iou if held[row] else None,
            "mask_rcnn": our_iou if held[row] else None,
        }
        for row, (unet_iou, our_iou) in enumerate(pairs)
    ]
