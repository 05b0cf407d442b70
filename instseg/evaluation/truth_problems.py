"""Problems of a ground truth that make the metrics of all results meaningless."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from instseg.core.boxes import box_ious, corners_of
from instseg.core.wording import count
from instseg.evaluation.records import SAMPLE, boxes_around, broken

MOST_CLASSES = 10_000  # memory grows with them
MANY = 10  # in fewer records, similarity may be chance


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem of the ground truth or the results.

    Attributes:
        code: A stable name, such as "no-shared-image".
        severity: "error": the metrics are meaningless; "warning": they may mislead.
        message: One line: the problem, its extent, an example, the remedy.
    """

    code: str
    severity: Literal["error", "warning"]
    message: str


def explain_truth(truth: Mapping[str, Any]) -> list[Problem]:
    """Find problems that make the metrics of any results meaningless, before there are results.

    Codes: bad-ground-truth, too-many-classes, no-ground-truth, only-crowds, boxes-not-masks.

    Args:
        truth: A COCO document; it may be malformed.
    """
    return list(_problems(truth))


def graded(code: str, message: str, *, is_serious: bool) -> Problem:
    """A problem whose severity depends on its extent."""
    return Problem(code=code, severity="error" if is_serious else "warning", message=message)


def serious(code: str, message: str) -> Problem:
    """A problem of severity "error"."""
    return Problem(code=code, severity="error", message=message)


def misleading(code: str, message: str) -> Problem:
    """A problem of severity "warning"."""
    return Problem(code=code, severity="warning", message=message)


def _problems(truth: Mapping[str, Any]) -> Iterator[Problem]:
    lines = [
        *broken(truth.get("images"), "images", ("id", "height", "width")),
        *broken(truth.get("annotations"), "annotations", ("image_id", "category_id")),
        *broken(truth.get("categories"), "categories", ("id",)),
    ]
    if lines:
        yield from (serious("bad-ground-truth", line) for line in lines)
    elif len(truth["categories"]) > MOST_CLASSES:
        yield serious(
            "too-many-classes",
            f"the ground truth has {len(truth['categories']):,} classes, more than "
            f"{MOST_CLASSES:,}; leave out those without objects",
        )
    elif not truth["annotations"]:
        yield serious(
            "no-ground-truth",
            f"the ground truth has {count(len(truth['images']), 'image')} and no annotations, so "
            "there is nothing to find; give the annotations, not a list of images",
        )
    elif all(annotation.get("iscrowd") for annotation in truth["annotations"]):
        yield serious(
            "only-crowds",
            f"every annotation of the ground truth, {len(truth['annotations']):,} in all, is a "
            "crowd, which AP leaves out; set iscrowd to 0 for single objects",
        )
    elif (overlap := _box_overlap(truth["annotations"])) < 0.5:
        yield serious(
            "boxes-not-masks",
            f"the boxes of the ground truth do not lie on its masks (median IoU {overlap:.2f}), as "
            "corners or parts of the image would not where [x, y, width, height] is due; "
            "`instseg doctor --fix` repairs them",
        )


def _box_overlap(annotations: Sequence[Mapping[str, Any]]) -> float:
    """Median IoU of the boxes of a sample with the boxes around their masks; 1 for few of them."""
    sample = [
        a
        for a in annotations[:: 1 + len(annotations) // SAMPLE]
        if a.get("bbox") and isinstance(a.get("segmentation"), Mapping) and not a.get("iscrowd")
    ]
    if len(sample) < MANY:
        return 1.0
    around = boxes_around([a["segmentation"] for a in sample])
    boxes = np.array([a["bbox"] for a in sample], np.float64)
    overlaps = box_ious(corners_of(boxes), corners_of(around))
    return float(np.median(overlaps[np.isfinite(around[:, 0])]))
