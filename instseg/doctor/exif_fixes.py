"""Masks that were drawn on a photo as it is stored, turned as its EXIF orientation says."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.masks import Masks
from instseg.doctor.annotation_fixes import measures
from instseg.doctor.exif_votes import drawn_on_stored
from instseg.doctor.patient import Patient
from instseg.doctor.photo_checks import Photos
from instseg.doctor.table import Table

Points = NDArray[np.float64]

# Orientations 2 to 8, of which 5 to 8 exchange width and height. From the stored photo's w and h,
# where a point goes, and what becomes of a bitmap.
_POINTS: dict[int, Callable[[Points, Points, float, float], tuple[Points, Points]]] = {
    2: lambda x, y, w, h: (w - x, y),
    3: lambda x, y, w, h: (w - x, h - y),
    4: lambda x, y, w, h: (x, h - y),
    5: lambda x, y, w, h: (y, x),
    6: lambda x, y, w, h: (h - y, x),
    7: lambda x, y, w, h: (h - y, w - x),
    8: lambda x, y, w, h: (y, w - x),
}
_BITMAPS: dict[int, Callable[[NDArray[np.bool_]], NDArray[np.bool_]]] = {
    2: lambda mask: mask[:, ::-1],
    3: lambda mask: mask[::-1, ::-1],
    4: lambda mask: mask[::-1],
    5: lambda mask: mask.T,
    6: lambda mask: np.rot90(mask, -1),
    7: lambda mask: mask[::-1, ::-1].T,
    8: lambda mask: np.rot90(mask),
}


def fix_exif_sizes(patient: Patient, rows: Sequence[int], table: Table, photos: Photos) -> None:
    """State the upright size, and turn the masks if they were drawn on the unturned photo.

    Which they were, the masks of all these images tell; see `drawn_on_stored`.
    """
    images = {patient.document["images"][row]["id"]: row for row in rows}
    if drawn_on_stored(table, images):
        turn_masks(patient, "size-exif", images, table, photos)
    for row in images.values():
        if patient.is_left("images", row):
            record = patient.document["images"][row]
            sides = {"width": record["height"], "height": record["width"]}
            patient.change("size-exif", "images", row, **sides)


def turn_masks(
    patient: Patient, code: str, image_ids: Container[int], table: Table, photos: Photos
) -> None:
    """Turn the masks of images with their photos; one that is not sound is left as it is."""
    for i, row in enumerate(table.rows.tolist()):
        number = int(table.image_ids[i])
        if number in image_ids and patient.is_left("annotations", row):
            orientation = photos[table.image(number)["file_name"]].orientation
            _turn(patient, code, row, orientation, table.sizes_wh[i].astype(int).tolist())


def _turn(patient: Patient, code: str, row: int, orientation: int, size_wh: list[int]) -> None:
    mask = patient.document["annotations"][row].get("segmentation")
    width, height = size_wh
    if measures(mask, (width, height)):
        mask = turned(mask, orientation, (width, height))
        upright = (height, width) if orientation >= 5 else (width, height)
        values = {"segmentation": mask, **measures(mask, upright)}
        patient.change(code, "annotations", row, **values)
        patient.measured.add(row)


def turned(segmentation: Any, orientation: int, size_wh: tuple[int, int]) -> Any:
    """A sound COCO segmentation of a stored photo, as one of the photo when it is upright.

    Args:
        segmentation: Polygons or RLE.
        orientation: EXIF's, 2 to 8.
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
