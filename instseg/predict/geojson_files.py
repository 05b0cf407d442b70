"""The GeoJSON files of a run, and what is said of their coordinates: each once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from instseg.core.errors import InputError
from instseg.core.events import Notice, OnEvent, Warned
from instseg.core.instances import Instances
from instseg.files.geojson import write_geojson
from instseg.files.georeference import NEEDS_RASTERIO, NOT_ON_EARTH
from instseg.predict.photos import NamedPhoto


@dataclass
class GeojsonFiles:
    """Writes PICTURE.geojson for each photo.

    Attributes:
        out: Output folder.
        on_event: Called with what is to be said.
    """

    out: Path
    on_event: OnEvent
    _told: set[str] = field(default_factory=set, repr=False)

    def write(self, photo: NamedPhoto, found: Instances) -> None:
        """Write the file of a photo.

        Raises:
            InputError: It cannot be written.
        """
        path = self.out / f"{photo.picture}.geojson"
        try:
            place = write_geojson(path, found, photo=photo.path)
        except InputError as problem:
            if not any(why in str(problem) for why in (NEEDS_RASTERIO, NOT_ON_EARTH)):
                raise
            self._tell(Warned(text=f"{problem}; GeoJSON is written in pixels"))
            write_geojson(path, found)
            return
        if place is None:
            text = "GeoJSON of photos without map coordinates is written in pixels"
        else:
            name = place.crs if len(place.crs) < 40 else "the photo's own system"
            text = f"GeoJSON is written in longitude and latitude (WGS 84), reprojected from {name}"
        self._tell(Notice(text=text))

    def _tell(self, event: Notice | Warned) -> None:
        kind = NEEDS_RASTERIO if NEEDS_RASTERIO in event.text else event.text
        if kind not in self._told:
            self._told.add(kind)
            self.on_event(event)
