"""Exported detectors in the place of the network in torch."""

from __future__ import annotations

import os
import threading
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from instseg.core.errors import InputError
from instseg.engines.runtimes import Outputs
from instseg.engines.sessions import Detect, open_detector
from instseg.files.exported_file import ExportedFile
from instseg.models.inference import Choice, Detections, widen_sliver

UNWANTED = 2.0  # the threshold of classes that are left out; no score is as high


class GraphDetector:
    """Detects with an exported file; called as `instseg.models.inference.Detector` is.

    The file is loaded when it is first used, and again in another process, after a fork too.

    Args:
        file: The file, of a detector.
        engine: `onnxruntime` or `openvino`.
        precision: `fp32` or `bf16`, of what is not stored as int8.

    Raises:
        InputError: It is a semantic network's file.
    """

    def __init__(self, file: ExportedFile, engine: str, precision: str) -> None:
        if file.max_detections is None:
            raise InputError(
                f"{file.path} holds {file.card.architecture}, which gives semantic maps, not "
                "instances; give a file of a Mask R-CNN"
            )
        self.file, self.engine, self.precision = file, engine, precision
        self._opened: tuple[int, Detect] | None = None
        self._opening = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"file": self.file, "engine": self.engine, "precision": self.precision}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __call__(self, images: list[Tensor], choice: Choice) -> list[Detections]:
        """Detect in images, one after the other; see `Detector`."""
        return [self._detect(image, choice) for image in images]

    def open(self) -> Detect:
        """What runs the file in this process.

        Raises:
            InputError: The runtime cannot load the file.
        """
        with self._opening:
            if self._opened is None or self._opened[0] != os.getpid():
                detect = open_detector(
                    self.file.path,
                    self.engine,
                    classes=len(self.file.card.class_names),
                    precision=self.precision,
                    threads=torch.get_num_threads(),
                )
                self._opened = os.getpid(), detect
            return self._opened[1]

    def _detect(self, image: Tensor, choice: Choice) -> Detections:
        seen = widen_sliver(image, self.file.card.preprocessing["max_size"])
        pixels = np.ascontiguousarray(seen.permute(1, 2, 0).numpy())
        outputs = self.open()(pixels, self._thresholds(choice), choice.max_detections)
        found = self._checked(outputs)
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
            raise InputError(
                f"{self.file.path}: what it gives are not detections of its classes; it is damaged "
                "or was changed: export it again"
            )
        return Detections(
            boxes=torch.from_numpy(boxes),
            class_ids=torch.from_numpy(labels).long(),
            scores=torch.from_numpy(scores),
            soft_masks=torch.from_numpy(masks),
        )
