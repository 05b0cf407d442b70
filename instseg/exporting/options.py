"""The options of `export`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from instseg.core.events import OnEvent, ignore
from instseg.core.options import python_only
from instseg.files.weights import NAMED

if TYPE_CHECKING:
    from instseg.data.coco import CocoData
    from instseg.models.mask_rcnn import Model
    from instseg.models.segmenters import SegmenterModel

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}


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
        int8: Quantize the layers to int8: a quarter of the size, and faster on processors with
            int8 instructions (VNNI). Needs `calibrate`.
        calibrate: Photos like those that the file will see, a few dozen at least: a file, a folder,
            a glob, @list.txt, or a list of these. They show the ranges of the values.
        calibration_photos: At most this many of them are used.
        score_threshold: Minimum score for all classes, 0 to 1. By default the threshold of each
            class that is stored in the model file, and 0.5 for classes without one.
        max_detections: At most this many detections per photo.
        images: Photos for the certificate: a folder, a file or a glob; by default drawn scenes.
        coco_json: Ground truth of these photos, a COCO dataset: also measures AP of both, or mIoU
            of semantic networks.
        check: Run the file beside the model; without it, the file has no certificate.
        max_drop: Most that an fp16 or int8 file may lose of AP or mIoU, 0 to 1; needs
            `coco_json`.
        allow_differences: Accept an fp32 file whose detections, boxes (by more than 0.001 pixels)
            or labels differ from the model's, and an fp16 or int8 file that loses more than
            `max_drop`; otherwise the exit code is 1.
        on_event: Called with progress and warnings.
    """

    weights: str | Path | Model | SegmenterModel
    _: KW_ONLY
    architecture: str | None = None
    format: Literal["onnx", "openvino"] = "onnx"
    out: str | Path | None = None
    dtype: Literal["fp32", "fp16"] = "fp32"
    int8: bool = False
    calibrate: str | Path | list[str] | None = None
    calibration_photos: int = 100
    score_threshold: float | None = None
    max_detections: int = 100
    images: str | Path | None = None
    coco_json: str | Path | CocoData | None = None
    check: bool = True
    max_drop: float = 0.003
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
