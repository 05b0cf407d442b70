"""The options of `instseg infer`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from instseg.core.options import renamed
from instseg.core.overlap_rule import Rule


@dataclass(frozen=True, kw_only=True)
class Options:
    """Finds the instances in photos and videos; writes overlays and predictions.json (COCO).

    Args:
        inputs: Photos, folders, globs, or @list.txt, a text file with one path per line; videos,
            URLs of streams (rtsp, rtmp, udp, srt, http, https), or the number of a camera; with
            --ray also addresses of photos, such as s3://bucket/photos.
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
            instance to instance) or instance (neighbouring instances differ most; in videos one for
            each track). auto is class for photos, and instance for videos.
        semantic_map: Also write a semantic map of each photo, labels/NAME.png, and the class
            names, labels/classes.json.
        overlap_rule: Which instance is on top in semantic maps where several overlap: score (the
            highest score), smallest-on-top, or class-priority (see --class-priority).
        class_priority: Class names from highest to lowest priority, comma-separated.
        polygons: Write masks without holes as polygons in predictions.json, with their RLE in the
            field rle.
        csv: Also write instances.csv, with area, box, centroid, class and score; videos always have
            tracks.csv.
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
        every: Only each Nth frame of a video.
        track: Give the instances of one object the same id in all frames of a video.
        count_line: Count the tracks of videos that cross a line x1,y1,x2,y2, in pixels or percent,
            such as 0,50%,100%,50%; several with ; between them.
        zone: Count the tracks of videos inside a zone x1,y1,x2,y2,x3,y3 and so on; likewise.
        resume: Skip photos and frames of videos that an earlier run with the same output folder has
            finished.
        ray: Predict on a Ray cluster and write Parquet shards, without overlays: local starts one
            on this machine, auto uses the one that runs here, or HOST:PORT of one.
        predictions_json: With --ray, write predictions.json too, from the shards.
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
    color_by: Literal["auto", "class", "instance"] = "auto"
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
    every: int = 1
    track: bool = True
    count_line: list[str] | str | None = None
    zone: list[str] | str | None = None
    resume: bool = False
    ray: str | None = None
    predictions_json: bool = False
