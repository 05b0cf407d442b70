"""Exported semantic networks in the place of the network in torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.engines.running import Graph
from instseg.models.segmenters import channels_as_trained


class GraphSegmenter:
    """Labels pixels by an exported file; called as `NetworkSegmenter` is.

    Args:
        graph: The file, of a semantic network.

    Raises:
        InputError: It is a detector's file, or the runtime cannot load it.
    """

    def __init__(self, graph: Graph) -> None:
        if graph.file.max_detections is not None:
            raise InputError(
                f"{graph.file.path} holds {graph.file.card.architecture}, which predicts "
                "instances; give a file of a semantic network"
            )
        graph.open()  # so that a file that cannot be loaded is known at once
        self.graph, self.card = graph, graph.file.card

    @property
    def live_bytes(self) -> float:
        """Most bytes of feature maps in float32 at once, for each pixel of the input."""
        return self.graph.file.live_bytes

    def prepare(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The input of the graph for an image (H, W, C).

        Raises:
            InputError: The graph takes photos, and these are other numbers.
        """
        if self.card.takes_photos:
            if pixels.dtype != np.uint8:
                raise InputError(
                    f"{self.graph.file.path} takes photos of 8 bits, not {pixels.dtype}; "
                    "give uint8, or the model file as weights"
                )
            return pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)
        channels = len(self.card.preprocessing["mean"])
        tensor = channels_as_trained(torch.from_numpy(pixels).permute(2, 0, 1), channels)
        return tensor.permute(1, 2, 0).contiguous().numpy()

    def labels(self, prepared: Sequence[NDArray[Any]]) -> list[NDArray[np.uint8]]:
        """The best class of each pixel: uint8 (H, W) of each image."""
        return [self.semantic_map(each)[0] for each in prepared]

    def semantic_map(self, prepared: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The labels, uint8 (H, W), and their probabilities, float32 (H, W), 0..1."""
        outputs = self.graph({"image": prepared})
        try:
            labels, probability = outputs["labels"], outputs["scores"]
            right = labels.shape == probability.shape == prepared.shape[:2]
            right = right and bool((labels < len(self.card.class_names)).all())
            right = right and labels.dtype == np.uint8 and bool(np.isfinite(probability).all())
        except (LookupError, TypeError, ValueError):
            right = False
        if not right:
            raise self.graph.damaged("labels")
        return labels, probability

    def probabilities(self, prepared: NDArray[Any]) -> NDArray[np.float32]:
        """Exported files give only the probability of the best class.

        Raises:
            InputError: Always.
        """
        raise InputError(
            f"{self.graph.file.path} gives the probability of the best class only; "
            "give the model file as weights, with engine torch"
        )
