"""What `instseg compare-unet` measures: both models on every image, against one truth."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from instseg.commands.terminal import progress
from instseg.core.errors import InputError
from instseg.core.semantic import IGNORE, Rule, to_semantic
from instseg.evaluation import assess
from instseg.evaluation.semantic import (
    FOREGROUND,
    SemanticEvaluator,
    SemanticScores,
    class_scores,
    compare,
    confusion,
    mean_scores,
)
from instseg.files.results import coco_annotations
from instseg.predict.segmenter import regions
from instseg.system.ahead import map_ahead

if TYPE_CHECKING:
    from instseg.core.instances import Instances
    from instseg.data.semantic_data import CocoSemantic
    from instseg.evaluation.coco_ap import Kind
    from instseg.predict.predictor import Predictor
    from instseg.predict.segmenter import Segmenter

Json = dict[str, Any]
Labels = NDArray[np.uint8]
Photo = NDArray[np.uint8]

RULES: tuple[Rule, ...] = get_args(Rule)
THRESHOLDS = (0.05, *(tenths / 10 for tenths in range(1, 10)))
KINDS: tuple[Kind, ...] = ("bbox", "segm")
LEAST_AREA = 16  # pixels of a U-Net's region that counts as an instance
THREADS = 2  # that read photos


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Two models, and what they are compared on.

    Attributes:
        data: Photos and label maps, of the dataset's classes.
        segmenter: The U-Net.
        predictor: Mask R-CNN, which gives instances of low scores too.
        names: "BG", then the classes that are compared: those that all three know.
        rule: Which of Mask R-CNN's instances is on top.
        priority: For "class-priority", class names from highest to lowest.
        score_threshold: Instances that score lower are left out of label maps.
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

    def truth(self, labels: Labels) -> Labels:
        """A label map of the dataset, (H, W), in the classes that are compared; others are 255."""
        return self._translations["truth"][labels]

    def unet_map(self, labels: Labels) -> Labels:
        """A label map of the U-Net, (H, W), in the classes that are compared; others are 0."""
        return self._translations["unet"][labels]

    def mask_rcnn_map(
        self, found: Instances, rule: Rule | None = None, score_threshold: float | None = None
    ) -> Labels:
        """Mask R-CNN's instances as a label map, likewise, by its own rule or by another."""
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


def translation(own: Sequence[str], shared: Sequence[str], *, other: int = 0) -> Labels:
    """The shared label of each label, uint8 (256,): `other` where there is none, 255 of 255."""
    table = np.full(IGNORE + 1, other, dtype=np.uint8)
    for label, name in enumerate(own):
        if name in shared:
            table[label] = shared.index(name)
    table[IGNORE] = IGNORE
    return table


class _Tally:
    """What is counted of one image after the other."""

    def __init__(self, contest: Contest) -> None:
        self.contest = contest
        classes = len(contest.names)
        self.unet = SemanticEvaluator(contest.names)
        self.mask_rcnn = {rule: SemanticEvaluator(contest.names) for rule in RULES}
        self.pixels = {
            rule: np.zeros((len(contest.thresholds), classes, classes), dtype=np.int64)
            for rule in RULES
        }
        self.results: dict[str, list[Json]] = {"unet": [], "mask_rcnn": []}

    def add(self, image_id: int, photo: Photo, labels: Labels) -> None:
        """Let both models look at a photo, and count what they find."""
        contest, truth = self.contest, self.contest.truth(labels)
        unet, probability = contest.segmenter.label_map(photo)
        large = regions(unet, probability, contest.segmenter.class_names, LEAST_AREA)
        found = contest.predictor(photo)
        self.unet.add(truth, contest.unet_map(unet))
        for rule in RULES:
            for row, threshold in enumerate(contest.thresholds):
                predicted = contest.mask_rcnn_map(found, rule, threshold)
                self.pixels[rule][row] += confusion(truth, predicted, len(contest.names))
                if threshold == contest.score_threshold:
                    self.mask_rcnn[rule].add(truth, predicted)
        for side, instances in (("unet", large), ("mask_rcnn", found)):
            records = contest.records(instances)
            self.results[side] += [{"image_id": image_id, **record} for record in records]


def compare_models(contest: Contest, *, resamples: int, seed: int) -> Json:
    """Let both models look at every image once.

    Args:
        contest: What is compared.
        resamples: Of images, for the intervals.
        seed: Of the resamples.

    Returns:
        What comparison.json holds of it: `left_out`, `semantic`, `rules`, `thresholds`,
        `instances` and `per_image`.

    Raises:
        InputError: No object is of a class that is compared, or a photo cannot be read.
    """
    objects = contest.objects()
    if all(each["iscrowd"] for each in objects["annotations"]):
        raise InputError(
            f"{contest.data.data.coco_json}: has no object of the {len(contest.names) - 1} classes "
            "that both models know; give photos with some"
        )
    tally = look_at_all(contest)
    unet = tally.unet.scores(resamples=resamples, seed=seed)
    if not unet.areas[:, 1, 1:].any():
        raise InputError(
            f"{contest.data.data.coco_json}: no object of the compared classes has a pixel in the "
            "label maps; give photos with larger ones"
        )
    rules = {rule: e.scores(resamples=resamples, seed=seed) for rule, e in tally.mask_rcnn.items()}
    ours = rules[contest.rule]
    return {
        "left_out": contest.left_out,
        "semantic": {
            "unet": unet.as_json(),
            "mask_rcnn": ours.as_json(),
            "difference": compare(unet, ours),
        },
        "rules": {
            rule: {"scores": each.scores, "difference": compare(ours, each)["scores"]}
            for rule, each in rules.items()
        },
        "thresholds": {
            "score_threshold": contest.thresholds,
            "mIoU": {rule: mean_ious(pixels) for rule, pixels in tally.pixels.items()},
        },
        "instances": {
            kind: compare_instances(objects, tally.results, kind, resamples, seed) for kind in KINDS
        },
        "per_image": per_image(contest.data, unet, ours),
    }


def look_at_all(contest: Contest) -> _Tally:
    """One image after the other, read ahead."""
    data, tally = contest.data, _Tally(contest)
    with ThreadPoolExecutor(THREADS) as pool:
        images = map_ahead(pool, data.load, range(len(data)))
        loaded = zip(data.data.images, progress(images, len(data), "comparing"), strict=True)
        for image, (photo, labels) in loaded:
            tally.add(image.id, photo, labels)
    return tally


def mean_ious(confusions: NDArray[np.int64]) -> list[float]:
    """The mIoU of each of some confusion matrices (T, C, C)."""
    right = confusions.diagonal(axis1=1, axis2=2)
    areas = np.stack([right, confusions.sum(axis=2), confusions.sum(axis=1)], axis=1)  # [T,3,C]
    found: list[float] = mean_scores(class_scores(areas, areas), areas[:, 1])["mIoU"].tolist()
    return found


def compare_instances(
    objects: Json, results: dict[str, list[Json]], kind: Kind, resamples: int, seed: int
) -> Json:
    """COCO's numbers of both, and how they differ."""
    unet, ours = (
        assess.assess(objects, results[side], kind, resamples=resamples, seed=seed)
        for side in ("unet", "mask_rcnn")
    )
    return {
        "unet": {"scores": unet.evaluation.scores, "intervals": unet.intervals},
        "mask_rcnn": {"scores": ours.evaluation.scores, "intervals": ours.intervals},
        "difference": assess.compare_assessments(unet, ours),
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
