"""The options of `predict_shards`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from instseg.core.errors import ArgumentError
from instseg.core.events import OnEvent, ignore
from instseg.core.options import python_only
from instseg.core.overlap_rule import Rule, require_rule_used
from instseg.files.storage import as_address, is_remote


@dataclass(frozen=True)
class ShardsOptions:
    """Finds the instances in any number of photos on a Ray cluster; writes Parquet shards.

    Args:
        inputs: Photos, folders, globs, or @list.txt, a text file with one path per line; paths, or
            addresses such as s3://bucket/photos.
        out: Output folder, for the folder `shards` and what is made from it; an address, such as
            s3://bucket/found, takes shards alone.
        ray: local starts a cluster on this machine for the job; auto uses the one that runs here;
            or HOST:PORT of a cluster.
        weights: coco-v2, coco-v1, photos, demo, or the path of a model file, a .pth file, or an
            exported .onnx or .xml file.
        architecture: Architecture of a .pth file: resnet50_fpn or resnet50_fpn_v2.
        device: auto, cpu or cuda: with auto, a worker for each GPU of the cluster, or for each core
            if it has none.
        engine: What runs the model: torch, openvino or onnxruntime; auto is torch, or what runs an
            exported file.
        precision: Floating-point precision; auto uses bf16 if the processor supports it natively.
            int8 is for exported int8 files.
        preset: fast resizes photos to 0.6 of the default size: faster, less accurate.
        score_threshold: Minimum score for all classes, 0 to 1. By default the threshold of each
            class that is stored in the model file, and 0.5 for classes without one.
        classes: Keep only these classes.
        max_detections: At most this many detections per photo.
        cross_class_nms: If the masks of two instances of any class overlap by more than this IoU,
            remove the one with the lower score.
        tile: Split photos larger than this into overlapping tiles of this many pixels.
        overlap: Overlap of neighbouring tiles, as a share of their size, 0 to 0.9.
        flip: Run on the horizontally flipped photo too and merge the results.
        batch_size: Photos of equal size, or tiles, per batch.
        compile: Compile the network during the first predictions, for GPUs.
        memory: Limit for the memory of each worker, such as 4GB; by default its share of what is
            free on its machine.
        recursive: Search subfolders too.
        resume: Continue an earlier job of the same inputs, weights and options: only what is
            missing is predicted. The list of photos stays that of the first start.
        predictions_json: Also write predictions.json in COCO format.
        coco_json: COCO dataset whose image ids are used in predictions.json.
        polygons: Write masks without holes as polygons in predictions.json, with their RLE in the
            field rle.
        csv: Also write instances.csv, with area, box, centroid, class and score.
        semantic_map: Also write a semantic map of each photo, labels/NAME.png.
        overlap_rule: Which instance is on top in semantic maps where several overlap: score,
            smallest-on-top, or class-priority.
        class_priority: Class names from highest to lowest priority.
        report: Also write report.html, which shows all photos and their instances.
        embed: Photos of full size of the report: auto, all or none.
        pixel_size: Side of a pixel with its unit, such as 0.5mm, for areas in the report.
        on_event: Called with progress, and with photos that fail.
    """

    inputs: str | Path | Sequence[str | Path]
    _: KW_ONLY
    out: str | Path
    ray: str = "local"
    weights: str | Path = "coco-v2"
    architecture: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    engine: Literal["auto", "torch", "openvino", "onnxruntime"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    preset: Literal["default", "fast"] = "default"
    score_threshold: float | None = None
    classes: str | Sequence[str] | None = None
    max_detections: int = 100
    cross_class_nms: float | None = None
    tile: int | None = None
    overlap: float = 0.2
    flip: bool = False
    batch_size: int = 1
    compile: bool = False
    memory: str | None = None
    recursive: bool = False
    resume: bool = False
    predictions_json: bool = False
    coco_json: str | Path | None = None
    polygons: bool = False
    csv: bool = False
    semantic_map: bool = False
    overlap_rule: Rule = "score"
    class_priority: Sequence[str] | None = None
    report: bool = False
    embed: Literal["auto", "all", "none"] = "auto"
    pixel_size: str | None = None
    on_event: OnEvent = python_only(ignore)

    def check(self) -> None:
        """Raise ArgumentError for options that do not go together."""
        if not self.predictions_json and (self.polygons or self.coco_json is not None):
            raise ArgumentError(
                "with {ray}, {polygons} and {coco_json} need {predictions_json}: shards hold RLE, "
                "and names of photos"
            )
        made = (self.predictions_json, self.csv, self.semantic_map, self.report)
        if is_remote(self.out) and any(made):
            raise ArgumentError(
                "{predictions_json}, {csv}, {semantic_map} and {report} need a local {out}",
                out=as_address(self.out),
            )
        require_rule_used(self.overlap_rule, self.class_priority, semantic_map=self.semantic_map)
        if not self.report and (self.embed != "auto" or self.pixel_size is not None):
            raise ArgumentError("{embed} and {pixel_size} need {report}")
