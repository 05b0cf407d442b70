"""The photos that show the ranges of an int8 file's values."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.events import OnEvent, Warned, told
from instseg.core.wording import count
from instseg.exporting.agreement import Photo
from instseg.exporting.readable import readable
from instseg.files.listing import list_images


class Calibration:
    """Photos for calibration, and which of them are seen again when the file is tested.

    Args:
        given: Files, folders, globs and lists.
        most: At most this many photos are used, at equal distances in their order.
        on_event: Called with progress and warnings.

    Attributes:
        paths: The photos.
        seen_again: Number of tested photos that were used for calibration.

    Raises:
        InputError: A folder, glob or list has no image.
    """

    def __init__(
        self, given: str | Path | Sequence[str | Path], most: int, on_event: OnEvent
    ) -> None:
        inputs = [given] if isinstance(given, str | Path) else given
        found = list_images(inputs, on_event=on_event)
        rows = np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int)
        self.paths = [found[row] for row in rows.tolist()]
        self.seen_again = 0
        self._hashes: set[bytes] = set()
        self._on_event = on_event

    def images(self) -> Iterator[NDArray[np.uint8]]:
        """Read the photos, one after the other; those that cannot be read leave `paths`."""
        paths = told([*self.paths], self._on_event, "calibrating", total=len(self.paths))
        self.paths = []
        for path, image in readable(paths, self._on_event):
            self.paths.append(path)
            self._hashes.add(_hash(image))
            yield image

    def watching(self, photos: Iterable[Photo]) -> Iterator[Photo]:
        """The same photos, counted in `seen_again` if they are also for calibration."""
        for name, image in photos:
            self.seen_again += _hash(image) in self._hashes
            yield name, image

    def warn(self, tested: int) -> None:
        """Tell that the test is on photos of the calibration."""
        if self.seen_again:
            text = f"calibrate: {self.seen_again} of {count(tested, 'tested photo')} "
            text += "are also for calibration; the file may be worse on others"
            self._on_event(Warned(text=text))


def _hash(image: NDArray[Any]) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
