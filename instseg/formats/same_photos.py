"""Photos that several datasets have: one image with the labels of all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from instseg.files.coco_records import names_of
from instseg.formats.labels import Labels, Record

_FEDERATED = ("neg_category_ids", "not_exhaustive_category_ids")


@dataclass(frozen=True, kw_only=True)
class KeptOnce:
    """Labels in which each photo is once.

    Attributes:
        labels: The labels.
        known: For each image, the classes that people looked for.
        left_out: Number of objects that were left out.
    """

    labels: Labels
    known: Sequence[frozenset[str]]
    left_out: int


def keep_once(
    labels: Labels, known: Sequence[frozenset[str]], same: Iterable[tuple[int, int]]
) -> KeptOnce:
    """Leave out images that are another one; their objects of further classes go over to that.

    Of each class, a photo has the objects of the first dataset that has this class. Photos of other
    sizes, and with LVIS' fields, get no objects.

    Args:
        labels: The labels.
        known: For each image, the classes that people looked for.
        same: Places of an image and of the one that it is, which is itself no other.
    """
    images, names, objects = labels.images, labels.class_names(), labels.by_image()
    of_image, gone, left_out = dict(enumerate(known)), set(), 0
    for place, first in same:
        image, kept = images[place], images[first]
        further = of_image[place] - of_image[first] if _go_together(image, kept) else frozenset()
        of_image[first] |= further
        for each in objects[image["id"]]:
            if names[each["category_id"]] in further:
                objects[kept["id"]].append({**each, "image_id": kept["id"]})
            else:
                left_out += 1
        gone.add(place)
    places = [place for place in range(len(images)) if place not in gone]
    document = {
        **labels.document,
        "images": [images[place] for place in places],
        "annotations": [each for place in places for each in objects[images[place]["id"]]],
    }
    return KeptOnce(
        labels=replace(labels, document=document),
        known=[of_image[place] for place in places],
        left_out=left_out,
    )


def _go_together(one: Record, other: Record) -> bool:
    sizes = {(each["width"], each["height"]) for each in (one, other)}
    return len(sizes) == 1 and not any(each.get(key) for each in (one, other) for key in _FEDERATED)


def known_classes(labels: Labels) -> list[frozenset[str]]:
    """For each image, the classes that people looked for: those it says, else all."""
    every = frozenset(labels.class_names().values())
    found = (names_of(image.get("labelled")) for image in labels.images)
    return [every if each is None else each & every for each in found]


def mark_labelled(
    labels: Labels, known: Sequence[frozenset[str]], *, all_images: bool
) -> tuple[Labels, int]:
    """Say on each image which classes were looked for, if these are not all that have objects.

    Args:
        labels: The labels.
        known: For each image, the classes that people looked for.
        all_images: Whether it is said on all images; otherwise only where it was said before.

    Returns:
        The labels, and on how many images it is said.
    """
    names = labels.class_names()
    shown = {names[each["category_id"]] for each in labels.annotations}
    unused = set(names.values()) - shown  # of which nobody can miss an object
    images = []
    for image, own in zip(labels.images, known, strict=True):
        said = names_of(image.get("labelled")) is not None
        plain = {key: value for key, value in image.items() if key != "labelled"}
        if (said or all_images) and not shown <= own:
            plain["labelled"] = sorted(own | unused)
        images.append(plain)
    marked = sum("labelled" in image for image in images)
    return replace(labels, document={**labels.document, "images": images}), marked
