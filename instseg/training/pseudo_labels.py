"""Pseudo-labels: a model's detections as annotations of classes that a dataset lacks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from instseg.core.boxes import box_ious
from instseg.core.instances import Instances
from instseg.data.coco import CocoData
from instseg.data.labels import PhotoLabels, TrainingLabels
from instseg.files.coco_records import Category
from instseg.files.results import coco_annotations
from instseg.predict.tiles import SAME_OBJECT_IOU
from instseg.system.ahead import map_ahead
from instseg.system.atomic import replacing

# In drawn scenes, 96% of the demo weights' detections with a score of 0.7 or more are right, 94% of
# the objects. Between these two, 17% are right, 3% of the objects; a limit of 0.05 would gain 2%,
# and ignore the background around five times as many mistakes.
SURE = 0.7  # also in Unbiased Teacher (Liu et al., ICLR 2021)
UNSURE = 0.3

THREADS = 2  # to read photos


def pseudo_label(
    predict: Callable[[NDArray[np.uint8]], Instances],
    data: CocoData,
    class_names: tuple[str, ...],
    category_ids: tuple[int, ...],
    path: Path,
    *,
    sure: float = SURE,
    progress: Callable[[int, int], None] | None = None,
) -> CocoData:
    """Add pseudo labels of further classes to the annotations of a dataset.

    Without them, training on the dataset would treat all objects of the further classes as
    background. Detections with a score below `sure` become crowd regions, which training ignores.
    Detections that overlap an annotated object by a mask IoU above 0.5, or one without a mask by
    such a box IoU, are left out.

    Args:
        predict: Such as a `Predictor` of the further classes, with a `score_threshold` such as
            `UNSURE`; all its detections of them are used.
        data: Photos and annotations; its file is not changed.
        class_names: Names of the dataset's and the further classes, as from `kept_classes`.
        category_ids: Their dataset ids by class id.
        path: The COCO JSON to write: `data` with the further classes and their objects, which have
            a `pseudo_score` and, as they are decided here, no `score`; `searched` names the further
            classes too.
        sure: Minimum score, 0..1, of detections that become objects.
        progress: Called with the number of photos done and in all.

    Returns:
        The written dataset, with the same photos.

    Raises:
        InputError: A photo cannot be read, an annotation is broken, or `path` cannot be written.
    """
    named = zip(class_names, category_ids, strict=True)
    further = {name: number for name, number in named if name not in data.class_names}
    labels = TrainingLabels(data=data)
    numbers = itertools.count(1 + max((each.id for each in data.dataset.annotations), default=0))
    annotations: list[object] = list(data.dataset.annotations)
    with ThreadPoolExecutor(THREADS) as pool:
        photos = map_ahead(pool, data.photo, range(len(data)))
        for row, photo in enumerate(photos):
            new = _unannotated(predict(photo), labels.of(row), further)
            for record in coco_annotations(new, [further.get(n, 0) for n in new.class_names]):
                score = record.pop("score")
                record |= {"id": next(numbers), "image_id": data.images[row].id}
                record |= {"iscrowd": int(score < sure), "pseudo_score": score}
                annotations.append(msgspec.Raw(msgspec.json.encode(record)))  # half of its size
            if progress:
                progress(row + 1, len(data))
    categories = [Category(id=number, name=name) for name, number in further.items()]
    document = {
        "images": data.images,
        "annotations": annotations,
        "categories": [*data.dataset.categories, *categories],
        "searched": sorted(labels.searched | further.keys()),
    }
    with replacing(path) as temporary:
        temporary.write_bytes(msgspec.json.encode(document))
    return CocoData.read(path, data.folder)


def _unannotated(found: Instances, annotated: PhotoLabels, wanted: Mapping[str, int]) -> Instances:
    """Instances of the wanted classes that do not match an annotated object, and have a mask."""
    chosen = np.array([name in wanted for name in found.names], dtype=bool)
    repeated = (found.masks.iou(annotated.instances.masks) > SAME_OBJECT_IOU).any(axis=1)
    boxes = annotated.boxes.boxes[annotated.boxes.class_ids > 0].astype(np.float64)
    ious = box_ious(found.boxes[:, None].astype(np.float64), boxes[None])
    repeated |= (ious > SAME_OBJECT_IOU).any(axis=1)
    return found[chosen & ~repeated & (found.masks.areas() > 0)]
