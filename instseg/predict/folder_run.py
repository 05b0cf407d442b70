"""The run of `predict_folder`: photos are read, predicted, drawn and written; each may fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from instseg.core.errors import InputError
from instseg.core.events import Notice, OnEvent, PhotoFailed, Progress, ignore
from instseg.core.instances import Instances
from instseg.core.json_types import Json
from instseg.files.coco_json import match_image_ids, read_image_ids
from instseg.files.instances_csv import CsvWriter
from instseg.files.results import PredictionWriter, write_class_names
from instseg.predict.earlier import Earlier
from instseg.predict.geojson_files import GeojsonFiles
from instseg.predict.large import Photo, need_of_photo, read_photo
from instseg.predict.large_pictures import reduced_in_words, write_pictures
from instseg.predict.memory import WRITERS
from instseg.predict.photos import NamedPhoto
from instseg.predict.pictures import Pictures
from instseg.predict.pipeline import Seen, WorkTime, attempt, described, look_within
from instseg.predict.predictor import Predictor
from instseg.system.ahead import map_ahead, pool_of
from instseg.system.atomic import is_full_disk, sweep
from instseg.system.budget import Need

if TYPE_CHECKING:
    from instseg.predict.pre_annotation import PreAnnotation, Tool


def made_by(predictor: Predictor) -> Json:
    """What predictions.json says of the model."""
    return {
        "weights": predictor.name,
        "architecture": predictor.card.architecture,
        "score_threshold": predictor.describe_threshold(),
    }


@dataclass(frozen=True)
class ImageIds:
    """The ids that a dataset has for photos, by name; those that it does not know are missing."""

    coco_json: Path
    by_name: Mapping[str, int]

    @classmethod
    def read(
        cls, coco_json: Path, photos: Sequence[NamedPhoto], on_event: OnEvent = ignore
    ) -> ImageIds:
        """The ids of these photos; InputError if the file cannot be read."""
        names = [photo.name for photo in photos]
        return cls(coco_json, match_image_ids(read_image_ids(coco_json, on_event), names))

    def require(self, photo: NamedPhoto) -> None:
        """Raise InputError for a photo without an id."""
        if photo.name not in self.by_name:
            raise InputError(f"{photo.path}: has no image id in {self.coco_json}")


@dataclass
class FolderRun:
    """Reads, predicts and draws photos; each step may fail for a photo."""

    predictor: Predictor
    pictures: Pictures
    out: Path
    ids: ImageIds | None
    on_event: OnEvent
    maps: GeojsonFiles | None = None
    done: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)  # why, by name
    worked: WorkTime = field(default_factory=WorkTime)

    def write(
        self, photos: Sequence[NamedPhoto], *, csv: bool, polygons: bool, resume: bool
    ) -> PredictionWriter:
        """Find the instances of the photos that an earlier run has not finished, and write them."""
        names, category_ids = self.predictor.class_names, self.predictor.category_ids
        self._prepare(photos)
        with ExitStack() as stack:
            predictions = PredictionWriter(
                self.out,
                names,
                category_ids,
                resume=resume,
                polygons=polygons,
                made_by=made_by(self.predictor),
            )
            stack.enter_context(predictions)
            table = None
            if csv:
                path = self.out / "instances.csv"
                table = stack.enter_context(CsvWriter(path, category_ids, keep=predictions.done))
            if predictions.done:
                self._complete(photos, predictions, table)
            todo = [photo for photo in photos if photo.name not in predictions.done]
            for photo, found in stack.enter_context(closing(self._results(todo))):
                if table:
                    table.add(photo.name, found)
                image_id = self.ids.by_name[photo.name] if self.ids else None
                predictions.add(photo.name, found.size_hw, found, image_id)
                self.counts.update(found.names)
        return predictions

    def _complete(
        self,
        photos: Sequence[NamedPhoto],
        predictions: PredictionWriter,
        table: CsvWriter | None,
    ) -> None:
        """Write what an earlier run has not written, as far as its journal gives it."""
        Earlier(
            out=self.out,
            photos={photo.name: photo for photo in photos},
            pictures=self.pictures,
            table=table,
            maps=self.maps,
            on_event=self.on_event,
        ).complete(predictions)

    def pre_annotate(
        self,
        photos: Sequence[NamedPhoto],
        predictions: PredictionWriter,
        to: Tool,
        tolerance: float,
    ) -> PreAnnotation:
        """Write what has been found for an annotation tool."""
        from instseg.predict.pre_annotation import write_pre_annotation  # loads scipy

        with predictions.reading():
            return write_pre_annotation(
                predictions.journal(),
                photos,
                self.out / to,
                to,
                tolerance=tolerance,
                class_names=self._kept_classes(),
                on_event=self.on_event,
            )

    def _kept_classes(self) -> list[str]:
        """The classes that the model finds; all without a choice of them."""
        kept = self.predictor.choice.class_ids
        names = enumerate(self.predictor.class_names)
        return [name for number, name in names if kept is None or number in kept]

    def _prepare(self, photos: Sequence[NamedPhoto]) -> None:
        """Remove what a killed run was writing, and write what labels of semantic maps mean."""
        pictures, out = self.pictures, self.out
        for folder in {folder for photo in photos for folder in pictures.folders(out, photo)}:
            sweep(folder)
        if pictures.semantic_map:
            write_class_names(out / "labels" / "classes.json", self.predictor.class_names)

    def _results(self, photos: Sequence[NamedPhoto]) -> Generator[tuple[NamedPhoto, Instances]]:
        """Each photo whose pictures are written, and its instances, in order."""
        workers = self.predictor.workers(len(photos))
        budget, looks = look_within(
            self.predictor.plan,
            photos,
            self._need,
            self._read,
            self.worked.of(self.predictor.predict_batch, workers.count),
            batch_size=self.predictor.batch_size,
            workers=workers,
        )
        self._tell(len(photos))
        with pool_of(WRITERS) as pool, closing(looks):
            for photo, found in map_ahead(pool, self._draw, looks):
                budget.release()
                if isinstance(found, Exception):
                    self._fail(photo, found)
                else:
                    yield photo, found
                    self.done += 1
                self._tell(len(photos))

    def _read(self, photo: NamedPhoto) -> Photo:
        if self.ids:
            self.ids.require(photo)
        return read_photo(photo.path, self.predictor.plan, pictures=self._draws())

    def _need(self, photo: NamedPhoto) -> Need:
        return need_of_photo(photo.path, self.predictor.plan, pictures=self._draws())

    def _draws(self) -> bool:
        return self.pictures.overlay or self.pictures.semantic_map

    def _draw(
        self, seen: Seen[NamedPhoto, Photo, Instances]
    ) -> tuple[NamedPhoto, Instances | Exception]:
        photo, image, found = seen.item, seen.image, seen.found
        if image is None or isinstance(found, Exception):
            return photo, found
        weights, factor = self.predictor.name, self.predictor.plan.preview_factor(found.size_hw)
        problem = attempt(
            write_pictures, self.pictures, self.out, photo, image, found, weights, factor
        )
        if problem is None and self.maps:
            problem = attempt(self.maps.write, photo, found)
        if problem is not None:
            return photo, problem
        text = reduced_in_words(self.pictures, photo, image, found, factor)
        if text is not None:
            self.on_event(Notice(text=text))
        return photo, found

    def _fail(self, photo: NamedPhoto, problem: Exception) -> None:
        if is_full_disk(problem):
            raise problem
        text = described(str(photo.path), problem)
        self.failures[photo.name] = text
        self.on_event(PhotoFailed(name=photo.name, text=text))

    def _tell(self, total: int) -> None:
        done = self.done + len(self.failures)
        self.on_event(Progress(task="finding instances", done=done, total=total))
