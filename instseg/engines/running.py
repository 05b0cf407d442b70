"""Exported files in the place of a network in torch."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instseg.core.errors import InputError
from instseg.engines.limits import MAX_DETECTIONS, THRESHOLDS
from instseg.engines.runtimes import Outputs
from instseg.engines.sessions import RunGraph, open_graph
from instseg.files.exported_file import ExportedFile
from instseg.models.detections import Choice, Detections
from instseg.models.inference import widen_sliver

UNWANTED = 2.0  # the threshold of classes that are left out; no score is as high


class Graph:
    """An exported file, loaded when it is first used, and again in another process.

    After a fork it is loaded again too. Several threads may call it. What is loaded is for as many
    threads as torch uses in the calling one, so that photos of a folder, which go through networks
    of one thread side by side, need not wait for each other.

    Args:
        file: The file.
        engine: `onnxruntime` or `openvino`.
        precision: `fp32` or `bf16`, of what is not stored as int8.
    """

    def __init__(self, file: ExportedFile, engine: str, precision: str) -> None:
        self.file, self.engine, self.precision = file, engine, precision
        self._opened: dict[tuple[int, int], RunGraph] = {}  # by process and number of threads
        self._used: set[tuple[int, int]] = set()
        self._opening = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"file": self.file, "engine": self.engine, "precision": self.precision}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> Outputs:
        """The outputs by name; see `open_graph`.

        Raises:
            InputError: The runtime cannot load the file.
        """
        with self._opening:
            run = self._open()
            self._used.add(_here())
        return run(inputs)

    def open(self) -> None:
        """Load the file, so that one that cannot be loaded is known at once.

        Raises:
            InputError: The runtime cannot load it.
        """
        with self._opening:
            self._open()

    def _open(self) -> RunGraph:
        here = _here()
        if here not in self._opened:
            kept = {each: run for each, run in self._opened.items() if each in self._used}
            self._opened = {each: run for each, run in kept.items() if each[0] == here[0]}
            is_detector = self.file.max_detections is not None
            self._opened[here] = open_graph(
                self.file.path,
                self.engine,
                classes=len(self.file.card.class_names) if is_detector else None,
                precision=self.precision,
                threads=here[1],
            )
        return self._opened[here]

    def damaged(self, expected: str) -> InputError:
        """The error for outputs that are not as expected; a graph may be anyone's."""
        return InputError(
            f"{self.file.path}: what it gives are not {expected} of its classes; it is damaged or "
            "was changed: export it again"
        )


def _here() -> tuple[int, int]:
    """The process, and the number of threads that torch uses in this one of its threads."""
    return os.getpid(), torch.get_num_threads()


class GraphDetector:
    """Detects with an exported file; called as `instseg.models.inference.Detector` is.

    Args:
        graph: The file, of a detector.

    Raises:
        InputError: It is a semantic network's file, or the runtime cannot load it.
    """

    def __init__(self, graph: Graph) -> None:
        if graph.file.max_detections is None:
            raise InputError(
                f"{graph.file.path} holds {graph.file.card.architecture}, which gives semantic "
                "maps, not instances; give a file of a Mask R-CNN"
            )
        graph.open()  # so that a file that cannot be loaded is known at once
        self.graph, self.file = graph, graph.file

    def __call__(self, images: list[Tensor], choice: Choice) -> list[Detections]:
        """Detect in images, one after the other; see `Detector`."""
        return [self._detect(image, choice) for image in images]

    def _detect(self, image: Tensor, choice: Choice) -> Detections:
        seen = widen_sliver(image, self.file.card.preprocessing["max_size"])
        pixels = np.ascontiguousarray(seen.permute(1, 2, 0).numpy())
        limits = {
            THRESHOLDS: self._thresholds(choice),
            MAX_DETECTIONS: np.array(choice.max_detections),
        }
        found = self._checked(self.graph({"image": pixels, **limits}))
        if seen.shape == image.shape:
            return found
        ratio = torch.tensor(image.shape[1:]) / torch.tensor(seen.shape[1:])
        return Detections(
            boxes=found.boxes * ratio.flip(0).repeat(2),
            class_ids=found.class_ids,
            scores=found.scores,
            soft_masks=found.soft_masks,
        )

    def _thresholds(self, choice: Choice) -> NDArray[np.float32]:
        """The minimum score by class id, so that the graph chooses as `choice` says."""
        wanted = choice.class_ids
        ids = range(len(self.file.card.class_names))
        is_wanted = [wanted is None or each in wanted for each in ids]
        return np.where(is_wanted, choice.score_threshold, UNWANTED).astype(np.float32)

    def _checked(self, outputs: Outputs) -> Detections:
        """The outputs of the graph, which may be anyone's, as detections."""
        try:
            boxes, labels = outputs["boxes"], outputs["labels"]
            scores, masks = outputs["scores"], outputs["masks"]
            count, side = len(boxes), masks.shape[-1]
            shapes = [each.shape for each in (boxes, labels, scores, masks)]
            right = shapes == [(count, 4), (count,), (count,), (count, side, side)]
            classes = len(self.file.card.class_names)
            right = right and bool(((labels > 0) & (labels < classes)).all())
            right = right and all(np.isfinite(each).all() for each in (boxes, scores, masks))
        except (LookupError, TypeError, ValueError):
            right = False
        if not right:
            raise self.graph.damaged("detections")
        return Detections(
            boxes=torch.from_numpy(boxes),
            class_ids=torch.from_numpy(labels).long(),
            scores=torch.from_numpy(scores),
            soft_masks=torch.from_numpy(masks),
        )
