"""Instances as what an annotation tool imports, for people to correct."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pycocotools import mask as coco_mask

from instseg.core.events import Notice, OnEvent
from instseg.core.json_types import Json
from instseg.core.rle import to_rle
from instseg.core.wording import printable
from instseg.files.journal import Journal
from instseg.formats.convert import write_labels
from instseg.formats.format import Writing
from instseg.formats.labels import Labels
from instseg.formats.losses import losses
from instseg.formats.registry import format_of
from instseg.formats.shapes import ring_of, simplified, size_of
from instseg.predict.photos import NamedPhoto
from instseg.system.atomic import set_aside

Tool = Literal["cvat", "label-studio", "labelme", "yolo", "yolo-seg", "coco"]


@dataclass(frozen=True, kw_only=True)
class PreAnnotation:
    """What a tool imports.

    Attributes:
        folder: Its folder.
        photos: Number of photos, also of those that an earlier run has finished.
        objects: Number of objects.
        mean_iou: Mean IoU of the simplified outlines with their masks; None if none was simplified.
        least_iou: The least IoU.
    """

    folder: Path
    photos: int
    objects: int
    mean_iou: float | None
    least_iou: float | None


def write_pre_annotation(
    journal: Journal,
    photos: Sequence[NamedPhoto],
    folder: Path,
    to: Tool,
    *,
    tolerance: float,
    class_names: Sequence[str],
    on_event: OnEvent,
) -> PreAnnotation:
    """Write all instances of a run; one photo at a time is in memory.

    An earlier folder of this name gets another one, because somebody may have worked on it.

    Args:
        journal: The instances.
        photos: Photos of the run, to find their folder.
        folder: The folder to make.
        to: The format.
        tolerance: How far simplified outlines may be from the masks, in pixels; 0 is exact.
        class_names: The classes that may be found.
        on_event: Called with progress, and with a notice for what the format cannot hold.
    """
    target = format_of(to)
    if "masks" in target.loses:
        tolerance = 0.0
    outlined = _Outlined(journal, tolerance, with_holes=to == "yolo-seg")
    categories = [each for each in journal.header["categories"] if each["name"] in class_names]
    document = {
        **journal.header,
        "categories": categories,
        "images": journal.images,
        "annotations": _Objects(journal),
    }
    labels = _Found(document=document, photos=_root(photos), objects=outlined)
    lost = dict(target.loses)
    lost.pop("ids", None)  # of no use yet
    for note in losses(labels, replace(target, loses=lost)):
        on_event(Notice(text=printable(note)))
    if aside := set_aside(folder):
        on_event(Notice(text=printable(f"{folder}: the earlier one is now {aside.name}")))
    write_labels(labels, folder, target, Writing(tolerance=tolerance, on_event=on_event))
    return PreAnnotation(
        folder=folder,
        photos=len(journal.images),
        objects=sum(1 for _ in labels.annotations),
        mean_iou=outlined.total / outlined.count if outlined.count else None,
        least_iou=outlined.least if outlined.count else None,
    )


@dataclass(frozen=True, kw_only=True)
class _Found(Labels):
    """Labels whose objects are read when they are asked for."""

    objects: Mapping[int, list[Json]]

    def by_image(self) -> Mapping[int, list[Json]]:
        return self.objects


class _Objects:
    """All annotations, in order, each time anew from the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __iter__(self) -> Iterator[Json]:
        for image_id in self._journal:
            yield from self._journal[image_id]

    def __bool__(self) -> bool:
        return any(True for _ in self)


class _Outlined(Mapping[int, list[Json]]):
    """The annotations of each image id with simplified outlines, which are compared to the masks.

    Attributes:
        count: Number of objects with simplified outlines.
        total: Sum of their IoU with the masks.
        least: The least of these.
    """

    def __init__(self, journal: Journal, tolerance: float, *, with_holes: bool) -> None:
        self._journal, self._tolerance, self._with_holes = journal, tolerance, with_holes
        self._sizes = {image["id"]: size_of(image) for image in journal.images}
        self.count, self.total, self.least = 0, 0.0, 1.0

    def __getitem__(self, image_id: int) -> list[Json]:
        return [self._of(each, self._sizes[image_id]) for each in self._journal[image_id]]

    def __iter__(self) -> Iterator[int]:
        return iter(self._journal)

    def __len__(self) -> int:
        return len(self._journal)

    def _of(self, annotation: Json, size_hw: tuple[int, int]) -> Json:
        mask = annotation.pop("rle", annotation["segmentation"])
        annotation["segmentation"] = mask
        box = coco_mask.toBbox(mask).tolist()
        if box[2]:  # the network's box may be larger or smaller than its mask
            annotation["bbox"] = box
        found = simplified(annotation, size_hw, self._tolerance)
        if found is not annotation:
            self._compare(found["segmentation"], mask, size_hw)
        elif self._tolerance and self._with_holes:  # the format simplifies holes as well
            ring = ring_of(annotation, size_hw, self._tolerance)
            if ring is not None:
                self._compare([ring.ravel().tolist()], mask, size_hw)
        return found

    def _compare(self, outline: list[list[float]], mask: Json, size_hw: tuple[int, int]) -> None:
        iou = float(coco_mask.iou([to_rle(outline, size_hw)], [mask], [0])[0, 0])
        self.count, self.total = self.count + 1, self.total + iou
        self.least = min(self.least, iou)


def _root(photos: Sequence[NamedPhoto]) -> Path | None:
    """The folder that the names of photos are relative to."""
    for photo in photos:
        path = Path(os.path.abspath(photo.path)).as_posix()  # noqa: PTH100
        if path.endswith(f"/{photo.name}"):
            return Path(path.removesuffix(photo.name))
    return None
