"""YOLO polygons: one ring an object, in shares of the photo's sides."""

from __future__ import annotations

from pathlib import Path

from instseg.formats.format import Format, Writing
from instseg.formats.labels import Labels
from instseg.formats.yolo_layout import looks_like_yolo
from instseg.formats.yolo_read import read
from instseg.formats.yolo_write import ring_numbers
from instseg.formats.yolo_write import write as write_yolo


def _recognises(path: Path) -> bool:
    return looks_like_yolo(path) == (True, True)


def _write(labels: Labels, folder: Path, writing: Writing) -> dict[int, int]:
    return write_yolo(labels, folder, writing, ring_numbers)


FORMAT = Format(
    name="yolo-seg",
    title="YOLO polygons",
    recognises=_recognises,
    read=read,
    write=_write,
    loses={
        "boxes": "written as rectangles",
        "crowds": "left out",
        "scores": "not written",
        "ids": "numbered anew by their place",
        "attributes": "not written",
        "tracks": "not written",
    },
)
