"""Labelled points of annotations without a mask (`point_coords`, `point_labels`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from instseg.doctor.findings import Finding
from instseg.doctor.table import Table
from instseg.files.coco_records import points_of

TOLERANCE_PX = 1.0  # points and boxes may be rounded


def check_points(table: Table) -> list[Finding]:
    """Find points that training cannot use: of no known form, or outside their box or image."""
    strange, outside, example = [], [], ""
    for i, row in enumerate(table.rows.tolist()):
        record = table.document["annotations"][row]
        if table.segmentations[i] is not None or not has_points(record):
            continue
        try:
            kept = inside(record, table.sizes_wh[i].tolist(), table.boxes[i].tolist())
        except ValueError as error:
            strange.append(i)
            example = example or str(error)
            continue
        if not all(kept):
            outside.append(i)
    return [
        *table.found("points-form", np.array(strange, dtype=np.int64), example),
        *table.found("points-outside", np.array(outside, dtype=np.int64)),
    ]


def has_points(record: dict[str, Any]) -> bool:
    """Whether an annotation has labelled points, sound or not."""
    return any(record.get(key) not in (None, []) for key in ("point_coords", "point_labels"))


def fix_points(code: str, record: dict[str, Any], size_wh: tuple[int, int]) -> dict[str, Any]:
    """The points without those outside; none, if they are of no known form."""
    if code == "points-form":
        return {"point_coords": None, "point_labels": None}
    kept = inside(record, size_wh, record["bbox"])
    return {
        key: [value for value, stays in zip(record[key], kept, strict=True) if stays]
        for key in ("point_coords", "point_labels")
    }


def inside(record: dict[str, Any], size_wh: Any, box: Any) -> list[bool]:
    """Which points of an annotation lie in its image and its box, x, y, width, height.

    Raises:
        ValueError: They are of no known form.
    """
    points = points_of(record.get("point_coords"), record.get("point_labels"))
    places = np.array([point[:2] for point in points], dtype=np.float64).reshape(-1, 2)
    low, high = np.array(box[:2]) - TOLERANCE_PX, np.add(box[:2], box[2:]) + TOLERANCE_PX
    low, high = np.fmax(low, 0), np.fmin(high, size_wh)  # an unknown box, of NaN, limits nothing
    return [bool(each) for each in ((places >= low) & (places <= high)).all(axis=1)]
