"""The options of `evaluate`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from instseg.core.events import OnEvent, ignore
from instseg.core.options import python_only

if TYPE_CHECKING:
    from instseg.data.coco import CocoData
    from instseg.models.mask_rcnn import Model

Results = str | Path | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class EvaluateOptions:
    """Measures COCO AP of a model or of existing results, with confidence intervals.

    Also breaks the loss of AP down by type of error. Writes metrics.json, per_class.csv and plots.
    Under torchrun, the photos are divided between the processes.

    Args:
        coco_json: Ground truth: a COCO dataset.
        images: Folder of its photos; needed to evaluate a model.
        data: Instead of `coco_json`: labels of any format that convert reads; of several splits,
            val or else test. `images` is only needed if the photos are not where the labels say.
        weights: Model to evaluate: coco-v2, coco-v1, photos, demo or a path, also of an exported
            file; or give `results`.
        architecture: Architecture of a .pth file: resnet50_fpn or resnet50_fpn_v2.
        results: Existing results to evaluate instead of a model: a COCO results list, a
            predictions.json of infer, or the folder of shards of infer --ray.
        against: Other results on the same dataset; tests whether the difference is significant.
        boundary: Also compute boundary AP, which takes half a millisecond per mask.
        out: Output folder.
        score_threshold: Minimum score of predictions, 0 to 1; AP needs low scores too.
        max_detections: At most this many detections per photo; by default as many as the
            objects in the photos require.
        tile: Split larger photos into overlapping tiles of this many pixels.
        resamples: Number of random half-samples of the photos for the 95% confidence intervals.
        save_thresholds: Store a score threshold for each class in the model file (of a named
            model, in a copy in the output folder), which infer and Predictor then use: the best F1
            with a precision of at least 0.45; for classes with fewer than 20 objects, the threshold
            of all classes together.
        save_metrics: Store the metrics in the model file, where info shows them.
        about: YAML file with data, licence and not_for, which `save_metrics` stores too.
        referee: Also run pycocotools, and fail if a number differs by more than 1e-9.
        plots: Plot precision-recall curves, confusion matrix, error types, calibration and AP per
            class.
        label_errors: Rank annotations that are likely wrong: missing, spurious, of the wrong class
            or badly placed; written to label_errors.json. With `report`, each can be accepted or
            refused in report.html, and the corrected dataset downloaded.
        report: Write report.html: all of this on one page, with the photos of `images`, their
            objects and detections, and what is right and wrong.
        device: auto, cpu, cuda, cuda:1 or mps.
        engine: What runs the model: torch, openvino or onnxruntime; auto is torch, or what runs an
            exported file.
        precision: Floating-point precision; auto uses bf16 if the processor supports it natively.
            int8 is for exported int8 files.
        memory: Limit for the memory of the process, such as 4GB, 512MB or 2GiB; by default what is
            free. Fewer photos are read ahead where they would need more.
        seed: Random seed of the half-samples.
        on_event: Called with progress and warnings.
    """

    coco_json: str | Path | CocoData | None = None
    images: str | Path | None = None
    _: KW_ONLY
    data: str | Path | None = None
    weights: str | Path | Model | None = None
    architecture: str | None = None
    results: Results | None = None
    against: Results | None = None
    boundary: bool = False
    out: str | Path | None = None
    score_threshold: float = 0.01
    max_detections: int | None = None
    tile: int | None = None
    resamples: int = 1000
    save_thresholds: bool = False
    save_metrics: bool = False
    about: str | Path | None = None
    referee: bool = False
    plots: bool = True
    label_errors: bool = False
    report: bool = False
    device: str = "auto"
    engine: Literal["auto", "torch", "openvino", "onnxruntime"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "auto"
    memory: str | None = None
    seed: int = 0
    on_event: OnEvent = python_only(ignore)

    @property
    def name(self) -> str:
        """The name of the model or results in messages and metrics.json."""
        if self.results is not None:
            return name_of(self.results, "results")
        return name_of(self.weights, "weights")

    @property
    def folder(self) -> Path | None:
        """The output folder, if any."""
        return None if self.out is None else Path(self.out)


def name_of(given: object, otherwise: str) -> str:
    """A path as text, or what stands for something in memory."""
    return str(given) if isinstance(given, str | Path) else otherwise
