"""Where the pixels of a GeoTIFF lie on the earth; rasterio computes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.files.quiet import quiet_decoders
from instseg.files.windows import is_tiff

WGS84 = "EPSG:4326"
NEEDS_RASTERIO = (
    "map coordinates are read where rasterio is installed: pip install 'instseg[slides]'"
)
NOT_ON_EARTH = "its map coordinates are no places on the earth"
_SCALE, _TIES, _TRANSFORM, _KEYS = 33550, 33922, 34264, 34735  # tags of a GeoTIFF
_RADIUS_M, _ECCENTRICITY_2 = 6378137.0, 0.00669437999014  # of the ellipsoid of WGS 84


@dataclass(frozen=True, kw_only=True)
class Georeference:
    """The place of an image on a map.

    Attributes:
        crs: The coordinate reference system, as `EPSG:32633`, or its WKT.
        transform: a, b, c, d, e, f: in the CRS, the corner (x, y) of pixels lies at
            (a x + b y + c, d x + e y + f).
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]

    def to_wgs84(self, points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Longitude and latitude, in degrees, of points (N, 2) in pixels: float64 (N, 2).

        Raises:
            InputError: A point is not on the earth, or the CRS has no place there.
        """
        from rasterio.warp import transform

        a, b, c, d, e, f = self.transform
        x, y = points_xy.T
        try:
            mapped = transform(self.crs, WGS84, a * x + b * y + c, d * x + e * y + f)
        except Exception as error:  # of GDAL, whose classes are private
            raise InputError(NOT_ON_EARTH) from error
        places = np.stack([np.asarray(axis, np.float64) for axis in mapped[:2]], axis=1)
        if not np.isfinite(places).all():
            raise InputError(NOT_ON_EARTH)
        return places

    def pixel_areas_m2(self, points_xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """The area of the pixel at each point (N, 2), on the earth's surface: float64 (N,)."""
        count = len(points_xy)
        steps = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        places = self.to_wgs84((points_xy[None] + steps[:, None]).reshape(-1, 2))
        here, right, below = np.radians(places).reshape(3, count, 2)
        sine = np.sin(here[:, 1])
        curved = 1 - _ECCENTRICITY_2 * sine**2
        north_m = _RADIUS_M * (1 - _ECCENTRICITY_2) / curved**1.5  # of a radian
        east_m = _RADIUS_M * np.cos(here[:, 1]) / np.sqrt(curved)
        across, down = right - here, below - here
        areas: NDArray[np.float64] = np.abs(across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0])
        return areas * north_m * east_m


def read_georeference(path: str | Path) -> Georeference | None:
    """The georeference of a GeoTIFF; None for other images.

    Raises:
        InputError: It has one, but rasterio is not installed, or cannot read it.
    """
    path = Path(path)
    if not is_tiff(path) or not _is_placed(path):
        return None
    try:
        import rasterio
        from rasterio.errors import RasterioError
    except ImportError:
        raise InputError(f"{path}: {NEEDS_RASTERIO}") from None
    try:
        with rasterio.open(path) as file:
            crs, transform = file.crs, file.transform
    except RasterioError as error:
        raise InputError(f"{path}: its map coordinates cannot be read ({error})") from error
    return None if crs is None else Georeference(crs=crs.to_string(), transform=transform[:6])


def _is_placed(path: Path) -> bool:
    """Whether a TIFF has the tags of a place on a map."""
    import tifffile

    try:
        with quiet_decoders, tifffile.TiffFile(path) as tiff:
            tags = tiff.pages.first.tags
            return _KEYS in tags and (_TRANSFORM in tags or {_SCALE, _TIES} <= set(tags.keys()))
    except Exception:  # of damaged files
        return False
