"""Predict many photos into a folder of results; photos that fail do not end the run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.events import OnEvent, PhotoFailed, Progress, ignore
from instseg.core.instances import Instances
from instseg.files.coco_json import match_image_ids, read_image_ids
from instseg.files.image import read_image
from instseg.files.instances_csv import CsvWriter
from instseg.files.results import PredictionWriter, write_class_names
from instseg.predict.photos import NamedPhoto
from instseg.predict.pictures import Pictures
from instseg.predict.predictor import Predictor
from instseg.predict.report import PixelSize, write_report
from instseg.report.rendered import Embed
from instseg.system.ahead import batched, map_ahead
from instseg.system.atomic import is_full_disk, sweep
from instseg.system.lock import only_run_in

THREADS = 4  # to read and write
OVERLAYS = Pictures()


In = TypeVar("In")
Out = TypeVar("Out")


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
    """

    folder: Path
    counts: Mapping[str, int]
    done: int
    skipped: int
    failed: tuple[str, ...]
    seconds: float


def predict_folder(
    predictor: Predictor,
    photos: Sequence[NamedPhoto],
    out: Path,
    *,
    pictures: Pictures = OVERLAYS,
    csv: bool = False,
    polygons: bool = False,
    coco_json: Path | None = None,
    resume: bool = False,
    report: bool = False,
    embed: Embed = "auto",
    pixel_size: str | None = None,
    on_event: OnEvent = ignore,
) -> PredictedFolder:
    """Find the instances of many photos and write predictions.json and more into a folder.

    Threads read photos and write pictures while the network works; memory use does not grow. A
    photo that cannot be read, is too large for the memory, or whose pictures cannot be written is
    reported as `PhotoFailed`, and the run continues. A full disk ends it.

    Args:
        predictor: The model.
        photos: The photos; see `name_photos`.
        out: Output folder; only one run at a time may write there.
        pictures: Which pictures to write.
        csv: Also write instances.csv.
        polygons: Write masks without holes as polygons; see `coco_annotations`.
        coco_json: COCO dataset whose image ids are used; photos that it lacks fail.
        resume: Skip photos that an earlier run with the same folder has finished.
        report: Also write report.html, which shows all photos and their instances.
        embed: Photos of full size of the report: `auto` puts them into the page while it stays
            small, and beside it otherwise; `all` into the page; `none` shows thumbnails only.
        pixel_size: Side of a pixel with its unit, as "0.5mm", for areas in the report.
        on_event: Called with the progress and each photo that fails.

    Raises:
        ArgumentError: `pixel_size` is not a number with a unit.
        InputError: There are too many classes for semantic maps, another run writes into the
            folder, the folder is not writable, or the earlier run cannot be resumed.
    """
    pictures.check(predictor.class_names)
    side = None if pixel_size is None else PixelSize.parse(pixel_size)
    ids = None if coco_json is None else _image_ids(coco_json, photos)
    begin_s = time.monotonic()
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        stack.enter_context(only_run_in(out))
        names, category_ids = predictor.class_names, predictor.category_ids
        made_by = {
            "weights": predictor.name,
            "architecture": predictor.card.architecture,
            "score_threshold": predictor.describe_threshold(),
        }
        _prepare(out, photos, pictures, names)
        predictions = stack.enter_context(
            PredictionWriter(
                out, names, category_ids, resume=resume, polygons=polygons, made_by=made_by
            )
        )
        table = None
        if csv:
            path = out / "instances.csv"
            table = stack.enter_context(CsvWriter(path, category_ids, keep=predictions.done))
        todo = [photo for photo in photos if photo.name not in predictions.done]
        run = _Run(predictor, pictures, out, on_event)
        pool = stack.enter_context(ThreadPoolExecutor(THREADS))
        for photo, found in run.results(pool, run.with_ids(todo, ids, coco_json), len(todo)):
            if table:
                table.add(photo.name, found)
            image_id = ids[photo.name] if ids else None
            predictions.add(photo.name, found.size_hw, found, image_id)
            counts.update(found.names)
        predictions.close()
        seconds = time.monotonic() - begin_s
        if report:
            write_report(
                out / "report.html",
                predictions.records,
                predictions.reading,
                photos,
                run.failures,
                class_names=names,
                category_ids=category_ids,
                made_by=made_by,
                embed=embed,
                pixel_size=side,
                on_event=on_event,
            )
    return PredictedFolder(
        folder=out,
        counts=dict(counts.most_common()),
        done=len(todo) - len(run.failures),
        skipped=len(photos) - len(todo),
        failed=tuple(run.failures),
        seconds=seconds,
    )


def _image_ids(coco_json: Path, photos: Sequence[NamedPhoto]) -> dict[str, int]:
    """The ids that a dataset has for photos, by name; those that it does not know are missing."""
    return match_image_ids(read_image_ids(coco_json), [photo.name for photo in photos])


def _prepare(
    out: Path, photos: Sequence[NamedPhoto], pictures: Pictures, class_names: Sequence[str]
) -> None:
    """Remove what a killed run was writing, and write what the labels of semantic maps mean."""
    for folder in {folder for photo in photos for folder in pictures.folders(out, photo)}:
        sweep(folder)
    if pictures.semantic_map:
        write_class_names(out / "labels" / "classes.json", class_names)


class _Run:
    """Reads, predicts and draws photos; each step may fail for a photo."""

    def __init__(
        self, predictor: Predictor, pictures: Pictures, out: Path, on_event: OnEvent
    ) -> None:
        self.predictor, self.pictures, self.out = predictor, pictures, out
        self.on_event = on_event
        self.failures: dict[str, str] = {}  # why, by name

    def with_ids(
        self, photos: Iterable[NamedPhoto], ids: Mapping[str, int] | None, coco_json: Path | None
    ) -> Iterator[NamedPhoto]:
        """The photos that have an id, if there are ids."""
        for photo in photos:
            if ids is not None and photo.name not in ids:
                self._fail(photo, InputError(f"{photo.path}: has no image id in {coco_json}"))
            else:
                yield photo

    def results(
        self, pool: ThreadPoolExecutor, photos: Iterable[NamedPhoto], total: int
    ) -> Iterator[tuple[NamedPhoto, Instances]]:
        """Each photo whose pictures are written, and its instances, in order."""

        def read(photo: NamedPhoto) -> tuple[NamedPhoto, NDArray[np.uint8] | Exception]:
            return photo, attempt(read_image, photo.path)

        def draw(
            look: tuple[NamedPhoto, tuple[NDArray[np.uint8], Instances]],
        ) -> tuple[NamedPhoto, Instances | Exception]:
            photo, (image, found) = look
            weights = self.predictor.name
            problem = attempt(lambda: self.pictures.write(self.out, photo, image, found, weights))
            return photo, found if problem is None else problem

        images = self._sound(map_ahead(pool, read, photos))
        looks = self._sound(self._look(images))
        done = 0
        self._tell(done, total)
        for done, result in enumerate(self._sound(map_ahead(pool, draw, looks)), start=1):
            yield result
            self._tell(done, total)
        self._tell(done, total)

    def _look(
        self, photos: Iterable[tuple[NamedPhoto, NDArray[np.uint8]]]
    ) -> Iterator[tuple[NamedPhoto, tuple[NDArray[np.uint8], Instances] | Exception]]:
        for batch in batched(photos, self.predictor.batch_size):
            images = [image for _, image in batch]
            found: Sequence[Instances | Exception] | Exception
            found = attempt(self.predictor.predict_batch, images)
            if isinstance(found, Exception):  # one by one, to find the photo that fails
                several = len(batch) > 1
                found = [attempt(self.predictor, each) for each in images] if several else [found]
            for (photo, image), each in zip(batch, found, strict=True):
                yield photo, each if isinstance(each, Exception) else (image, each)

    def _sound(
        self, results: Iterable[tuple[NamedPhoto, Out | Exception]]
    ) -> Iterator[tuple[NamedPhoto, Out]]:
        """The photos that have not failed."""
        for photo, result in results:
            if isinstance(result, Exception):
                self._fail(photo, result)
            else:
                yield photo, result

    def _fail(self, photo: NamedPhoto, problem: Exception) -> None:
        if is_full_disk(problem):
            raise problem
        text = described(photo.path, problem)
        self.failures[photo.name] = text
        self.on_event(PhotoFailed(name=photo.name, text=text))

    def _tell(self, done: int, total: int) -> None:
        done += len(self.failures)
        self.on_event(Progress(task="finding instances", done=done, total=total))


def attempt(work: Callable[..., Out], *args: object) -> Out | Exception:
    """The return value of `work`, or the exception that it raises."""
    try:
        return work(*args)
    except Exception as problem:
        return problem


def described(path: Path, problem: Exception) -> str:
    """One line that names the file."""
    if isinstance(problem, InputError):
        return str(problem)
    words = " ".join(str(problem).split())
    lacks_memory = isinstance(problem, MemoryError | torch.OutOfMemoryError)
    if lacks_memory or "allocate memory" in words or "not enough memory" in words:
        return f"{path}: is too large for the memory; make it smaller or use tiles"
    return f"{path}: cannot be processed ({type(problem).__name__}: {words})"
