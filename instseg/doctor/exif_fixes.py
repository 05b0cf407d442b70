"""Images whose stated size is that of the photo before its EXIF rotation, set right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.masks import Masks
from instseg.doctor.annotation_fixes import measures
from instseg.doctor.patient import Patient
from instseg.doctor.photo_checks import Photos
from instseg.doctor.polygons import Polygons
from instseg.doctor.table import Table

_CODE = "size-exif"

Points = NDArray[np.float64]

# Orientations 5 to 8 exchange width and height. From the stored photo's w and h, where a point
# goes, and what becomes of a bitmap.
_POINTS: dict[int, Callable[[Points, Points, float, float], tuple[Points, Points]]] = {
    5: lambda x, y, w, h: (y, x),
    6: lambda x, y, w, h: (h - y, x),
    7: lambda x, y, w, h: (h - y, w - x),
    8: lambda x, y, w, h: (y, w - x),
}
_BITMAPS: dict[int, Callable[[NDArray[np.bool_]], NDArray[np.bool_]]] = {
    5: lambda mask: mask.T,
    6: lambda mask: np.rot90(mask, -1),
    7: lambda mask: mask[::-1, ::-1].T,
    8: lambda mask: np.rot90(mask),
}


def fix_exif_sizes(patient: Patient, rows: Sequence[int], table: Table, photos: Photos) -> None:
    """State the upright size, and turn the masks if they were drawn on the unturned photo.

    Which they were, the masks of all these images tell: those of an upright photo leave the stated
    size somewhere, those of the unturned one would leave the upright size. Where none of them
    tells, they are taken to be drawn on the photo whose size is stated.
    """
    images = {patient.document["images"][row]["id"]: row for row in rows}
    annotations = {
        i: row for i, row in enumerate(table.rows.tolist()) if table.image_ids[i] in images
    }
    votes = [_vote(table, i) for i in annotations]
    upright, stored = votes.count("upright"), votes.count("stored")
    for i, row in annotations.items():
        if stored >= upright and patient.is_left("annotations", row):
            _turn(
                patient,
                row,
                photos[table.image(int(table.image_ids[i]))["file_name"]].orientation,
                table.sizes_wh[i].astype(int).tolist(),
            )
    for row in images.values():
        if patient.is_left("images", row):
            record = patient.document["images"][row]
            sides = {"width": record["height"], "height": record["width"]}
            patient.change(_CODE, "images", row, **sides)


def _vote(table: Table, index: int) -> str | None:
    """Whether a mask fits only the upright or only the stored photo."""
    mask = table.segmentations[index]
    width, height = table.sizes_wh[index].tolist()
    if isinstance(mask, dict):
        return {(height, width): "stored", (width, height): "upright"}.get(_size(mask))
    right, bottom = Polygons.collect([mask]).extents()[0, 2:].tolist()
    fits_stored = right <= width + 1 and bottom <= height + 1
    fits_upright = right <= height + 1 and bottom <= width + 1
    if fits_stored == fits_upright:
        return None
    return "stored" if fits_stored else "upright"


def _size(rle: dict[str, Any]) -> tuple[Any, ...]:
    size = rle.get("size")
    return tuple(size) if isinstance(size, list) and all(isinstance(s, int) for s in size) else ()


def _turn(patient: Patient, row: int, orientation: int, size_wh: list[int]) -> None:
    """Turn a mask with its photo; one that is not sound is left to the next round."""
    mask = patient.document["annotations"][row].get("segmentation")
    width, height = size_wh
    if measures(mask, (width, height)):
        mask = turned(mask, orientation, (width, height))
        values = {"segmentation": mask, **measures(mask, (height, width))}
        patient.change(_CODE, "annotations", row, **values)
        patient.measured.add(row)


def turned(segmentation: Any, orientation: int, size_wh: tuple[int, int]) -> Any:
    """A sound COCO segmentation of a stored photo, as one of the photo when it is upright.

    Args:
        segmentation: Polygons or RLE.
        orientation: EXIF's, 5 to 8.
        size_wh: the stored photo's, before it is turned.
    """
    width, height = size_wh
    if isinstance(segmentation, dict):
        mask = Masks.from_rle([segmentation], (height, width)).dense(0)
        return Masks.from_dense(_BITMAPS[orientation](mask)[None]).to_rle()[0]
    polygons = []
    for part in segmentation:
        x, y = np.array(part, dtype=np.float64).reshape(-1, 2).T
        points = np.stack(_POINTS[orientation](x, y, width, height), axis=1)
        polygons.append(points.ravel().tolist())
    return polygons
