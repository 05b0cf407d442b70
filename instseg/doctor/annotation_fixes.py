"""How one annotation is mended; a mask is taken to be right, its box and area follow from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from instseg.core.masks import Masks
from instseg.doctor.point_checks import fix_points
from instseg.doctor.polygons import Polygons, clipped, polygon_trouble
from instseg.doctor.table import is_number
from instseg.files.coco_masks import is_blank

SizeWh = tuple[int, int]


def fix_annotation(code: str, record: dict[str, Any], size_wh: SizeWh) -> dict[str, Any]:
    """The new values of an annotation that a finding concerns.

    Args:
        code: Of the finding, one that "repair" repairs.
        record: The annotation.
        size_wh: Width and height of its image.

    Returns:
        Keys and values to set; {} when there is no way to repair it.
    """
    if code.startswith("crowd"):
        return _crowd(code, record, size_wh)
    if code == "score-form":
        return {"score": None}
    if code.startswith("points"):
        return fix_points(code, record, size_wh)
    mask = record.get("segmentation")
    if is_blank(mask):
        return _box_only(code, record, size_wh)
    if code == "mask-exchanged":
        return {"segmentation": _exchanged(mask)}
    if code.startswith("polygon"):
        mask = _mended(code, mask, size_wh)
        return {"segmentation": mask, **measures(mask, size_wh)} if mask else {}
    measured = measures(mask, size_wh)
    if code.startswith("area"):
        return {"area": measured["area"]} if measured else {}
    return {"bbox": measured["bbox"]} if measured else {}


def _box_only(code: str, record: dict[str, Any], size_wh: SizeWh) -> dict[str, Any]:
    """The box inside the image and its area, for an annotation without a mask."""
    if code in ("box-missing", "box-degenerate") or not code.startswith(("box", "area")):
        return {}
    corners = np.array(record["bbox"], dtype=np.float64)
    if code != "box-xyxy":
        corners[2:] += corners[:2]
    if code == "box-relative":
        corners *= (*size_wh, *size_wh)
    start, stop = corners.clip(0, [*size_wh, *size_wh]).reshape(2, 2).round(2)
    sides = (stop - start).round(2)
    if sides.min() <= 0:
        return {}
    return {"bbox": [*start.tolist(), *sides.tolist()], "area": float(sides.prod().round(2))}


def _exchanged(mask: Any) -> Any:
    """A mask with x for y."""
    if isinstance(mask, dict):
        return Masks.from_dense(Masks.from_rle([mask]).dense(0).T[None]).to_rle()[0]
    return [
        np.reshape(part, (-1, 2))[:, ::-1].ravel().tolist()
        if polygon_trouble(part) is None
        else part
        for part in mask
    ]


def measures(segmentation: Any, size_wh: SizeWh) -> dict[str, Any]:
    """Box and area of a mask: the extent of its outline, and its pixels.

    Returns:
        "bbox" as x, y, width, height inside the image, and "area"; {} for what is no sound mask.
    """
    if isinstance(segmentation, dict):
        try:
            masks = Masks.from_rle([segmentation], size_wh[::-1])
        except (ValueError, KeyError, TypeError, OverflowError):
            return {}
        corners, area = masks.boxes_xyxy()[0].astype(np.float64), masks.areas()[0].item()
    else:
        polygons = Polygons.collect([segmentation])
        if polygons.troubles or not len(polygons.starts):
            return {}
        area = Masks.from_polygons([segmentation], size_wh[::-1]).areas()[0].item()
        corners = np.clip(polygons.extents()[0], 0, [*size_wh, *size_wh])
    start, stop = corners.reshape(2, 2).round(2)
    bbox = np.concatenate([start, stop - start]).round(2)
    return {"bbox": bbox.tolist(), "area": area}


def _mended(code: str, mask: Any, size_wh: SizeWh) -> list[list[float]]:
    """The sound part of polygons, after the mend of one trouble."""
    kept = [part for part in mask if polygon_trouble(part) is None]
    if code == "polygon-relative":
        return [(np.reshape(part, (-1, 2)) * size_wh).ravel().tolist() for part in kept]
    if code in ("polygon-outside", "polygon-far-outside"):
        inside = [clipped(np.reshape(part, (-1, 2)).astype(np.float64), size_wh) for part in kept]
        return [points.ravel().tolist() for points in inside if len(points) >= 3]
    return kept


def _crowd(code: str, record: dict[str, Any], size_wh: SizeWh) -> dict[str, Any]:
    if code != "crowd-polygon":
        value = record.get("iscrowd")
        flagged = value == "1" or (is_number(value) and value != 0)
        return {"iscrowd": int(flagged and code != "crowd-all")}
    polygons = _mended(code, record["segmentation"], size_wh)
    polygons = [part for part in _mended("polygon-outside", polygons, size_wh) if len(part) >= 6]
    if not polygons:
        return {}
    return {"segmentation": Masks.from_polygons([polygons], size_wh[::-1]).to_rle()[0]}
