"""A graph in the wanted format and type, as it is run and written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import onnx

from instseg.engines.graph import store_halves, with_thresholds
from instseg.engines.quantize import quantized
from instseg.engines.runtimes import (
    Run,
    run_onnx,
    run_openvino,
    to_openvino,
    write_onnx,
    write_openvino,
)
from instseg.exporting.agreement import Agreement, Photo
from instseg.exporting.calibration import Calibration
from instseg.exporting.options import ExportOptions


class NewFile:
    """The file that `export` writes.

    Args:
        options: Its options.
        graph: The graph of the model, in float32.
        calibration: Photos for an int8 file.

    Attributes:
        dtype: fp32, fp16 or int8.

    Raises:
        InputError: It cannot be calibrated with these photos.
    """

    def __init__(
        self, options: ExportOptions, graph: onnx.ModelProto, calibration: Calibration | None
    ) -> None:
        self.in_onnx = options.format == "onnx"
        self.path = options.file
        self.dtype = "int8" if options.int8 else options.dtype
        self.calibration = calibration
        if calibration is not None:
            graph = quantized(graph, calibration.images(), self._runs)
        elif self.dtype == "fp16" and self.in_onnx:
            store_halves(graph)
        self.graph = graph
        self.model = self._in_format(graph)

    def _in_format(self, graph: onnx.ModelProto) -> Any:
        return graph if self.in_onnx else to_openvino(graph, halves=self.dtype == "fp16")

    def _runs(self, graph: onnx.ModelProto) -> Run:
        model = self._in_format(graph)
        return run_onnx(model) if self.in_onnx else run_openvino(model)

    def run(self) -> Run:
        """What runs the file."""
        return run_onnx(self.model) if self.in_onnx else run_openvino(self.model)

    def run_all(self, threshold: float) -> Run:
        """What runs the file, with one score threshold for all classes."""
        return self._runs(with_thresholds(self.graph, threshold))

    def watched(self, photos: Iterable[Photo]) -> Iterable[Photo]:
        """Photos for the certificate; those of the calibration are counted among them."""
        return photos if self.calibration is None else self.calibration.watching(photos)

    def certified(self, found: Agreement) -> Agreement:
        """The certificate, with the number of photos of the calibration in it."""
        if self.calibration is None:
            return found
        self.calibration.warn(found.photos)
        return replace(found, calibrated=self.calibration.seen_again)

    def write(self, texts: Mapping[str, str], found: Agreement | None) -> None:
        """Write the file with its metadata and certificate."""
        texts = dict(texts)
        if self.calibration is not None:
            texts["calibration"] = json.dumps({"photos": len(self.calibration.paths)})
        if found is not None:
            texts["certificate"] = json.dumps(found.to_dict())
        write = write_onnx if self.in_onnx else write_openvino
        write(self.model, texts, self.path)
