"""`export`: a model as one file for ONNX Runtime or OpenVINO, with its certificate."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from instseg.core.errors import ArgumentError, require_between
from instseg.core.events import Notice, Warned, download_progress, told
from instseg.core.options import takes
from instseg.exporting.options import SUFFIXES, ExportOptions
from instseg.system.atomic import make_folder

if TYPE_CHECKING:
    from instseg.data.coco import CocoData
    from instseg.exporting.agreement import Agreement, Photo
    from instseg.exporting.calibration import Calibration
    from instseg.exporting.new_file import NewFile
    from instseg.models.mask_rcnn import Model
    from instseg.models.segmenters import SegmenterModel

DRAWN = ((480, 640), (640, 480), (720, 1280))  # height and width of the scenes for a certificate
DEFAULT_SCORE = 0.5  # minimum score of classes without a stored threshold, as `Predictor` has it


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What `export` has written.

    Attributes:
        file: The ONNX file, or the .xml file of OpenVINO.
        agreement: How closely it agrees with the model; None without `check`.
        accepted: Whether it agrees closely enough, or was not to be checked or held to it.
    """

    file: Path
    agreement: Agreement | None
    accepted: bool

    def __repr__(self) -> str:
        return f"Exported({self.file}: {self.agreement or 'not checked'})"


@takes(ExportOptions)
def export(options: ExportOptions) -> Exported:
    """Export a model as one file that runs without torch and instseg.

        done = instseg.export("best.safetensors", format="onnx", out="best.onnx")
        done.agreement.box_px

    Raises:
        InputError: Packages are missing, arguments do not go together, or a file is broken.
    """
    from instseg.engines.runtimes import require_packages

    _check(options)
    require_packages(options.format, to_run=options.check or options.int8)
    from instseg.exporting.calibration import Calibration
    from instseg.models.load import load_model
    from instseg.models.mask_rcnn import Model

    calibration = None
    if options.calibrate is not None:
        calibration = Calibration(options.calibrate, options.calibration_photos, options.on_event)
    make_folder(options.file.parent)
    model = options.weights
    if isinstance(model, str | Path):
        progress = download_progress(options.on_event)
        model = load_model(model, architecture=options.architecture, progress=progress)
    if isinstance(model, Model):
        return _export_detector(options, model, calibration)
    return _export_segmenter(options, model, calibration)


def _check(options: ExportOptions) -> None:
    require_between(0, 1, score_threshold=options.score_threshold)
    require_between(1, 10_000, max_detections=options.max_detections)
    require_between(1, 10_000, calibration_photos=options.calibration_photos)
    require_between(0, 1, max_drop=options.max_drop)
    if options.int8 and options.dtype != "fp32":
        raise ArgumentError("{dtype} and {int8}: give one of them", dtype=options.dtype)
    if options.int8 != (options.calibrate is not None):
        raise ArgumentError("{int8} and {calibrate}, photos for it, go together; give both")
    suffix = SUFFIXES[options.format]
    if options.file.suffix != suffix:
        raise ArgumentError(
            f"{{out}} of {{format}} {options.format} must end in {suffix}", out=str(options.file)
        )
    is_path = isinstance(options.coco_json, str | Path)
    if is_path and options.images is None:
        raise ArgumentError("{coco_json} needs {images}, the folder of its photos")
    if not options.check and (options.images or options.coco_json):
        raise ArgumentError("{images} and {coco_json} need {check}", check=False)


def _export_detector(
    options: ExportOptions, model: Model, calibration: Calibration | None
) -> Exported:
    import torch

    from instseg.engines.build import DetectorLimits, detector_graph, metadata
    from instseg.exporting import agreement as compared
    from instseg.exporting.average_precision import ap_differences
    from instseg.exporting.new_file import NewFile

    card = model.card
    stored = card.thresholds if options.score_threshold is None else {}
    otherwise = DEFAULT_SCORE if options.score_threshold is None else options.score_threshold
    thresholds = [stored.get(name, otherwise) for name in card.class_names]
    limits = DetectorLimits(
        score_thresholds=torch.tensor(thresholds), max_detections=options.max_detections
    )
    options.on_event(Notice(text=f"{options.file}: building the graph takes a minute"))
    graph = detector_graph(model, limits)
    made = NewFile(options, graph, calibration)
    found = None
    if options.check:
        reference = compared.Reference(model, limits)
        found = compared.detector_agreement(made.watched(_photos(options)), reference, made.run())
        if not found.detections:
            text = f"{options.file}: the model finds nothing in these photos; give others as images"
            options.on_event(Warned(text=text))
        if data := _truth(options):
            found = replace(
                found, ap=ap_differences(data, reference, made.run_all, options.on_event)
            )
    return _written(options, made, metadata(model, made.dtype, limits), found)


def _export_segmenter(
    options: ExportOptions, model: SegmenterModel, calibration: Calibration | None
) -> Exported:
    from instseg.engines.build import metadata, segmenter_graph
    from instseg.exporting.agreement import segmenter_agreement
    from instseg.exporting.mean_iou import miou_difference
    from instseg.exporting.new_file import NewFile
    from instseg.predict.segmenter import Segmenter

    if not model.card.takes_photos and (options.int8 or options.coco_json):
        raise ArgumentError("{weights} takes arrays; {int8} and {coco_json} are for photos")
    made = NewFile(options, segmenter_graph(model), calibration)
    found = None
    if options.check:
        segmenter = Segmenter(model, device="cpu", precision="fp32")
        run = made.run()
        photos = made.watched(_photos(options))
        found = segmenter_agreement(photos, segmenter.semantic_map, run)
        if data := _truth(options):
            found = replace(found, miou=miou_difference(data, segmenter, run, options.on_event))
    return _written(options, made, metadata(model, made.dtype, None), found)


def _written(
    options: ExportOptions, made: NewFile, texts: dict[str, str], found: Agreement | None
) -> Exported:
    """Write the file, and tell whether it is as close to the model as promised."""
    if found is not None:
        found = made.certified(found)
    made.write(texts, found)
    problem = "" if found is None else _problem(options, found)
    if problem:
        options.on_event(Warned(text=f"{options.file}: {problem}"))
    return Exported(
        file=options.file,
        agreement=found,
        accepted=not problem or options.allow_differences,
    )


def _problem(options: ExportOptions, found: Agreement) -> str:
    """By what a file differs more than it may; empty if it does not."""
    if not options.int8 and options.dtype == "fp32":
        return "" if found.holds else "differs from the model by more than an fp32 file should"
    lost = {name: -each.difference for name, each in found.scores.items()}
    if options.int8 and not lost:
        text = f"{options.file}: AP is not measured without a COCO dataset and its photos"
        options.on_event(Notice(text=text))
    most = options.max_drop
    many = [f"{each:.4f} of {name}" for name, each in lost.items() if each > most]
    return f"loses {' and '.join(many)}, more than {most:g}" if many else ""


def _truth(options: ExportOptions) -> CocoData | None:
    from instseg.data.coco import CocoData

    given = options.coco_json
    if given is None or (isinstance(given, CocoData) and options.images is None):
        return given if isinstance(given, CocoData) else None
    if isinstance(given, CocoData):
        return replace(given, folder=Path(options.images or ""))
    return CocoData.read(Path(given), Path(options.images or ""))


def _photos(options: ExportOptions) -> Iterator[Photo]:
    """Photos by name: the dataset's, those given, or drawn scenes."""
    from instseg.exporting.readable import readable
    from instseg.files.listing import list_images
    from instseg.scenes.scene import SceneConfig, draw_scene

    data = _truth(options)
    photos: Iterator[Photo]
    total = len(DRAWN)
    if data is not None:
        data.require_photos()
        total = len(data)
        photos = ((data.images[i].file_name, data.photo(i)) for i in range(total))
    elif options.images is not None:
        paths = list_images([options.images], on_event=options.on_event)
        shown = told(paths, options.on_event, "comparing", total=len(paths))
        return ((str(path), image) for path, image in readable(shown, options.on_event))
    else:
        scenes = (draw_scene(i, SceneConfig(size_hw=size)) for i, size in enumerate(DRAWN))
        photos = ((f"scene {i}", scene.image) for i, scene in zip(itertools.count(), scenes))
    return told(photos, options.on_event, "comparing", total=total)
