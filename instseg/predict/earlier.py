"""Outputs that are newly asked for when a run is resumed, of the photos that are already done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from instseg.core.events import OnEvent, Warned
from instseg.core.instances import Instances
from instseg.core.json_types import Json
from instseg.core.wording import count
from instseg.files.instances_csv import CsvWriter
from instseg.files.results import PredictionWriter
from instseg.predict.geojson_files import GeojsonFiles
from instseg.predict.photos import NamedPhoto
from instseg.predict.pictures import Pictures
from instseg.predict.pipeline import attempt
from instseg.predict.record_instances import instances_of


@dataclass(kw_only=True)
class Earlier:
    """Writes what the journal of earlier runs can give; pictures would need the photos again.

    Attributes:
        out: Output folder.
        photos: The photos of this run, by name.
        pictures: Which pictures are wanted.
        table: The CSV table, if it is wanted.
        maps: The GeoJSON files, if they are wanted.
        on_event: Called with a warning of what is not written.
    """

    out: Path
    photos: Mapping[str, NamedPhoto]
    pictures: Pictures
    table: CsvWriter | None
    maps: GeojsonFiles | None
    on_event: OnEvent
    _missing: set[str] = field(default_factory=set)
    _lacking: int = 0

    def complete(self, predictions: PredictionWriter) -> None:
        """Write the rows and GeoJSON files that photos of the journal lack; warn of pictures."""
        for record in predictions.records():
            with predictions.reading():
                name, annotations = record["image"]["file_name"], record["annotations"]
            photo = self.photos.get(name)
            crops = bool(annotations)
            lacks = self.pictures.missing(self.out, photo, crops=crops) if photo else set()
            rows = self.table is not None and not self.table.has(name)
            shapes = photo is not None and self._lacks_geojson(photo)
            if rows or shapes:  # masks are decoded only then
                found = self._found(predictions, record)
                if self.table and rows:
                    self.table.add(name, found)
                if self.maps and photo and shapes and attempt(self.maps.write, photo, found):
                    lacks.add("GeoJSON")
            self._missing |= lacks
            self._lacking += bool(lacks)
        if self._missing:
            self.on_event(
                Warned(
                    text=f"{self.out}: {count(self._lacking, 'photo')} that an earlier run "
                    f"finished lack {', '.join(sorted(self._missing))}; to write them too, run "
                    "again without resuming"
                )
            )

    def _found(self, predictions: PredictionWriter, record: Json) -> Instances:
        by_category = {number: class_id for class_id, number in enumerate(predictions.category_ids)}
        with predictions.reading():
            return instances_of(
                record["annotations"], record["image"], predictions.class_names, by_category
            )

    def _lacks_geojson(self, photo: NamedPhoto) -> bool:
        return self.maps is not None and not (self.out / f"{photo.picture}.geojson").exists()
