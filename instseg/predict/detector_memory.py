"""How much memory photos need in a Mask R-CNN."""

from __future__ import annotations

import math
from dataclasses import dataclass

from instseg.files.photo_header import DECODER_BYTES
from instseg.predict.memory import PHOTO, MemoryPlan
from instseg.system.budget import Need
from instseg.system.threads import MOST_WORKERS

# Bytes of each pixel of a photo.
MASKS = 1.5  # of its instances, each of which takes a byte for each pixel of its box
DRAWING = 7  # another one to draw on, and Pillow's copy of it
FLOATS = 36  # torchvision's normalisation, of photos that are not large
LARGE_PIXELS = 2_000_000
GRAPH_INPUT = 5  # copies that other engines make

PADDED_TO = 32  # sides of the input of the network are multiples of it
FEATURES = {  # bytes of each pixel of the input: all feature maps that are in memory at once
    "resnet50_fpn": (320, 250),  # in float32 and bfloat16
    "resnet50_fpn_v2": (320, 250),
    "compact": (250, 170),
    "efficientnet_lite0_fpn": (280, 190),
}
SHARES = {  # of the feature maps in float32 that other engines have in memory at once
    ("onnxruntime", "fp32"): 1.2,
    ("onnxruntime", "int8"): 1.1,
    ("openvino", "fp32"): 2.2,  # it keeps the memory of every layer
    ("openvino", "bf16"): 0.85,
    ("openvino", "int8"): 1.25,
}
STRIPS = 60  # bytes of each cell of the input's height and the photo's width, while it is resized
DETECTION = (1_100_000, 650_000)  # bytes: 256 channels of 28 x 28 and of 14 x 14 cells
WINDOWS = 300_000_000  # bytes of the parts of a file that are decoded, kept and read ahead
WHOLE_MASKS = 2**27  # pixels of boxes in a photo that is read in windows, as far as they are large
PREVIEW_PX = 2048  # least longer side of a photo that is shrunk to be looked at as a whole
MAPS_BESIDE_MASKS = 0.25  # share of the feature maps that are kept until the masks are made


@dataclass(frozen=True, kw_only=True)
class DetectorPlan(MemoryPlan):
    """The plan of a Mask R-CNN.

    Attributes:
        architecture: Of the network.
        min_size: Pixels of the shorter side of its input.
        max_size: Most pixels of the longer side.
        max_detections: Of a photo.
        engine: `torch`, `openvino` or `onnxruntime`.
        precision: `fp32`, `bf16` or `int8`.
        tile: Side of tiles in pixels, or None.
        flip: Whether the mirrored photo is predicted too.
        on_cpu: Whether the network uses the memory of the process.
    """

    architecture: str
    min_size: int
    max_size: int
    max_detections: int
    engine: str
    precision: str
    tile: int | None = None
    flip: bool = False
    on_cpu: bool = True

    def network_bytes(self, size_hw: tuple[int, int]) -> int:
        """What the network needs for one photo, or tile, of a size."""
        pixels = size_hw[0] * size_hw[1]
        mirrored = (PHOTO + MASKS) * pixels * self.flip
        floats = FLOATS * pixels if pixels <= LARGE_PIXELS and self.engine == "torch" else 0
        if not self.on_cpu:
            return int(floats + mirrored)
        shortest, longest = max(min(size_hw), 1), max(*size_hw, 1)
        scale = min(self.min_size / shortest, self.max_size / longest)
        height, width = (
            math.ceil(max(side * scale, 1) / PADDED_TO) * PADDED_TO for side in size_hw
        )
        is_bf16 = self.precision == "bf16"
        by_type = FEATURES.get(self.architecture, FEATURES["resnet50_fpn"])
        features: float = height * width * by_type[is_bf16]
        masks = DETECTION[is_bf16] * self.max_detections
        if self.architecture not in ("resnet50_fpn", "resnet50_fpn_v2"):
            masks //= 4  # of 64 channels
        if self.engine != "torch":
            features = height * width * by_type[0] * SHARES[self.engine, self.precision]
            features += GRAPH_INPUT * pixels + STRIPS * height * size_hw[1]
        return int(max(features, features * MAPS_BESIDE_MASKS + masks, floats) + mirrored)

    def need(
        self,
        size_hw: tuple[int, int],
        *,
        pictures: bool = False,
        decoder: float = DECODER_BYTES,
    ) -> Need:
        """As the base class."""
        pixels = size_hw[0] * size_hw[1]
        network = self.network_bytes(size_hw)
        if self.tile is not None and max(size_hw) > self.tile:
            network = max(network, self._tile_bytes() * self.batch_of_tiles(size_hw))
        masks = MASKS * pixels
        extra = decoder * pixels, network + masks, masks + DRAWING * pixels * pictures
        return Need(PHOTO * pixels, (int(extra[0]), int(extra[1]), int(extra[2])))

    def batch(self, size_hw: tuple[int, int], count: int) -> int:
        """How many of `count` photos of one size go through the network together: 1 or more."""
        held = PHOTO * size_hw[0] * size_hw[1] * count
        return self._most(count, held, self.network_bytes(size_hw))

    def batch_of_tiles(self, size_hw: tuple[int, int]) -> int:
        """How many tiles of one photo go through the network together: 1 or more."""
        held = int((PHOTO + MASKS) * size_hw[0] * size_hw[1])
        return self._most(self.batch_size, held, self._tile_bytes())

    def need_in_windows(self, size_hw: tuple[int, int], *, pictures: bool = False) -> Need:
        """What a photo of tiles needs that is read in windows."""
        seen_hw, held = self._preview(size_hw)
        pixels = seen_hw[0] * seen_hw[1]
        tiles = self._tile_bytes() * self.tiles_in_windows(size_hw)
        network = max(tiles, self.network_bytes(seen_hw))
        return Need(held, (0, network, int((MASKS + DRAWING) * pixels * pictures)))

    def tiles_in_windows(self, size_hw: tuple[int, int]) -> int:
        """How many tiles of a photo that is read in windows are predicted at the same time."""
        _, held = self._preview(size_hw)
        return self._most(self.batch_size * MOST_WORKERS, held, self._tile_bytes())

    def preview_factor(self, size_hw: tuple[int, int]) -> int:
        """By how much a photo of tiles is shrunk to be looked at as a whole: a power of two."""
        factor = 1
        while max(size_hw) / (2 * factor) >= max(2 * self.max_size, PREVIEW_PX):
            factor *= 2
        return factor

    def _preview(self, size_hw: tuple[int, int]) -> tuple[tuple[int, int], int]:
        """The size of the shrunk photo, and what a photo in windows needs in memory throughout."""
        factor = self.preview_factor(size_hw)
        height, width = (math.ceil(side / factor) for side in size_hw)
        return (height, width), WINDOWS + WHOLE_MASKS + PHOTO * height * width

    def _tile_bytes(self) -> int:
        assert self.tile is not None
        return self.network_bytes((self.tile, self.tile))
