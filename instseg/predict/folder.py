"""Predict many photos into a folder of results; photos that fail do not end the run."""

from __future__ import annotations

import time
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
from instseg.predict.geojson_files import GeojsonFiles
from instseg.predict.large import Photo, need_of_photo, read_photo
from instseg.predict.large_pictures import reduced_in_words, write_pictures
from instseg.predict.memory import WRITERS
from instseg.predict.photos import NamedPhoto
from instseg.predict.pictures import Pictures
from instseg.predict.pipeline import Seen, WorkTime, attempt, described, look_within
from instseg.predict.predictor import Predictor
from instseg.predict.report import PixelSize, write_report
from instseg.report.rendered import Embed
from instseg.system.ahead import map_ahead, pool_of
from instseg.system.atomic import is_full_disk, sweep
from instseg.system.budget import Need
from instseg.system.lock import only_run_in

if TYPE_CHECKING:
    from instseg.predict.pre_annotation import PreAnnotation, Tool

OVERLAYS = Pictures()


@dataclass(frozen=True, kw_only=True)
class PredictedFolder:
    """The result of a run.

    Attributes:
        folder: The output folder.
        counts: Number of instances by class name, in the photos of this run.
        done: Number of photos that this run has finished.
        skipped: Number of photos that an earlier run has finished.
        failed: Names of the photos that failed.
        seconds: Duration of the run, without the report.
        busy: Share of this time, 0..1, that the threads of the network have worked.
        pre_annotation: What an annotation tool imports, if it was asked for.
    """

    folder: Path
    counts: Mapping[str, int]
    done: int
    skipped: int
    failed: tuple[str, ...]
    seconds: float
    busy: float
    pre_annotation: PreAnnotation | None = None


def predict_folder(
    predictor: Predictor,
    photos: Sequence[NamedPhoto],
    out: Path,
    *,
    pictures: Pictures = OVERLAYS,
    csv: bool = False,
    geojson: bool = False,
    polygons: bool = False,
    coco_json: Path | None = None,
    resume: bool = False,
    report: bool = False,
    embed: Embed = "auto",
    pixel_size: str | None = None,
    to: Tool | None = None,
    tolerance: float = 1.0,
    on_event: OnEvent = ignore,
) -> PredictedFolder:
    """Find the instances of many photos and write predictions.json and more into a folder.

    Threads read photos and write pictures while the network works; memory use does not grow. On a
    CPU, several photos are predicted at once, by one thread each; see `Predictor.stream`. A
    photo that cannot be read, is too large for the memory, or whose pictures cannot be written is
    reported as `PhotoFailed`, and the run continues. A full disk ends it.

    Args:
        predictor: The model.
        photos: The photos; see `name_photos`.
        out: Output folder; only one run at a time may write there.
        pictures: Which pictures to write.
        csv: Also write instances.csv.
        geojson: Also write PICTURE.geojson for each photo; see `write_geojson`.
        polygons: Write masks without holes as polygons; see `coco_annotations`.
        coco_json: COCO dataset whose image ids are used; photos that it lacks fail.
        resume: Skip photos that an earlier run with the same folder has finished.
        report: Also write report.html, which shows all photos and their instances.
        embed: Photos of full size of the report: `auto` puts them into the page while it stays
            small, and beside it otherwise; `all` into the page; `none` shows thumbnails only.
        pixel_size: Side of a pixel with its unit, as "0.5mm", for areas in the report.
        to: Also write what this annotation tool imports into a folder of its name, for people to
            correct; an earlier one is kept under another name.
        tolerance: How far its outlines may be from the masks, in pixels; 0 keeps every pixel.
        on_event: Called with the progress and each photo that fails.

    Raises:
        ArgumentError: `pixel_size` is not a number with a unit.
        InputError: There are too many classes for semantic maps, another run writes into the
            folder, the folder is not writable, or the earlier run cannot be resumed.
    """
    pictures.check(predictor.class_names)
    side = None if pixel_size is None else PixelSize.parse(pixel_size)
    ids = None if coco_json is None else _Ids.read(coco_json, photos)
    begin_s = time.monotonic()
    maps = GeojsonFiles(out, on_event) if geojson else None
    run = _Run(predictor, pictures, out, ids, on_event, maps)
    with only_run_in(out):
        predictions = run.write(photos, csv=csv, polygons=polygons, resume=resume)
        seconds = time.monotonic() - begin_s
        if report:
            write_report(
                out / "report.html",
                predictions.records,
                predictions.reading,
                photos,
                run.failures,
                class_names=predictor.class_names,
                category_ids=predictor.category_ids,
                made_by=made_by(predictor),
                embed=embed,
                pixel_size=side,
                on_event=on_event,
            )
        pre_annotation = None
        if to is not None and predictions.done:
            pre_annotation = run.pre_annotate(photos, predictions, to, tolerance)
    return PredictedFolder(
        folder=out,
        counts=dict(run.counts.most_common()),
        done=run.done,
        skipped=len(photos) - run.done - len(run.failures),
        failed=tuple(run.failures),
        seconds=seconds,
        busy=run.worked.seconds / seconds,
        pre_annotation=pre_annotation,
    )


def made_by(predictor: Predictor) -> Json:
    """What predictions.json says of the model."""
    return {
        "weights": predictor.name,
        "architecture": predictor.card.architecture,
        "score_threshold": predictor.describe_threshold(),
    }


@dataclass(frozen=True)
class _Ids:
    """The ids that a dataset has for photos, by name; those that it does not know are missing."""

    coco_json: Path
    by_name: Mapping[str, int]

    @classmethod
    def read(cls, coco_json: Path, photos: Sequence[NamedPhoto]) -> _Ids:
        names = [photo.name for photo in photos]
        return cls(coco_json, match_image_ids(read_image_ids(coco_json), names))

    def require(self, photo: NamedPhoto) -> None:
        if photo.name not in self.by_name:
            raise InputError(f"{photo.path}: has no image id in {self.coco_json}")


@dataclass
class _Run:
    """Reads, predicts and draws photos; each step may fail for a photo."""

    predictor: Predictor
    pictures: Pictures
    out: Path
    ids: _Ids | None
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
            todo = [photo for photo in photos if photo.name not in predictions.done]
            for photo, found in stack.enter_context(closing(self._results(todo))):
                if table:
                    table.add(photo.name, found)
                image_id = self.ids.by_name[photo.name] if self.ids else None
                predictions.add(photo.name, found.size_hw, found, image_id)
                self.counts.update(found.names)
        return predictions

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
