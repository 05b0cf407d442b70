"""How much memory photos need in a semantic network."""

from __future__ import annotations

from dataclasses import dataclass

from instseg.files.model_card import ModelCard
from instseg.files.photo_header import DECODER_BYTES
from instseg.models.segmenters import input_size
from instseg.models.semantic_inference import STRIP_VALUES
from instseg.predict.engine import Labels, Loaded
from instseg.predict.memory import PHOTO, MemoryPlan, memory_plan
from instseg.system.budget import Need

# Bytes of each pixel of a photo.
NORMALISING = 39  # the photo, and three copies in float32 at once
LABELS = 1
PROBABILITIES = 4

FLOAT = 4
STRIPS = 4  # copies of a strip of logits while it is enlarged
SHARES = {  # of the bytes between the layers in float32 that are in memory at once
    ("torch", "fp32"): 1.2,
    ("torch", "bf16"): 0.7,
    ("onnxruntime", "fp32"): 0.9,
    ("onnxruntime", "int8"): 0.5,
    ("openvino", "fp32"): 1.0,
    ("openvino", "bf16"): 0.6,
    ("openvino", "int8"): 0.6,
}
WHOLE_LOGITS = {"onnxruntime": 3.5, "openvino": 6}  # copies at the size of the photo, if enlarged


@dataclass(frozen=True, kw_only=True)
class SegmenterPlan(MemoryPlan):
    """The plan of a semantic network.

    Attributes:
        card: Its model card.
        feature_bytes: Of each pixel of the input: all feature maps that are in memory at once.
        engine: `torch`, `openvino` or `onnxruntime`.
        on_cpu: Whether the network uses the memory of the process.
    """

    card: ModelCard
    feature_bytes: float
    engine: str
    on_cpu: bool = True

    def need(
        self,
        size_hw: tuple[int, int],
        *,
        pictures: bool = False,
        decoder: float = DECODER_BYTES,
    ) -> Need:
        """As the base class."""
        pixels = size_hw[0] * size_hw[1]
        height, width = input_size(self.card.preprocessing, size_hw)
        inputs = height * width
        classes = len(self.card.class_names)
        network = self.feature_bytes * inputs + (LABELS + PROBABILITIES) * pixels
        if self.engine != "torch":
            if inputs != pixels:
                network += WHOLE_LOGITS[self.engine] * FLOAT * classes * pixels
            return Need(PHOTO * pixels, (int(decoder * pixels), int(network), 0))
        floats = FLOAT * len(self.card.preprocessing["mean"]) * inputs
        strips = STRIPS * FLOAT * min(STRIP_VALUES, classes * pixels)
        reading = max(decoder + PHOTO, NORMALISING) * pixels
        if not self.on_cpu:
            return Need(0, (int(reading), (LABELS + PROBABILITIES) * pixels, 0))
        return Need(int(floats), (int(reading), int(network + floats + strips), 0))


def segmenter_plan(
    loaded: Loaded[Labels], memory: str | int | None, batch_size: int
) -> SegmenterPlan:
    """The plan of a semantic network that is loaded.

    Raises:
        ArgumentError: `memory` is not a size.
    """
    limit_bytes, base_bytes = memory_plan(memory, loaded.weights_bytes)
    return SegmenterPlan(
        limit_bytes=limit_bytes,
        base_bytes=base_bytes,
        batch_size=batch_size if loaded.engine == "torch" else 1,  # others run one by one
        card=loaded.card,
        feature_bytes=loaded.runner.live_bytes * SHARES[loaded.engine, loaded.precision],
        engine=loaded.engine,
        on_cpu=loaded.device.type == "cpu",
    )
