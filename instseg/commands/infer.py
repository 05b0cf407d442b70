"""`instseg infer`: finds instances in photos."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from instseg.commands.listener import Listener
from instseg.commands.terminal import console, printable, table
from instseg.core.errors import ArgumentError
from instseg.core.events import Notice, OnEvent, Warned, download_progress
from instseg.core.options import renamed
from instseg.core.overlap_rule import Rule
from instseg.core.wording import count
from instseg.files.weights import DEFAULT, EMBEDDED, NAMED, NoDownloadError, needs_download
from instseg.formats.options import in_pixels
from instseg.system.allocation import keep_freed_memory

if TYPE_CHECKING:
    from instseg.predict.folder import PredictedFolder
    from instseg.predict.pre_annotation import PreAnnotation
    from instseg.predict.predictor import Predictor


@dataclass(frozen=True, kw_only=True)
class Options:
    """Finds the instances in photos; writes overlay pictures and predictions.json in COCO format.

    Args:
        inputs: Photos, folders, globs, or @list.txt, a text file with one path per line.
        weights: coco-v2, coco-v1, photos (embedded), demo, or the path of a model file, a .pth
            file, or an exported .onnx or .xml file. By default coco-v2; if it is not on this
            machine and cannot be downloaded, photos, with a warning.
        architecture: Architecture of a .pth file: resnet50_fpn or resnet50_fpn_v2.
        out: Output folder.
        device: auto, cpu, cuda, cuda:1 or mps.
        engine: What runs the model: torch, openvino or onnxruntime; auto is torch, or what runs an
            exported file. Others than torch run on the CPU, and weights are converted once.
        precision: Floating-point precision; auto uses bf16 if the processor supports it natively.
            int8 is for exported int8 files.
        preset: fast resizes photos to 0.6 of the default size: faster, less accurate.
        seed: Random seed; prediction uses no random numbers.
        score_threshold: Minimum score for all classes, 0 to 1. By default the threshold of each
            class that is stored in the model file, and 0.5 for classes without one.
        classes: Keep only these classes, comma-separated.
        max_detections: At most this many detections per photo, or per tile.
        cross_class_nms: Non-maximum suppression across classes: if the masks of two instances of
            any class overlap by more than this IoU, remove the one with the lower score.
        tile: Split photos larger than this into overlapping tiles of this many pixels. TIFF files
            that are large, or too large for the memory, are then read in windows.
        overlap: Overlap of neighbouring tiles, as a share of their size, 0 to 0.9.
        batch_size: Photos of equal size, or tiles, per batch.
        compile: Compile the network during the first predictions, which takes a minute or two; for
            GPUs, where it has not been measured yet.
        memory: Limit for the memory of the process, such as 4GB, 512MB or 2GiB; by default what is
            free, in a container too. Fewer photos are read ahead, and batches are smaller, where
            they would need more; a photo that does not fit alone fails.
        flip: Run on the horizontally flipped photo too and merge the results (test-time
            augmentation).
        recursive: Search subfolders too.
        coco_json: COCO dataset whose image ids are used in predictions.json.
        overlay: Write an overlay picture of each photo.
        color_by: Colours in overlays: class (one for each class, a little lighter or darker from
            instance to instance) or instance (neighbouring instances differ most).
        semantic_map: Also write a semantic map of each photo, labels/NAME.png, and the class
            names, labels/classes.json.
        overlap_rule: Which instance is on top in semantic maps where several overlap: score (the
            highest score), smallest-on-top, or class-priority (see --class-priority).
        class_priority: Class names from highest to lowest priority, comma-separated.
        polygons: Write masks without holes as polygons in predictions.json, with their RLE in the
            field rle.
        csv: Also write instances.csv, with area, box, centroid, class and score.
        geojson: Also write NAME.geojson for each photo: polygons with class, score and area, in
            longitude and latitude for a GeoTIFF (extra slides), in pixels for other photos.
        crops: Also write each instance, cut out of its photo, to crops/NAME/.
        report: Also write report.html, which shows all photos and their instances.
        embed: Photos of full size of the report: auto puts them into the page while it stays small,
            and beside it otherwise; all into the page; none shows thumbnails only.
        pixel_size: Side of a pixel with its unit, such as 0.5mm, for areas in the report.
        to: Also write what this annotation tool imports, to a folder of its name in the output
            folder, for people to correct.
        tolerance: Simplify the outlines for --to by so many pixels at most, such as 1 or 1px; 0
            keeps every pixel of the masks.
        resume: Skip photos that an earlier run with the same output folder has finished.
    """

    inputs: list[str] = field(default_factory=list)
    weights: str | None = None
    architecture: str | None = None
    out: Path = Path("out/infer")
    device: str = "auto"
    engine: Literal["auto", "torch", "openvino", "onnxruntime"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    preset: Literal["default", "fast"] = "default"
    seed: int = 0
    score_threshold: float | None = None
    classes: list[str] | str | None = None
    max_detections: int = 100
    cross_class_nms: float | None = None
    tile: int | None = None
    overlap: float = 0.2
    batch_size: int = 1
    memory: str | None = None
    compile: bool = False
    flip: bool = False
    recursive: bool = False
    coco_json: Path | None = None
    overlay: bool = True
    color_by: Literal["class", "instance"] = "class"
    semantic_map: bool = renamed(False, "label_map")
    overlap_rule: Rule = "score"
    class_priority: list[str] | str | None = None
    polygons: bool = False
    csv: bool = False
    geojson: bool = False
    crops: bool = False
    report: bool = False
    embed: Literal["auto", "all", "none"] = "auto"
    pixel_size: str | None = None
    to: Literal["cvat", "label-studio", "labelme", "yolo", "yolo-seg", "coco"] | None = None
    tolerance: float | str = 1.0
    resume: bool = False


def run(config: Options) -> int:
    """Returns 0, 1 if some photos failed, 2 if all did."""
    from instseg.files.listing import list_images

    _check(config)
    keep_freed_memory()
    with Listener() as listener:
        paths = list_images(config.inputs, recursive=config.recursive, on_event=listener)
        predictor = _load(config, listener)
        # Here, so that --help need not wait for it.
        from instseg.predict.folder import predict_folder
        from instseg.predict.photos import name_photos
        from instseg.predict.pictures import Pictures

        if predictor.uses_stored_thresholds:
            listener(Notice(text=_thresholds_in_words(predictor)))
        photos = name_photos(paths)
        done = predict_folder(
            predictor,
            photos,
            config.out,
            pictures=Pictures(
                overlay=config.overlay,
                semantic_map=config.semantic_map,
                rule=config.overlap_rule,
                priority=_names(config.class_priority),
                crops=config.crops,
                color_by=config.color_by,
            ),
            csv=config.csv,
            geojson=config.geojson,
            polygons=config.polygons,
            coco_json=config.coco_json,
            resume=config.resume,
            report=config.report,
            embed=config.embed,
            pixel_size=config.pixel_size,
            to=config.to,
            tolerance=in_pixels(config.tolerance),
            on_event=listener,
        )
    _show(config, done)
    if not done.failed:
        return 0
    return 2 if len(done.failed) == len(photos) else 1


def _check(config: Options) -> None:
    """Raise ArgumentError for options that do not go together."""
    if not config.semantic_map and (config.overlap_rule != "score" or config.class_priority):
        raise ArgumentError("{overlap_rule} and {class_priority} need {semantic_map}")
    if not config.report and (config.embed != "auto" or config.pixel_size is not None):
        raise ArgumentError("{embed} and {pixel_size} need {report}")
    if in_pixels(config.tolerance) != 1 and config.to is None:
        raise ArgumentError("{tolerance} needs {to}")
    if bool(config.class_priority) != (config.overlap_rule == "class-priority"):
        raise ArgumentError(
            "{overlap_rule} class-priority needs {class_priority}, and nothing else does"
        )


def _load(config: Options, on_event: OnEvent) -> Predictor:
    """The predictor of the given weights, or else of coco-v2 or what stands in for it."""
    import torch

    torch.manual_seed(config.seed)
    if config.weights is not None:
        return _predictor(config, config.weights, on_event)
    if needs_download(DEFAULT):
        text = f"{DEFAULT}: not on this machine yet; downloading {NAMED[DEFAULT].url}"
        on_event(Notice(text=text))
    try:
        return _predictor(config, DEFAULT, on_event)
    except NoDownloadError as problem:
        if not problem.unreachable:
            raise
        from instseg.commands.stand_in import stands_in

        on_event(Warned(text=stands_in(problem)))
        return _predictor(config, EMBEDDED, on_event)


def _predictor(config: Options, weights: str, on_event: OnEvent) -> Predictor:
    from instseg.predict.predictor import Predictor

    return Predictor(
        weights,
        architecture=config.architecture,
        device=config.device,
        engine=config.engine,
        precision=config.precision,
        preset=config.preset,
        score_threshold=config.score_threshold,
        classes=_names(config.classes),
        max_detections=config.max_detections,
        cross_class_nms=config.cross_class_nms,
        tile=config.tile,
        overlap=config.overlap,
        flip=config.flip,
        batch_size=config.batch_size,
        memory=config.memory,
        compile=config.compile,
        progress=download_progress(on_event),
        on_event=on_event,
    )


def _thresholds_in_words(predictor: Predictor) -> str:
    stored = predictor.card.thresholds
    least, most = (f"{limit(stored.values()):.2f}" for limit in (min, max))
    between = least if least == most else f"{least} to {most}"
    return printable(
        f"{predictor.name}: minimum scores are those stored for {count(len(stored), 'class')}, "
        f"{between}; --score-threshold X sets one for all"
    )


def _names(listed: list[str] | str | None) -> list[str] | None:
    return [name.strip() for name in listed.split(",")] if isinstance(listed, str) else listed


def _show(config: Options, done: PredictedFolder) -> None:
    if done.counts:
        table(["class", "instances"], done.counts.items())
    written = {
        "predictions.json": True,
        "overlays": config.overlay,
        "labels/": config.semantic_map,
        "instances.csv": config.csv,
        "GeoJSON": config.geojson,
        "crops/": config.crops,
    }
    names = [name for name, wanted in written.items() if wanted and done.done]
    names += ["report.html"] if config.report else []
    names += [f"{config.to}/"] if done.pre_annotation else []
    line = f"{config.out}: wrote {', '.join(names) or 'nothing new'}: "
    line += f"{count(sum(done.counts.values()), 'instance')} in {count(done.done, 'photo')}, "
    line += f"{done.seconds:.1f} s ({done.done / done.seconds:.2g} photos/s, "
    line += f"network busy {done.busy:.0%})"
    if done.skipped:
        line += f"; {count(done.skipped, 'photo')} done before"
    if done.failed:
        line += f"; {count(len(done.failed), 'photo')} failed"
    console.print(printable(line))
    if done.pre_annotation:
        console.print(printable(_in_words(done.pre_annotation)))


def _in_words(done: PreAnnotation) -> str:
    line = f"{done.folder}: {count(done.objects, 'object')} in {count(done.photos, 'photo')}"
    if done.mean_iou is None or done.least_iou is None:
        return line
    return (
        f"{line}; IoU of the simplified outlines with the masks: {done.mean_iou:.3f} on average, "
        f"{done.least_iou:.3f} at least"
    )
