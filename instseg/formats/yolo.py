"""YOLO boxes, in shares of the photo's sides."""

from __future__ import annotations

from pathlib import Path

from instseg.formats.format import Format, Writing
from instseg.formats.labels import Labels
from instseg.formats.yolo_layout import looks_like_yolo
from instseg.formats.yolo_read import read
from instseg.formats.yolo_write import box_numbers
from instseg.formats.yolo_write import write as write_yolo


def _recognises(path: Path) -> bool:
    return looks_like_yolo(path)[0]


def _write(labels: Labels, folder: Path, writing: Writing) -> dict[int, int]:
    return write_yolo(labels, folder, writing, box_numbers)


FORMAT = Format(
    name="yolo",
    title="YOLO boxes",
    recognises=_recognises,
    read=read,
    write=_write,
    loses={
        "masks": "only their boxes are written",
        "crowds": "left out",
        "scores": "not written",
        "ids": "numbered anew by their place",
        "attributes": "not written",
        "tracks": "not written",
    },
)
