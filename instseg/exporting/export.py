"""`export`: a model as one file for ONNX Runtime or OpenVINO, with its certificate."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from instseg.core.errors import ArgumentError, require_between
from instseg.core.events import Notice, OnEvent, Warned, download_progress, ignore, told
from instseg.core.options import python_only, takes
from instseg.files.weights import NAMED
from instseg.system.atomic import make_folder

if TYPE_CHECKING:
    from instseg.data.coco import CocoData
    from instseg.exporting.agreement import Agreement, Photo
    from instseg.models.mask_rcnn import Model
    from instseg.models.segmenters import SegmenterModel

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}
DRAWN = ((480, 640), (640, 480), (720, 1280))  # height and width of the scenes for a certificate
DEFAULT_SCORE = 0.5  # minimum score of classes without a stored threshold, as `Predictor` has it


@dataclass(frozen=True)
class ExportOptions:
    """Exports a model as one file for ONNX Runtime or OpenVINO.

    The file takes photos of any size and runs without torch and instseg. Its outputs are those of
    the model: it is run on photos beside the model, and the differences are stored in the file.

    Args:
        weights: Model to export: coco-v2, coco-v1, photos, demo, unet-demo, or a path.
        architecture: Architecture of a .pth file: resnet50_fpn or resnet50_fpn_v2.
        format: onnx for one file, openvino for the pair FILE.xml and FILE.bin.
        out: The file; by default out/export/NAME, with the suffix of the format.
        dtype: Type of the stored weights. fp16 halves the file, which still computes in
            float32.
        score_threshold: Minimum score for all classes, 0 to 1. By default the threshold of each
            class that is stored in the model file, and 0.5 for classes without one.
        max_detections: At most this many detections per photo.
        images: Photos for the certificate: a folder, a file or a glob; by default drawn scenes.
        coco_json: Ground truth of these photos, a COCO dataset: also measures AP of both.
        check: Run the file beside the model; without it, the file has no certificate.
        allow_differences: Accept an fp32 file whose detections, boxes (by more than 0.001 pixels)
            or labels differ from the model's; otherwise the exit code is 1.
        on_event: Called with progress and warnings.
    """

    weights: str | Path | Model | SegmenterModel
    _: KW_ONLY
    architecture: str | None = None
    format: Literal["onnx", "openvino"] = "onnx"
    out: str | Path | None = None
    dtype: Literal["fp32", "fp16"] = "fp32"
    score_threshold: float | None = None
    max_detections: int = 100
    images: str | Path | None = None
    coco_json: str | Path | CocoData | None = None
    check: bool = True
    allow_differences: bool = False
    on_event: OnEvent = python_only(ignore)

    @property
    def file(self) -> Path:
        """The file to write."""
        if self.out is not None:
            return Path(self.out)
        name = "model"
        if isinstance(self.weights, str | Path):
            named = NAMED.get(str(self.weights))
            name = named.name if named else Path(self.weights).stem
        return Path("out/export", name + SUFFIXES[self.format])


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
    require_packages(options.format, to_run=options.check)
    from instseg.models.load import load_model
    from instseg.models.mask_rcnn import Model

    make_folder(options.file.parent)
    model = options.weights
    if isinstance(model, str | Path):
        progress = download_progress(options.on_event)
        model = load_model(model, architecture=options.architecture, progress=progress)
    if isinstance(model, Model):
        return _export_detector(options, model)
    if options.coco_json is not None:
        raise ArgumentError("{coco_json} measures AP of instances, and {weights} predicts none")
    return _export_segmenter(options, model)


def _check(options: ExportOptions) -> None:
    require_between(0, 1, score_threshold=options.score_threshold)
    require_between(1, 10_000, max_detections=options.max_detections)
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


def _export_detector(options: ExportOptions, model: Model) -> Exported:
    import torch

    from instseg.engines.build import DetectorLimits, detector_graph, metadata
    from instseg.exporting import agreement as compared
    from instseg.exporting.average_precision import ap_differences

    card = model.card
    stored = card.thresholds if options.score_threshold is None else {}
    otherwise = DEFAULT_SCORE if options.score_threshold is None else options.score_threshold
    thresholds = [stored.get(name, otherwise) for name in card.class_names]
    limits = DetectorLimits(
        score_thresholds=torch.tensor(thresholds), max_detections=options.max_detections
    )
    options.on_event(Notice(text=f"{options.file}: building the graph takes a minute"))
    graph = detector_graph(model, limits)
    texts = metadata(model, options.dtype, limits)
    made = _Made(options, graph)
    found = None
    if options.check:
        reference = compared.Reference(model, limits)
        found = compared.detector_agreement(_photos(options), reference, made.run())
        if not found.detections:
            text = f"{options.file}: the model finds nothing in these photos; give others as images"
            options.on_event(Warned(text=text))
        if data := _truth(options):
            found = replace(
                found, ap=ap_differences(data, reference, made.run_all, options.on_event)
            )
    return made.written(texts, found)


def _export_segmenter(options: ExportOptions, model: SegmenterModel) -> Exported:
    from instseg.engines.build import metadata, segmenter_graph
    from instseg.exporting.agreement import segmenter_agreement
    from instseg.predict.segmenter import Segmenter

    made = _Made(options, segmenter_graph(model))
    found = None
    if options.check:
        segmenter = Segmenter(model, device="cpu", precision="fp32")
        found = segmenter_agreement(_photos(options), segmenter.semantic_map, made.run())
    return made.written(metadata(model, options.dtype, None), found)


class _Made:
    """The graph in the wanted format and type."""

    def __init__(self, options: ExportOptions, graph: Any) -> None:
        from instseg.engines.graph import store_halves

        self.options, self.graph = options, graph
        self.halves = options.dtype == "fp16"
        if self.halves and options.format == "onnx":
            store_halves(graph)
        self.model = self._in_format(graph)

    def _in_format(self, graph: Any) -> Any:
        from instseg.engines.runtimes import to_openvino

        return graph if self.options.format == "onnx" else to_openvino(graph, halves=self.halves)

    def run(self, model: Any = None) -> Any:
        """What runs the file."""
        from instseg.engines.runtimes import run_onnx, run_openvino

        model = self.model if model is None else model
        return run_onnx(model) if self.options.format == "onnx" else run_openvino(model)

    def run_all(self, threshold: float) -> Any:
        """What runs the file, with one score threshold for all classes."""
        from instseg.engines.graph import with_thresholds

        return self.run(self._in_format(with_thresholds(self.graph, threshold)))

    def written(self, texts: dict[str, str], found: Agreement | None) -> Exported:
        """Write the file and tell whether it is as close to the model as promised."""
        from instseg.engines.runtimes import write_onnx, write_openvino

        options = self.options
        if found is not None:
            texts = {**texts, "certificate": json.dumps(found.to_dict())}
        write = write_onnx if options.format == "onnx" else write_openvino
        write(self.model, texts, options.file)
        held = found is None or self.halves or found.holds
        if not held:
            text = f"{options.file}: differs from the model by more than an fp32 file should"
            options.on_event(Warned(text=text))
        return Exported(
            file=options.file, agreement=found, accepted=held or options.allow_differences
        )


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
    from instseg.files.image import read_image
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
        paths: Sequence[Path] = list_images([options.images], on_event=options.on_event)
        total = len(paths)
        photos = ((str(path), read_image(path)) for path in paths)
    else:
        scenes = (draw_scene(i, SceneConfig(size_hw=size)) for i, size in enumerate(DRAWN))
        photos = ((f"scene {i}", scene.image) for i, scene in zip(itertools.count(), scenes))
    return told(photos, options.on_event, "comparing", total=total)
