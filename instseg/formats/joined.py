"""The labels of several files as one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from instseg.formats.labels import Labels, Record


def joined(parts: Sequence[Labels], splits: Sequence[str]) -> Labels:
    """The labels of several files: classes are one by name, and ids that would clash are renewed.

    Args:
        parts: One or more.
        splits: The split of each, or "".
    """
    marked = [_with_split(part, split) for part, split in zip(parts, splits, strict=True)]
    if len(marked) == 1:
        return marked[0]
    folders = [part.photos for part in marked if part.photos is not None]
    root = Path(os.path.commonpath(folders)) if folders else None
    categories: dict[str, Record] = {}
    images: list[Record] = []
    annotations: list[Record] = []
    renew = {key: _clash(marked, key) for key in ("images", "annotations")}
    for part in marked:
        prefix = part.photos.relative_to(root).as_posix() if root and part.photos else "."
        prefix = "" if prefix == "." else f"{prefix}/"
        class_ids = {each["id"]: _class_id(each, categories) for each in part.categories}
        image_ids = _numbers(part.images, len(images), renew=renew["images"])
        numbers = _numbers(part.annotations, len(annotations), renew=renew["annotations"])
        images += [
            {
                **_with_ids(each, class_ids),
                "id": image_ids[each["id"]],
                "file_name": prefix + each["file_name"],
            }
            for each in part.images
        ]
        annotations += [
            {
                **each,
                "id": numbers[each["id"]],
                "image_id": image_ids[each["image_id"]],
                "category_id": class_ids[each["category_id"]],
            }
            for each in part.annotations
        ]
    document = {"images": images, "categories": [*categories.values()], "annotations": annotations}
    return Labels(
        document={**marked[0].document, **document},
        photos=root,
        notes=tuple(note for part in marked for note in part.notes),
    )


def _with_ids(image: Record, class_ids: Mapping[int, int]) -> Record:
    """An image whose lists of categories, which LVIS has, are of the new ids."""
    lists = {
        key: [class_ids.get(number, number) for number in image[key]]
        for key in ("neg_category_ids", "not_exhaustive_category_ids")
        if isinstance(image.get(key), list)
    }
    return {**image, **lists}


def _with_split(part: Labels, split: str) -> Labels:
    if not split:
        return part
    images = [{"split": split, **image} for image in part.images]
    return replace(part, document={**part.document, "images": images})


def _clash(parts: Sequence[Labels], section: str) -> bool:
    ids = [record["id"] for part in parts for record in part.document[section]]
    return len(set(ids)) < len(ids)


def _numbers(records: Sequence[Record], before: int, *, renew: bool) -> dict[int, int]:
    """The new id of each id."""
    if not renew:
        return {each["id"]: each["id"] for each in records}
    return {each["id"]: before + n for n, each in enumerate(records, start=1)}


def _class_id(category: Record, categories: dict[str, Record]) -> int:
    """The id of a class in the joined labels, to which it is added if it is new."""
    name = str(category["name"])
    if name not in categories:
        used = {each["id"] for each in categories.values()}
        number = category["id"] if category["id"] not in used else max(used) + 1
        categories[name] = {**category, "id": number}
    return int(categories[name]["id"])
