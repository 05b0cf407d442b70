"""Photos for an export: those that cannot be read are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.events import OnEvent, Warned
from instseg.files.image import read_image


def readable(paths: Iterable[Path], on_event: OnEvent) -> Iterator[tuple[Path, NDArray[np.uint8]]]:
    """Read photos, one after the other.

    Args:
        paths: The photos, at least one.
        on_event: Called with a warning of each that cannot be read.

    Yields:
        A path, and its photo, uint8 RGB (H, W, 3).

    Raises:
        InputError: None of them can be read; at the end.
    """
    some, problem = False, None
    for path in paths:
        try:
            image = read_image(path)
        except InputError as error:
            problem = error
            on_event(Warned(text=f"{error}; the export goes on without it"))
            continue
        some = True
        yield path, image
    if problem and not some:
        raise InputError(f"no photo can be read; the last one: {problem}") from problem
