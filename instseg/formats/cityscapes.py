"""Cityscapes: a JSON file of polygons and PNG files of numbers for each photo."""

from __future__ import annotations

import os
from pathlib import Path

from instseg.formats.cityscapes_read import INSTANCES, POLYGONS, read
from instseg.formats.cityscapes_write import write
from instseg.formats.format import Format
from instseg.formats.mask_layout import is_converted


def recognises(path: Path) -> bool:
    """Whether a file, or one in a folder, has the name and form of Cityscapes' labels."""
    if path.is_file():
        return _is_labels(path)
    if is_converted(path):
        return False
    for folder, folders, files in os.walk(path):
        folders.sort()
        if any(_is_labels(Path(folder, name)) for name in files if name.endswith(_NAMES)):
            return True
    return False


_NAMES = (POLYGONS, INSTANCES)


def _is_labels(file: Path) -> bool:
    if file.name.endswith(INSTANCES):
        return True
    if not file.name.endswith(POLYGONS):
        return False
    try:
        with file.open("rb") as stream:
            return b'"imgHeight"' in stream.read(1000)
    except OSError:
        return False


FORMAT = Format(
    name="cityscapes",
    title="Cityscapes",
    recognises=recognises,
    read=read,
    write=write,
    loses={
        "boxes": "left out",
        "scores": "not written",
        "ids": "numbered anew by their class",
        "attributes": "not written",
        "tracks": "not written",
    },
)
