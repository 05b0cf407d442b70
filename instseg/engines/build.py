"""The ONNX graph of a model, and the texts that travel with it."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from instseg import __version__
from instseg.engines.detector import Detect
from instseg.engines.graph import joined, stop_suppression_at
from instseg.engines.limits import MAX_DETECTIONS, THRESHOLDS
from instseg.engines.prepare import PrepareForDetector, PrepareForSegmenter
from instseg.engines.segmenter import Label, multiple_of
from instseg.models.folding import folded_network
from instseg.models.live_memory import live_bytes_per_pixel
from instseg.models.mask_rcnn import Model
from instseg.models.segmenters import SegmenterModel

if TYPE_CHECKING:
    import onnx

DETECTOR_OUTPUTS = ("boxes", "labels", "scores", "masks")
SEGMENTER_OUTPUTS = ("labels", "scores")
MULTIPLE = 32  # torchvision's detectors pad to it
EXAMPLE_HW = (97, 131)  # of the image that the modules are followed with


@dataclass(frozen=True, kw_only=True)
class DetectorLimits:
    """Which detections an exported detector gives.

    Attributes:
        score_thresholds: float32 (K + 1,), minimum score by class id.
        max_detections: At most this many.
    """

    score_thresholds: Tensor
    max_detections: int


def detector_graph(model: Model, limits: DetectorLimits) -> onnx.ModelProto:
    """The graph `image -> boxes, labels, scores, masks` of a Mask R-CNN."""
    network = Detect(folded_network(model), model.class_id_of_output)
    card = model.card.preprocessing
    prepare = PrepareForDetector(
        card["min_size"], card["max_size"], card["mean"], card["std"], MULTIPLE
    )
    image = torch.zeros((*EXAMPLE_HW, 3), dtype=torch.uint8)
    constants = {
        THRESHOLDS: limits.score_thresholds,
        MAX_DETECTIONS: torch.tensor(limits.max_detections),
    }
    graph = joined(
        prepare,
        network,
        image,
        multiple=MULTIPLE,
        outputs=DETECTOR_OUTPUTS,
        constants=constants,
    )
    stop_suppression_at(graph, MAX_DETECTIONS)
    return graph


def segmenter_graph(model: SegmenterModel) -> onnx.ModelProto:
    """The graph `image -> labels, scores` of a semantic network."""
    card = model.card.preprocessing
    photos = model.card.takes_photos
    network = copy.deepcopy(model.network).eval().requires_grad_(False)
    prepare = PrepareForSegmenter(
        card["min_size"],
        card["max_size"],
        card["mean"],
        card["std"],
        multiple_of(network),
        255.0 if photos else 1.0,
    )
    channels = 3 if photos else model.in_channels
    image = torch.zeros((*EXAMPLE_HW, channels), dtype=torch.uint8 if photos else torch.float32)
    label = Label(network, resizes=prepare.resizes)
    return joined(prepare, label, image, multiple=multiple_of(network), outputs=SEGMENTER_OUTPUTS)


def metadata(
    model: Model | SegmenterModel, dtype: str, limits: DetectorLimits | None
) -> dict[str, str]:
    """What a file says about itself, each value but the first three as JSON."""
    card = model.card
    texts: dict[str, object] = {
        "class_names": card.class_names,
        "category_ids": card.category_ids,
        "preprocessing": card.preprocessing,
        "provenance": card.provenance,
    }
    if limits is not None:
        by_class = zip(card.class_names, limits.score_thresholds.tolist(), strict=True)
        texts["score_thresholds"] = {
            name: round(value, 6) for name, value in by_class if name != "BG"
        }
        texts["max_detections"] = limits.max_detections
    else:
        texts["live_bytes"] = live_bytes_per_pixel(model.network, len(card.preprocessing["mean"]))
    written: Mapping[str, str] = {name: json.dumps(value) for name, value in texts.items()}
    return {
        "instseg": __version__,
        "architecture": card.architecture,
        "dtype": dtype,
        **written,
    }
