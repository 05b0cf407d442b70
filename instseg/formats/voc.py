"""Pascal VOC: an XML file of boxes for each photo, and PNG files with the numbers of objects."""

from __future__ import annotations

import os
import re
from pathlib import Path

from instseg.formats.format import Format
from instseg.formats.mask_layout import is_converted
from instseg.formats.voc_read import read
from instseg.formats.voc_write import write

_LOOKED_AT = 5  # XML files, to recognise the format
_ROOT = re.compile(rb"<annotation(\s[^>]*)?>")
_MASKS = "SegmentationObject"


def recognises(path: Path) -> bool:
    """Whether there is an XML file that begins as VOC's do, or the folder of the masks."""
    if path.is_file():
        return path.suffix.lower() == ".xml" and _is_voc(path)
    if is_converted(path):
        return False
    looked = 0
    for folder, folders, files in os.walk(path):
        folders.sort()
        if _MASKS in folders:
            return True
        for name in sorted(files):
            if name.lower().endswith(".xml") and not name.startswith("."):
                if _is_voc(Path(folder, name)):
                    return True
                looked += 1
            if looked == _LOOKED_AT:
                return False
    return False


def _is_voc(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            head = stream.read(4000)
    except OSError:
        return False
    return bool(_ROOT.search(head)) and (b"<object" in head or b"<size" in head)


FORMAT = Format(
    name="voc",
    title="Pascal VOC",
    recognises=recognises,
    read=read,
    write=write,
    loses={
        "crowds": "void in the masks, without an object",
        "scores": "not written",
        "ids": "numbered anew by their place",
        "tracks": "not written",
    },
)
