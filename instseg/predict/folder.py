"""Predict many photos into a folder of results; photos that fail do not end the run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from instseg.core.events import OnEvent, ignore
from instseg.predict.folder_run import FolderRun, ImageIds, made_by
from instseg.predict.geojson_files import GeojsonFiles
from instseg.predict.photos import NamedPhoto
from instseg.predict.pictures import Pictures
from instseg.predict.predictor import Predictor
from instseg.predict.report import PixelSize, write_report
from instseg.report.rendered import Embed
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
        ArgumentError: `pixel_size` is not a number with a unit, or a picture would overwrite a
            photo.
        InputError: There are too many classes for semantic maps, another run writes into the
            folder, the folder is not writable, or the earlier run cannot be resumed.
    """
    pictures.check(predictor.class_names)
    pictures.check_places(out, photos)
    side = None if pixel_size is None else PixelSize.parse(pixel_size)
    ids = None if coco_json is None else ImageIds.read(coco_json, photos, on_event)
    begin_s = time.monotonic()
    maps = GeojsonFiles(out, on_event) if geojson else None
    run = FolderRun(predictor, pictures, out, ids, on_event, maps)
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
