"""What must be right about the ids and names of a COCO dataset before it is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from instseg.core.errors import InputError
from instseg.files.coco_records import Annotation, Dataset


def check_images_and_categories(path: Path, dataset: Dataset) -> None:
    """Raise InputError for ids and names that come twice, and for a category called BG."""
    _check_unique(path, "image id", [image.id for image in dataset.images])
    _check_unique(path, "category id", [category.id for category in dataset.categories])
    _check_unique(path, "category name", [category.name for category in dataset.categories])
    if any(category.name == "BG" for category in dataset.categories):
        raise InputError(
            f"{path}: a category is called BG, which is what is no object; rename or "
            "remove it, or let `instseg doctor --fix` rename it"
        )


def annotations_by_image(path: Path, dataset: Dataset) -> dict[int, list[Annotation]]:
    """The annotations of each image; InputError for one of an unknown image or category."""
    annotations: dict[int, list[Annotation]] = {image.id: [] for image in dataset.images}
    classes = {category.id for category in dataset.categories}
    for each in dataset.annotations:
        if each.image_id not in annotations or each.category_id not in classes:
            unknown = f"category {each.category_id}, which is not among its own categories"
            if each.image_id not in annotations:
                unknown = f"image {each.image_id}, which is not among its own images"
            raise InputError(
                f"{path}: annotation {each.id} is of {unknown}; "
                "`instseg doctor --fix` leaves it out"
            )
        annotations[each.image_id].append(each)
    return annotations


def _check_unique(path: Path, what: str, values: Sequence[object]) -> None:
    if len(set(values)) < len(values):
        again = Counter(values).most_common(1)[0][0]
        mend = "leaves out the later one" if what.endswith("id") else "joins the two"
        raise InputError(f"{path}: {what} {again!r} twice; `instseg doctor --fix` {mend}")
