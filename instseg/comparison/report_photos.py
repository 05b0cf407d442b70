"""The photos in the report of a comparison: truth and what both models find, class by class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from instseg.comparison.compared_models import ComparedModels
from instseg.comparison.pictures import TITLES, choose
from instseg.core.events import OnEvent, ignore, told
from instseg.core.instances import Instances
from instseg.core.json_types import Json
from instseg.core.semantic import IGNORE, from_semantic
from instseg.core.wording import number, printable
from instseg.report.components import TRUTH, Layer, Photo
from instseg.report.photo_names import unique_name

PHOTOS = 6  # of each of `TITLES`

Labels = NDArray[np.uint8]


def compared_photos(
    models: ComparedModels, per_image: Sequence[Json], on_event: OnEvent = ignore
) -> Iterator[Photo]:
    """The photos on which the models differ most and least, predicted again, one after the other.

    Args:
        models: The models and data.
        per_image: The scores of each image, as in comparison.json.
        on_event: Called with progress.
    """
    tags: dict[int, list[str]] = {}
    for name, rows in choose(per_image, PHOTOS).items():
        for row in rows:
            tags.setdefault(row, []).append(TITLES[name])
    taken: set[str] = set()
    for row in told(sorted(tags), on_event, "drawing the report"):
        photo = compared_photo(models, row, per_image[row], tags[row])
        yield replace(photo, name=unique_name(photo.name, str(row), taken))


def compared_photo(models: ComparedModels, row: int, scores: Json, tags: Sequence[str]) -> Photo:
    """A photo with each class of the truth and of both semantic maps as one region.

    Pixels that do not count are left out of all of them.
    """
    photo, labels = models.data.load(row)
    truth = models.truth(labels)
    counted = truth != IGNORE
    unet, probability = models.segmenter.semantic_map(photo)
    found = models.predictor(photo)
    maps = {"U-Net": models.unet_map(unet), "Mask R-CNN": models.mask_rcnn_map(found)}
    maps = {name: np.where(counted, each, 0).astype(np.uint8) for name, each in maps.items()}
    sure = {
        "U-Net": _means(maps["U-Net"], probability),
        "Mask R-CNN": _highest(found, models.names),
    }
    layers = [Layer(name=TRUTH, instances=from_semantic(truth, models.names))]
    for name, each in maps.items():
        regions = from_semantic(each, models.names, sure[name])
        notes = [_iou(truth, each, class_id) for class_id in regions.class_ids.tolist()]
        layers.append(Layer(name=name, instances=regions, notes=notes))
    lines = [
        f"mIoU {number(scores['unet'])} by the U-Net, {number(scores['mask_rcnn'])} by Mask R-CNN"
    ]
    if not counted.all():
        lines.append(f"{1 - counted.mean():.1%} of the pixels do not count")
    return Photo(
        name=printable(scores["file_name"]),
        image=photo,
        layers=layers,
        values={
            "difference": round(scores["mask_rcnn"] - scores["unet"], 3),
            "mIoU of Mask R-CNN": round(scores["mask_rcnn"], 3),
            "mIoU of the U-Net": round(scores["unet"], 3),
        },
        tags=tags,
        lines=lines,
    )


def _iou(truth: Labels, predicted: Labels, class_id: int) -> str:
    """The IoU of a class on one photo, of which nothing is predicted where pixels do not count."""
    true, found = truth == class_id, predicted == class_id
    return f"IoU {(true & found).sum() / (true | found).sum():.2f}"


def _means(labels: Labels, probability: NDArray[np.float32]) -> Mapping[int, float]:
    """The mean probability of each class in its pixels."""
    pixels = np.bincount(labels.ravel(), minlength=IGNORE)
    sums = np.bincount(labels.ravel(), probability.ravel(), minlength=IGNORE)
    return {
        class_id: min(float(sums[class_id] / pixels[class_id]), 1.0)
        for class_id in np.flatnonzero(pixels).tolist()
    }


def _highest(found: Instances, names: Sequence[str]) -> Mapping[int, float]:
    """The score of the best instance of each class that is compared."""
    best: dict[int, float] = {}
    for name, score in zip(found.names, found.scores.tolist(), strict=True):
        if name in names:
            best[names.index(name)] = max(score, best.get(names.index(name), 0.0))
    return best
