"""Outputs that are newly asked for when a run is resumed, of the photos that are already done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from instseg.core.events import OnEvent, Warned
from instseg.core.instances import Instances
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
        names, ids = predictions.class_names, predictions.category_ids
        by_category = {number: class_id for class_id, number in enumerate(ids)}
        for record in predictions.records():
            with predictions.reading():
                image, annotations = record["image"], record["annotations"]
                name = image["file_name"]
                found = instances_of(annotations, image, names, by_category)
            if self.table and not self.table.has(name):
                self.table.add(name, found)
            if name in self.photos:
                self._complete_photo(self.photos[name], found)
        if self._missing:
            self.on_event(
                Warned(
                    text=f"{self.out}: {count(self._lacking, 'photo')} that an earlier run "
                    f"finished lack {', '.join(sorted(self._missing))}; to write them too, run "
                    "again without resuming"
                )
            )

    def _complete_photo(self, photo: NamedPhoto, found: Instances) -> None:
        lacks = self.pictures.missing(self.out, photo, found)
        path = self.out / f"{photo.picture}.geojson"
        if self.maps and not path.exists() and attempt(self.maps.write, photo, found):
            lacks.add("GeoJSON")
        self._missing |= lacks
        self._lacking += bool(lacks)
