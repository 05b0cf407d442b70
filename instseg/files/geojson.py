"""Instances as GeoJSON (RFC 7946): polygons with holes, in map coordinates or in pixels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.instances import Instances
from instseg.core.json_types import Json
from instseg.core.outlines import exact_loops, is_clockwise
from instseg.files.georeference import NOT_ON_EARTH, Georeference, read_georeference
from instseg.system.atomic import naming_file, replacing

DIGITS = 9  # of degrees: a tenth of a millimetre


def write_geojson(
    path: str | Path,
    instances: Instances,
    *,
    photo: str | Path | Georeference | None = None,
) -> Georeference | None:
    """Write instances as a GeoJSON file: a Polygon or MultiPolygon each, exact to the pixel.

    Properties are `class`, `score`, `area_px` and, on a map, `area_m2`, the area on the surface of
    the earth (WGS 84). Coordinates are longitude and latitude if the photo is georeferenced; the
    foreign member `instseg` then has its `crs` and `transform`. Otherwise they are pixels, x to the
    right and y down, from the outer corner of the first pixel. Empty masks are left out.

    Args:
        path: The file; folders are made as needed.
        instances: The instances of one photo.
        photo: Its file, of which a GeoTIFF has map coordinates, or its `Georeference`.

    Returns:
        The georeference; None if the coordinates are pixels.

    Raises:
        InputError: The file cannot be written; the photo is a GeoTIFF, and rasterio is missing, or
            its map coordinates are broken.
    """
    place = read_georeference(photo) if isinstance(photo, str | Path) else photo
    height, width = instances.size_hw
    about: Json = {"width": width, "height": height, "coordinates": "pixels"}
    if place is not None:
        about["coordinates"] = "longitude, latitude (WGS 84)"
        about |= {"crs": place.crs, "transform": list(place.transform)}
    with (
        naming_file(Path(path)),
        _naming_photo(photo),
        replacing(Path(path)) as temporary,
        temporary.open("w", encoding="utf-8") as file,
    ):
        file.write(f'{{"type": "FeatureCollection", "instseg": {json.dumps(about)}, "features": [')
        for number, feature in enumerate(_features(instances, place)):
            file.write((",\n" if number else "\n") + json.dumps(feature))
        file.write("]}\n")
    return place


@contextmanager
def _naming_photo(photo: object) -> Iterator[None]:
    try:
        yield
    except InputError as problem:
        if str(problem) != NOT_ON_EARTH or not isinstance(photo, str | Path):
            raise
        raise InputError(f"{photo}: {problem}") from problem


def _features(instances: Instances, place: Georeference | None) -> Iterator[Json]:
    areas = instances.masks.areas()
    boxes = instances.masks.boxes_xyxy().astype(np.float64)
    pixel_m2 = None
    if place is not None and len(instances):
        pixel_m2 = place.pixel_areas_m2((boxes[:, :2] + boxes[:, 2:]) / 2)
    offsets = instances.masks.offsets_yx.tolist()
    for number, (crop, (y, x)) in enumerate(zip(instances.masks.crops, offsets, strict=True)):
        parts = polygons_of(crop, (y, x))
        if not parts:
            continue
        rings = [[_ring(loop, place, outer=not k) for k, loop in enumerate(part)] for part in parts]
        properties: Json = {
            "class": instances.names[number],
            "score": float(str(instances.scores[number])),
            "area_px": int(areas[number]),
        }
        if pixel_m2 is not None:
            properties["area_m2"] = float(f"{areas[number] * pixel_m2[number]:.6g}")
        kind = "Polygon" if len(rings) == 1 else "MultiPolygon"
        geometry = {"type": kind, "coordinates": rings[0] if len(rings) == 1 else rings}
        yield {"type": "Feature", "geometry": geometry, "properties": properties}


def polygons_of(
    crop: NDArray[np.bool_], offset_yx: tuple[int, int]
) -> list[list[NDArray[np.int64]]]:
    """The parts of a mask: of each its outline, and those of its holes, as `exact_loops` has them.

    Args:
        crop: (h, w).
        offset_yx: The image pixel of the crop's first pixel.
    """
    loops = exact_loops(crop, offset_yx)
    outer = [loop for loop in loops if is_clockwise(loop)]
    parts = [[loop] for loop in outer]
    for hole in loops:
        if is_clockwise(hole):
            continue
        beside = hole[0] + (-0.5, 0.5)  # the middle of a pixel of the mask, left of the hole
        around = [number for number, loop in enumerate(outer) if _is_inside(beside, loop)]
        parts[min(around, key=lambda number: abs(_area(outer[number])))].append(hole)
    return parts


def _is_inside(point_xy: NDArray[np.float64], loop: NDArray[np.int64]) -> bool:
    """Whether a loop goes around a point that is not on it."""
    x, y = loop.T
    following_y = np.roll(y, -1)
    crosses = (np.minimum(y, following_y) < point_xy[1]) & (
        np.maximum(y, following_y) > point_xy[1]
    )
    return bool((crosses & (x > point_xy[0])).sum() % 2)  # such edges are vertical


def _area(points_xy: NDArray[Any]) -> float:
    """The area of a loop; positive if it goes counterclockwise where y points up."""
    x, y = (points_xy - points_xy[0]).astype(np.float64).T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _ring(
    loop: NDArray[np.int64], place: Georeference | None, *, outer: bool
) -> list[list[float]] | list[list[int]]:
    """A closed ring, by the right-hand rule: outlines counterclockwise, holes clockwise."""
    points = loop.astype(np.float64) if place is None else place.to_wgs84(loop.astype(np.float64))
    if (_area(points) > 0) != outer:
        points = points[::-1]
    closed = np.concatenate([points, points[:1]])
    if place is None:
        return closed.astype(int).tolist()  # type: ignore[no-any-return]
    return closed.round(DIGITS).tolist()  # type: ignore[no-any-return]
