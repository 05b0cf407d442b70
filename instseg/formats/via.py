"""VGG Image Annotator, versions 1 and 2: projects, and annotations as JSON or CSV."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

import msgspec

from instseg.core.errors import ArgumentError, InputError
from instseg.files.coco_json import read_form
from instseg.formats.coco_files import split_of
from instseg.formats.format import LOOKED_AT, Format, Reading
from instseg.formats.joined import joined
from instseg.formats.labels import Labels
from instseg.formats.via_files import CSV_COLUMN, PROJECT
from instseg.formats.via_read import NO_CLASSES, read_file
from instseg.formats.via_write import FILE, write

_HEAD_BYTES = 4096


def recognises(path: Path) -> bool:
    """Whether a file, or one of the first in a folder, has regions of photos."""
    return any(map(_is_via, islice(_candidates(path), LOOKED_AT)))


def _candidates(path: Path) -> chain[Path]:
    if path.is_file():
        return chain([path] if path.suffix.lower() in (".json", ".csv") else [])
    found = (sorted(path.glob(name)) for name in ("*.json", "*/*.json", "*.csv", "*/*.csv"))
    return chain.from_iterable(
        (file for file in files if not file.name.startswith(".")) for files in found
    )


def _is_via(file: Path) -> bool:
    try:
        if file.suffix.lower() == ".csv":
            with file.open("rb") as stream:
                return CSV_COLUMN.encode() in stream.read(_HEAD_BYTES).split(b"\n")[0]
        found = read_form(file, dict[str, msgspec.Raw])
        if PROJECT in found:
            return True
        first: Any = msgspec.json.decode(next(iter(found.values()), b"null"))
    except (InputError, OSError, msgspec.MsgspecError, RecursionError):
        return False
    return isinstance(first, Mapping) and {"filename", "regions"} <= first.keys()


def read(path: Path, reading: Reading) -> Labels:
    """Read a file, or those of a folder and of its folders, whose names then tell the splits.

    Raises:
        InputError: There is none, one cannot be read, or no photo is found.
    """
    files = [path] if path.is_file() else [file for file in _candidates(path) if _is_via(file)]
    if not files:
        raise InputError(f"{path}: has no file of VGG Image Annotator; give the .json file")
    seen: set[tuple[Path, str]] = set()
    parts = [read_file(file, reading, seen) for file in files]
    if not any(part.images for part in parts):
        raise ArgumentError(
            f"{path}: none of its photos are found, whose sizes are needed; "
            "give their folder as {images}"
        )
    return joined(parts, [split_of(path, file) for file in files])


FORMAT = Format(
    name="via",
    title="VGG Image Annotator",
    recognises=recognises,
    read=read,
    write=write,
    loses={"crowds": "left out", "ids": "numbered anew by their place"},
    no_class=lambda name: name in NO_CLASSES,
    by_hand=True,
    file=FILE,
)
