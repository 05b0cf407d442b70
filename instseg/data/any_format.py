"""Datasets of any format, by their splits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import Notice, OnEvent, Warned, ignore
from instseg.core.wording import count
from instseg.data.coco import CocoData
from instseg.formats.certain import certain
from instseg.formats.convert import read_labels
from instseg.formats.labels import Labels
from instseg.system.atomic import replacing

FOR_TRAINING = ("train", "", "val", "test")
FOR_MEASURING = ("val", "test", "", "train")


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset of any format.

    Attributes:
        source: The file or folder.
        photos: The folder of its photos.
        splits: The labels of each split; "" for those of photos without a split.
    """

    source: Path
    photos: Path
    splits: Mapping[str, Labels]

    def first_of(self, order: Sequence[str], on_event: OnEvent, use: str) -> str:
        """The first split in `order` that there is; tells which, if there are several."""
        split = next(name for name in [*order, *self.splits] if name in self.splits)
        if len(self.splits) > 1:
            number = count(len(self.splits[split].images), "photo")
            text = f"{self.source}: {use} the split {split or 'without a name'}, {number}"
            on_event(Notice(text=text))
        return split

    def write(self, split: str, path: Path) -> Path:
        """Write a split as COCO JSON; returns the path."""
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(self.splits[split].document), encoding="utf-8")
        return path

    def coco(self, split: str, folder: Path | None) -> CocoData:
        """A split as `CocoData`, which is written to data.json in a folder, if there is one."""
        if folder is not None:
            return CocoData.read(self.write(split, folder / "data.json"), self.photos)
        content = json.dumps(self.splits[split].document).encode()
        return CocoData.read(self.source, self.photos, content=content)


def read_dataset(
    data: str | Path,
    images: str | Path | None = None,
    *,
    things: bool = False,
    on_event: OnEvent = ignore,
) -> Dataset:
    """Read a dataset of any format; what the format says that is not kept is told.

    Objects of tools in which people label lose their scores: they are no mere predictions.

    Args:
        data: The file or folder.
        images: Folder of its photos, if they are not where the labels say.
        things: Leave out the classes of stuff, if there are others.
        on_event: Called with progress, `Notice` and `Warned`.

    Raises:
        InputError: It has no known format, is broken, or its photos are not found.
    """
    labels, found = read_labels(data, images, on_event=on_event)
    photos = labels.photos
    if photos is None:
        raise ArgumentError(f"{data}: its photos are not found; give their folder as {{images}}")
    if not labels.images:
        raise InputError(f"{data}: has no photos; check the path")
    for note in labels.notes:
        on_event(Warned(text=f"{data}: {note}"))
    labels = certain(labels, found, data, on_event)
    if things:
        labels = _things(labels, Path(data), on_event)
    return Dataset(source=Path(data), photos=photos, splits=_by_split(labels))


def _things(labels: Labels, source: Path, on_event: OnEvent) -> Labels:
    """The labels without classes of stuff, such as sky, which have no instances."""
    kept = [each for each in labels.categories if each.get("isthing", 1) != 0]
    left_out = len(labels.categories) - len(kept)
    if not kept or not left_out:
        return labels
    on_event(Notice(text=f"{source}: {count(left_out, 'class')} of stuff left out"))
    ids = {each["id"] for each in kept}
    annotations = [each for each in labels.annotations if each["category_id"] in ids]
    document = {**labels.document, "categories": kept, "annotations": annotations}
    return replace(labels, document=document)


def _by_split(labels: Labels) -> dict[str, Labels]:
    names = dict.fromkeys(str(image.get("split") or "") for image in labels.images)
    found = {}
    for name in names:
        images = [image for image in labels.images if (image.get("split") or "") == name]
        ids = {image["id"] for image in images}
        annotations = [each for each in labels.annotations if each["image_id"] in ids]
        document = {**labels.document, "images": images, "annotations": annotations}
        found[name] = replace(labels, document=document)
    return found
