"""How much memory photos need, before they are read: what all networks have in common.

The numbers follow from what is in memory together: the photo in 8 bits, the copy of its decoder,
the feature maps of the network at the size of its input, and the copies of the picture that is
drawn and written. `instseg benchmark memory` compares them with what a process really uses.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from instseg.core.errors import InputError
from instseg.files.photo_header import DECODER_BYTES, read_header
from instseg.system.allocation import return_freed_memory
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
PHOTO = 3  # bytes of each pixel of a photo in 8 bits
LATER_SHARE = 0.9  # of the weights: copies of them in other layouts, made with the first photo
LATER = 40_000_000  # libraries that are loaded with the first photo
SMALLER = "make the photo smaller or raise the memory limit"
CAUTION = 1.1  # a limit must hold where a prediction is a little too low


@dataclass(frozen=True, kw_only=True)
class MemoryPlan(ABC):
    """Predicts memory, and decides what is done at the same time.

    Attributes:
        limit_bytes: What the process may use in all; infinite where nothing limits it.
        base_bytes: What it uses before the first photo, with the weights.
        batch_size: Most photos, or tiles, of a batch.
    """

    limit_bytes: float
    base_bytes: int
    batch_size: int = 1

    @property
    def room_bytes(self) -> float:
        """What all photos together may need."""
        return self.limit_bytes / CAUTION - self.base_bytes

    def shared(self, among: int) -> Self:
        """The plan of one of several that share the room for photos."""
        limit_bytes = (self.base_bytes + self.room_bytes / among) * CAUTION
        return replace(self, limit_bytes=limit_bytes)

    @abstractmethod
    def need(
        self,
        size_hw: tuple[int, int],
        *,
        pictures: bool = False,
        decoder: float = DECODER_BYTES,
    ) -> Need:
        """What a photo needs, from when it is read until its pictures are written.

        Args:
            size_hw: Height and width.
            pictures: Whether an overlay or a semantic map is drawn and written.
            decoder: Bytes of each pixel that its decoder needs; 0 if it is in memory already.
        """

    def peak_bytes(self, needs: Sequence[Need], workers: int = 1) -> int:
        """The predicted peak of the process with these photos in memory together."""
        return self.base_bytes + peak_bytes(needs, self._threads(workers))

    def fits(self, *needs: Need) -> bool:
        """Whether a photo, or several together, fit when nothing else is in memory."""
        return self.peak_bytes(needs) * CAUTION <= self.limit_bytes

    def require(self, name: str | Path, need: Need, *, mend: str = SMALLER) -> None:
        """Raise InputError for a photo that needs more than the limit even alone.

        Args:
            name: The photo.
            need: What it needs.
            mend: The remedy.
        """
        if not self.fits(need):
            peak = self.peak_bytes([need]) * CAUTION
            needed, limit = size_in_words(peak), size_in_words(self.limit_bytes)
            raise InputError(f"{name}: needs {needed} of memory, and the limit is {limit}; {mend}")

    def need_of_file(self, path: Path, *, pictures: bool = False) -> Need:
        """What the photo of a file needs; nothing if its header cannot be read."""
        try:
            header = read_header(path)
        except ValueError:
            return NOTHING
        width, height = header.upright_wh
        return self.need((height, width), pictures=pictures, decoder=header.decoder_bytes)

    def budget(self, workers: int) -> MemoryBudget:
        """For a pipeline of reading, network and drawing."""
        return MemoryBudget(self.room_bytes, self._threads(workers))

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
    return_freed_memory()  # what was needed for loading
    later = LATER + int(LATER_SHARE * weights_bytes)
    return math.inf if limit is None else limit, memory_bytes() + later
