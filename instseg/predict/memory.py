"""How much memory photos need, before they are read.

The numbers follow from what is in memory together: the photo in 8 bits, the copy of its decoder,
the feature maps of the network at the size of its input, and the copies of the picture that is
drawn and written. `instseg benchmark memory` compares them with what a process really uses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from instseg.core.errors import InputError
from instseg.files.photo_header import read_header
from instseg.system.budget import MemoryBudget, Need, peak_bytes
from instseg.system.memory import (
    memory_bytes,
    memory_limit_bytes,
    parse_bytes,
    size_in_words,
)

READERS = 2  # threads that read photos
WRITERS = 4  # threads that draw and write pictures
NOTHING = Need(0, (0, 0, 0))

# Bytes of each pixel of a photo.
PHOTO = 3  # in 8 bits
MASKS = 1.5  # of its instances, each of which takes a byte for each pixel of its box
DECODER = 4.5  # Pillow decodes to 4 bytes, which are copied in strips
DRAWING = 7  # another one to draw on, and Pillow's copy of it
FLOATS = 36  # torchvision's normalisation, of photos that are not large
LARGE_PIXELS = 2_000_000

PADDED_TO = 32  # sides of the input of the network are multiples of it
FEATURES = {  # bytes of each pixel of the input: all feature maps that are in memory at once
    "resnet50_fpn": (395, 250),  # in float32 and bfloat16
    "resnet50_fpn_v2": (395, 250),
    "compact": (250, 150),
    "efficientnet_lite0_fpn": (300, 150),
}
DETECTION = (1_100_000, 650_000)  # bytes: 256 channels of 28 x 28 and of 14 x 14 cells
MAPS_BESIDE_MASKS = 85 / 400  # share of the feature maps that are kept until the masks are made
LATER_SHARE = 0.8  # of the weights: copies of them in other layouts, made with the first photo
LATER = 60_000_000  # libraries that are loaded with the first photo
CAUTION = 1.1  # a limit must hold where a prediction is a little too low


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """Predicts memory, and decides what is done at the same time.

    Attributes:
        limit_bytes: What the process may use in all; infinite where nothing limits it.
        base_bytes: What it uses before the first photo, with the weights.
        architecture: Of the network.
        min_size: Pixels of the shorter side of its input.
        max_size: Most pixels of the longer side.
        max_detections: Of a photo.
        is_bf16: Whether it computes in bfloat16.
        tile: Side of tiles in pixels, or None.
        batch_size: Most photos, or tiles, of a batch.
        on_cpu: Whether the network uses the memory of the process.
    """

    limit_bytes: float
    base_bytes: int
    architecture: str
    min_size: int
    max_size: int
    max_detections: int
    is_bf16: bool
    tile: int | None = None
    batch_size: int = 1
    on_cpu: bool = True

    @property
    def room_bytes(self) -> float:
        """What all photos together may need."""
        return self.limit_bytes / CAUTION - self.base_bytes

    def network_bytes(self, size_hw: tuple[int, int]) -> int:
        """What the network needs for one photo, or tile, of a size."""
        shortest, longest = max(min(size_hw), 1), max(*size_hw, 1)
        scale = min(self.min_size / shortest, self.max_size / longest)
        height, width = (
            math.ceil(max(side * scale, 1) / PADDED_TO) * PADDED_TO for side in size_hw
        )
        default = FEATURES["resnet50_fpn"]
        features = FEATURES.get(self.architecture, default)[self.is_bf16] * height * width
        masks = DETECTION[self.is_bf16] * self.max_detections
        if self.architecture not in ("resnet50_fpn", "resnet50_fpn_v2"):
            masks //= 4  # of 64 channels
        pixels = size_hw[0] * size_hw[1]
        floats = FLOATS * pixels if pixels <= LARGE_PIXELS else 0
        if not self.on_cpu:
            return floats
        return int(max(features, features * MAPS_BESIDE_MASKS + masks, floats))

    def need(self, size_hw: tuple[int, int], *, pictures: bool = False, file: bool = True) -> Need:
        """What a photo needs, from when it is read until its pictures are written.

        Args:
            size_hw: Height and width.
            pictures: Whether an overlay or a semantic map is drawn and written.
            file: Whether it is read from a file.
        """
        pixels = size_hw[0] * size_hw[1]
        network = self.network_bytes(size_hw)
        if self.tile is not None and max(size_hw) > self.tile:
            network = max(network, self._tile_bytes() * self.batch_of_tiles(size_hw))
        masks = MASKS * pixels
        extra = DECODER * pixels * file, network + masks, masks + DRAWING * pixels * pictures
        return Need(PHOTO * pixels, (int(extra[0]), int(extra[1]), int(extra[2])))

    def peak_bytes(self, needs: Sequence[Need], workers: int = 1) -> int:
        """The predicted peak of the process with these photos in memory together."""
        return self.base_bytes + peak_bytes(needs, self._threads(workers))

    def fits(self, need: Need) -> bool:
        """Whether a photo fits when it is alone."""
        return self.peak_bytes([need]) * CAUTION <= self.limit_bytes

    def require(self, name: str | Path, need: Need) -> None:
        """Raise InputError for a photo that needs more than the limit even alone."""
        if not self.fits(need):
            peak = self.peak_bytes([need]) * CAUTION
            needed, limit = size_in_words(peak), size_in_words(self.limit_bytes)
            raise InputError(
                f"{name}: needs {needed} of memory, and the limit is {limit}; "
                "make the photo smaller or raise the memory limit"
            )

    def need_of_file(self, path: Path, *, pictures: bool = False) -> Need:
        """What the photo of a file needs; nothing if its header cannot be read."""
        try:
            width, height = read_header(path).upright_wh
        except ValueError:
            return NOTHING
        return self.need((height, width), pictures=pictures)

    def budget(self, workers: int) -> MemoryBudget:
        """For a pipeline of reading, network and drawing."""
        return MemoryBudget(self.room_bytes, self._threads(workers))

    def admitted(self, need: Need) -> Need:
        """What a photo counts for in a budget: nothing if it will be refused."""
        return need if self.fits(need) else NOTHING

    def batch(self, size_hw: tuple[int, int], count: int) -> int:
        """How many of `count` photos of one size go through the network together: 1 or more."""
        held = PHOTO * size_hw[0] * size_hw[1] * count
        return self._most(count, held, self.network_bytes(size_hw))

    def batch_of_tiles(self, size_hw: tuple[int, int]) -> int:
        """How many tiles of one photo go through the network together: 1 or more."""
        held = int((PHOTO + MASKS) * size_hw[0] * size_hw[1])
        return self._most(self.batch_size, held, self._tile_bytes())

    def _tile_bytes(self) -> int:
        assert self.tile is not None
        return self.network_bytes((self.tile, self.tile))

    def _most(self, count: int, held: int, each: int) -> int:
        if math.isinf(self.room_bytes):
            return count
        return max(min(count, int((self.room_bytes - held) // max(each, 1))), 1)

    def _threads(self, workers: int) -> tuple[int, int, int]:
        return READERS, workers * self.batch_size, WRITERS


def memory_plan(memory: str | int | None, weights_bytes: int) -> tuple[float, int]:
    """The limit and the base of a process that has loaded its weights.

    Args:
        memory: The limit, such as "4GB"; None for what is free.
        weights_bytes: Size of the weights in memory.

    Returns:
        Both in bytes; the limit is infinite where nothing limits it.

    Raises:
        ArgumentError: `memory` is not a size.
    """
    limit = memory_limit_bytes() if memory is None else parse_bytes(memory)
    later = LATER + int(LATER_SHARE * weights_bytes)
    return math.inf if limit is None else limit, memory_bytes() + later
