"""What a format cannot hold of labels, counted."""

from __future__ import annotations

from collections import Counter

from instseg.core.errors import InputError
from instseg.core.wording import count
from instseg.formats.format import FEATURES, Feature, Format
from instseg.formats.labels import Labels, Record
from instseg.formats.shapes import counts_of, has_mask, size_of


def losses(labels: Labels, target: Format) -> list[str]:
    """One line for each feature, and each class, that is in the labels and not in the format.

    Returns:
        Such as `YOLO boxes: 3 crowds: left out`.

    Raises:
        InputError: Nothing would be left, because all objects are crowds, as some tools export.
    """
    if "crowds" in target.loses and labels.annotations and _only_crowds(labels):
        raise InputError(
            f"all {len(labels.annotations):,} objects are flagged as crowds, which {target.title} "
            "has not; `instseg doctor --fix F --clear-crowds` makes objects of them"
        )
    shapes = bool({"holes", "parts"} & target.loses.keys())
    found = features_of(labels, shapes=shapes)
    lines = [
        f"{target.title}: {found[name]:,} {FEATURES[name][1 if found[name] == 1 else 2]}: {words}"
        for name, words in target.loses.items()
        if found[name]
    ]
    return lines + _without_class(labels, target)


def features_of(labels: Labels, *, shapes: bool = True) -> Counter[Feature]:
    """How many records have each feature.

    Args:
        labels: The labels.
        shapes: Whether to count holes and parts, which takes longer.
    """
    found: Counter[Feature] = Counter()
    images = {image["id"]: image for image in labels.images}
    for annotation in labels.annotations:
        _count(annotation, found)
        if shapes and has_mask(annotation):
            try:
                parts, holes = counts_of(annotation, size_of(images[annotation["image_id"]]))
            except ValueError:  # which the doctor tells of
                continue
            found["parts"] += parts > 1
            found["holes"] += holes > 0
    found["splits"] = sum(bool(image.get("split")) for image in labels.images)
    with_objects = {annotation["image_id"] for annotation in labels.annotations}
    found["empty"] = len(images.keys() - with_objects)
    return found


def _only_crowds(labels: Labels) -> bool:
    return all(annotation.get("iscrowd") for annotation in labels.annotations)


def _without_class(labels: Labels, target: Format) -> list[str]:
    """A line for each class whose name means in the format that there is no object."""
    names = {i: name for i, name in labels.class_names().items() if target.no_class(name)}
    found = Counter(
        names[a["category_id"]] for a in labels.annotations if a["category_id"] in names
    )
    return [
        f"{target.title}: {count(times, 'object')} of the class {name!r}, a name for what is no "
        "object: left out on reading"
        for name, times in found.items()
    ]


def _count(annotation: Record, found: Counter[Feature]) -> None:
    masked, crowd = has_mask(annotation), bool(annotation.get("iscrowd"))
    found["crowds"] += crowd
    found["masks"] += masked and not crowd
    found["boxes"] += not masked
    found["ids"] += "id" in annotation
    found["scores"] += annotation.get("score") is not None
    found["attributes"] += bool(annotation.get("attributes"))
    found["tracks"] += annotation.get("track_id") is not None
