"""CVAT: an XML file of images or of tracks in a video."""

from __future__ import annotations

import stat
from itertools import chain, islice
from pathlib import Path

from instseg.core.errors import InputError
from instseg.formats.coco_files import split_of
from instseg.formats.cvat_read import read_file
from instseg.formats.cvat_write import FILE, write
from instseg.formats.format import LOOKED_AT, Format, Reading
from instseg.formats.joined import joined
from instseg.formats.labels import Labels

_HEAD_BYTES = 4096


def recognises(path: Path) -> bool:
    """Whether a file, or one of those in a folder, is CVAT's XML."""
    return any(map(_is_cvat, islice(_candidates(path), LOOKED_AT)))


def _candidates(path: Path) -> chain[Path]:
    if path.is_file():
        return chain([path] if path.suffix.lower() == ".xml" else [])
    names = (FILE, f"*/{FILE}", "*.xml", "*/*.xml")
    return chain.from_iterable(sorted(path.glob(name)) for name in names)


def _is_cvat(file: Path) -> bool:
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            return False
        with file.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError:
        return False
    return b"<annotations>" in head and any(
        tag in head for tag in (b"<meta>", b"<image ", b"<track ", b"<version>")
    )


def read(path: Path, reading: Reading) -> Labels:
    """Read a file, or those of a folder and of its folders, whose names then tell the splits.

    Raises:
        InputError: There is none, or one cannot be read.
    """
    files = [path] if path.is_file() else list(dict.fromkeys(filter(_is_cvat, _candidates(path))))
    if not files:
        raise InputError(f"{path}: has no XML file of CVAT; give its annotations.xml")
    parts = [read_file(file, reading) for file in files]
    return joined(parts, [split_of(path, file) for file in files])


FORMAT = Format(
    name="cvat",
    title="CVAT",
    recognises=recognises,
    read=read,
    write=write,
    loses={"crowds": "left out", "ids": "numbered anew by their place"},
    by_hand=True,
    file=FILE,
)
