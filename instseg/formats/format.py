"""What a format is: how it is recognised, read and written, and what it cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from instseg.core.events import OnEvent, ignore
from instseg.formats.labels import Labels
from instseg.formats.notes import Notes

LOOKED_AT = 20  # files of a folder, to recognise a format

Feature = Literal[
    "masks",
    "boxes",
    "holes",
    "parts",
    "crowds",
    "scores",
    "ids",
    "attributes",
    "tracks",
    "splits",
    "empty",
]
FEATURES: dict[Feature, tuple[str, str, str]] = {
    "masks": ("masks", "object with a mask", "objects with a mask"),
    "boxes": ("boxes alone", "object with a box and no mask", "objects with a box and no mask"),
    "holes": ("holes", "mask with holes", "masks with holes"),
    "parts": ("several parts", "mask of several parts", "masks of several parts"),
    "crowds": ("crowds", "crowd", "crowds"),
    "scores": ("scores", "object with a score", "objects with a score"),
    "ids": ("ids of objects", "object with an id", "objects with an id"),
    "attributes": ("attributes", "object with attributes", "objects with attributes"),
    "tracks": ("tracks", "object of a track", "objects of tracks"),
    "splits": ("splits", "photo of a split", "photos of splits"),
    "empty": ("photos without objects", "photo without objects", "photos without objects"),
}
"""Each feature: its name in tables, and what is counted, as one and as many."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How labels are read.

    Attributes:
        images: The folder of the photos, if the user gave it.
        values: What the values of label maps mean, such as "1=pet,2=BG", if the user gave it.
        on_event: Called with `Progress`.
    """

    images: Path | None = None
    values: str | Mapping[int, str] | None = None
    on_event: OnEvent = ignore


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How labels are written.

    Attributes:
        tolerance: How far simplified outlines may be from the masks, in pixels; 0 is exact.
        copy_photos: Whether photos are copied into the output.
        one_file: Whether all splits go into the one file `Format.file`.
        notes: Gets what only writing shows that it cannot be kept.
        on_event: Called with `Progress` and `Notice`.
    """

    tolerance: float = 0.0
    copy_photos: bool = False
    one_file: bool = False
    notes: Notes = field(default_factory=Notes)
    on_event: OnEvent = ignore


Recognises = Callable[[Path], bool]
Read = Callable[[Path, Reading], Labels]
Write = Callable[[Labels, Path, Writing], Mapping[int, int] | None]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format.

    Attributes:
        name: As in `--to`.
        title: For people, such as "Pascal VOC".
        recognises: Whether a file or folder is of this format.
        read: A file or folder, as labels; raises InputError if it is not of the format.
        write: Labels, into an empty folder. Returns the ids in the result of the categories, if
            they are others than in the labels.
        loses: What the format cannot hold, and what becomes of it, such as "left out".
        no_class: Whether objects of a class of some name are left out when the format is read.
        file: The name of its only file, for formats of one file.
        by_hand: Whether its tool is for people who label: what they left there is no mere
            prediction, even if it still has a score.
    """

    name: str
    title: str
    recognises: Recognises
    read: Read
    write: Write
    loses: Mapping[Feature, str] = field(default_factory=dict)
    no_class: Callable[[str], bool] = lambda name: False
    file: str = ""
    by_hand: bool = False
