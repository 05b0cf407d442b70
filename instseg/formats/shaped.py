"""What all writers do alike: the objects of a photo that a format can draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from instseg.formats.labels import Record
from instseg.formats.notes import Notes

Shape = TypeVar("Shape")


def shaped(
    annotations: Iterable[Record], shape_of: Callable[[Record], Shape | None], notes: Notes
) -> Iterator[tuple[Record, Shape]]:
    """Each object with its shape; crowds are left out, which the frame tells.

    Args:
        annotations: Of a photo.
        shape_of: Makes the shape of an object, nothing of an empty mask; ValueError if its
            segmentation is broken.
        notes: Counts broken and empty masks.
    """
    for annotation in annotations:
        if annotation.get("iscrowd"):
            continue
        try:
            found = shape_of(annotation)
        except ValueError as problem:
            notes.add(f"objects with {problem}: left out", f"id {annotation['id']}")
            continue
        if found:
            yield annotation, found
        else:
            notes.add("objects with an empty mask: left out", f"id {annotation['id']}")
