"""The options of `merge`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from instseg.core.errors import ArgumentError
from instseg.core.events import OnEvent, ignore
from instseg.core.options import python_only
from instseg.formats.registry import FormatName


@dataclass(frozen=True)
class MergeOptions:
    """Merges datasets into one: classes by name, and each photo once.

    Args:
        sources: The datasets, two or more files or folders of any formats that convert reads.
        out: The folder to make. For a format of one file, such as coco, also the name of that file.
        to: The format to write.
        images: Folder of the photos, if they are not where the labels say: one for all sources, or
            a list of one for each.
        classes: New names of classes, such as Cat=cat,kitten=cat,junk= or a file of such lines;
            objects of a class without a new name are left out.
        missing: What the photos of a source may show of a class that the source does not have, and
            another has: unknown (its photos are marked as labelled with their own classes only,
            which finetune understands) or background (no object of it).
        copies: Keep a photo once that several sources have under different names. This reads every
            photo.
        copy_photos: Copy the photos into `out`. Without it, formats that want photos beside their
            labels, such as yolo, get links to them, and others none.
        on_event: Called with `Progress`; with `Notice` for all that cannot be kept, and with
            `Warned` for what the doctor finds.
    """

    sources: Sequence[str | Path]
    out: str | Path
    _: KW_ONLY
    to: FormatName = "coco"
    images: Sequence[str | Path] | str | Path | None = None
    classes: Mapping[str, str] | str | Path | None = None
    missing: Literal["unknown", "background"] = "unknown"
    copies: bool = True
    copy_photos: bool = False
    on_event: OnEvent = python_only(ignore)

    def __post_init__(self) -> None:
        if len(self.sources) < 2:
            raise ArgumentError("give two datasets or more, and then the result")
        folders = self.images
        each_its_own = isinstance(folders, Sequence) and not isinstance(folders, str)
        if each_its_own and len(folders) != len(self.sources):
            wrong = "{images} must be one folder for all datasets, or a list of one for each"
            raise ArgumentError(wrong, images=[str(each) for each in folders])
