"""Annotations that are likely wrong, ranked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from pycocotools import mask as coco_mask

from instseg.core.json_types import Json
from instseg.core.rle import to_rle
from instseg.data.coco import CocoData
from instseg.data.labels import TrainingLabels
from instseg.evaluation.suspicions import Suspicion, Suspicions, find_suspicions

LabelErrorKind = Literal["missing", "spurious", "wrong class", "badly placed"]

KINDS: tuple[LabelErrorKind, ...] = get_args(LabelErrorKind)
LEAST_PROBABILITY = 0.05  # of the errors that are listed
LIKELY = 0.5  # from this probability on an error is called likely

Record = Mapping[str, Any]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class LabelError:
    """An annotation that is likely wrong, or an object that likely lacks one.

    Attributes:
        kind: `missing`: an object without an annotation; `spurious`: an annotation without an
            object; `wrong class`; `badly placed`: the object is elsewhere or has another shape.
        score: The estimated probability that it is wrong, 0..1.
        image_id: The photo's id.
        file_name: The photo's name.
        annotation_id: The annotation's id; None if it is missing.
        category: Name of its class; None if it is missing.
        suggested_category: Name of the class that is predicted; None if nothing is.
        bbox: The annotation's box, xywh in pixels; None if it is missing.
        suggested_bbox: The predicted box, xywh in pixels; None if there is none.
        iou: IoU of the annotation and the prediction, 0..1; None if one of them is missing.
        prediction_score: Score of the prediction, 0..1; None if there is none.
        result: Index of the prediction in the results; None if there is none.
    """

    kind: LabelErrorKind
    score: float
    image_id: int
    file_name: str
    annotation_id: int | None
    category: str | None
    suggested_category: str | None
    bbox: Box | None
    suggested_bbox: Box | None
    iou: float | None
    prediction_score: float | None
    result: int | None

    def to_dict(self) -> Json:
        """An entry of label_errors.json."""
        return {key: value for key, value in asdict(self).items() if key != "result"}


def find_label_errors(
    truth: Mapping[str, Any],
    results: Sequence[Record],
    kind: Literal["bbox", "segm"],
    *,
    unknown: Mapping[int, frozenset[str]] | None = None,
) -> tuple[LabelError, ...]:
    """Rank annotations by the probability that they are wrong.

    There is at most one error for each annotation and each prediction. Crowds are not judged, and
    nothing is missing inside a crowd region of its class.

    Args:
        truth: A COCO document: images, annotations, categories.
        results: COCO results with scores of 0..1.
        kind: Boxes or masks.
        unknown: For image ids the names of classes that may lack annotations there.

    Returns:
        Errors with a probability of at least `LEAST_PROBABILITY`, the most likely first.
    """
    suspicions = find_suspicions(truth, results, kind)
    images = {image["id"]: image for image in truth["images"]}
    names = {category["id"]: category["name"] for category in truth["categories"]}
    used: set[int] = set()
    errors = []
    for score, error, annotation, detection, iou in _candidates(suspicions):
        if detection in used:
            continue
        used |= {detection} - {-1}
        overlaps = suspicions.overlaps
        given = None if annotation < 0 else truth["annotations"][overlaps.annotations[annotation]]
        index = None if detection < 0 else int(overlaps.results[detection])
        found = None if index is None else results[index]
        image = images[(given or found or {})["image_id"]]
        if error == "missing" and found and unknown:
            nobody_looked = unknown.get(image["id"], frozenset())
            if names[found["category_id"]] in nobody_looked:
                continue
        errors.append(
            LabelError(
                kind=error,
                score=round(score, 4),
                image_id=image["id"],
                file_name=image.get("file_name", ""),
                annotation_id=given["id"] if given else None,
                category=names[given["category_id"]] if given else None,
                suggested_category=names[found["category_id"]] if found else None,
                bbox=_box(given),
                suggested_bbox=_box(found),
                iou=round(iou, 4) if given and found else None,
                prediction_score=round(float(found["score"]), 4) if found else None,
                result=index,
            )
        )
    return tuple(errors)


def label_errors_of(
    data: CocoData,
    truth: Mapping[str, Any],
    results: Sequence[Record],
    kind: Literal["bbox", "segm"],
) -> tuple[LabelError, ...]:
    """The same for a dataset: with the annotation ids of its file.

    Photos that were not searched for all classes, such as those of LVIS, lack no annotations of
    the other classes.

    Args:
        data: The dataset.
        truth: It as a document.
        results: COCO results with scores of 0..1.
        kind: Boxes or masks.
    """
    ids = [each.id for image in data.images for each in data.annotations[image.id]]
    pairs = zip(truth["annotations"], ids, strict=True)
    labels = TrainingLabels(data=data)
    return find_label_errors(
        {**truth, "annotations": [{**annotation, "id": i} for annotation, i in pairs]},
        results,
        kind,
        unknown={image.id: labels.unknown(row) for row, image in enumerate(data.images)},
    )


def _candidates(
    suspicions: Suspicions,
) -> Iterator[tuple[float, LabelErrorKind, int, int, float]]:
    """Score, kind, object, detection and IoU of all that is likely; -1 for no object, detection."""
    by_kind: dict[LabelErrorKind, Suspicion] = {
        "spurious": suspicions.spurious,
        "wrong class": suspicions.wrong_class,
        "badly placed": suspicions.badly_placed,
    }
    kinds = list(by_kind)
    table = np.stack([each.score for each in by_kind.values()])
    rows: list[tuple[float, LabelErrorKind, int, int, float]] = []
    for i in np.flatnonzero(table.max(axis=0) >= LEAST_PROBABILITY).tolist():
        best = int(table[:, i].argmax())
        by = by_kind[kinds[best]]
        score, detection, iou = table[best, i], by.detections[i], by.ious[i]
        rows.append((float(score), kinds[best], i, int(detection), float(iou)))
    unexplained = np.flatnonzero(suspicions.missing >= LEAST_PROBABILITY).tolist()
    rows += [(float(suspicions.missing[d]), "missing", -1, d, 0.0) for d in unexplained]
    yield from sorted(rows, key=lambda row: -row[0])


def _box(record: Record | None) -> Box | None:
    """The box of an annotation or a result; that of its mask if it has none."""
    if record is None:
        return None
    box = record.get("bbox")
    if not box:
        mask = record["segmentation"]
        box = coco_mask.toBbox(to_rle(mask, tuple(mask["size"]))).tolist()
    left, top, width, height = (round(float(side), 2) for side in box)
    return left, top, width, height
