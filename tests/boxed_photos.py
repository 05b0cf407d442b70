"""Small COCO datasets of boxes, by the classes of each photo."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from instseg.files.image_writing import write_image

SIDE = 64


def document(
    photos: Mapping[str, Sequence[str]], classes: Sequence[str] = (), **fields: Mapping[str, Any]
) -> dict[str, Any]:
    """A document.

    Args:
        photos: The class of each object, by the name of the photo.
        classes: The classes; by default those of the objects.
        fields: By the name of a field of image records, its value for names of photos.
    """
    names = list(classes) or sorted({name for own in photos.values() for name in own})
    images, annotations = [], []
    for number, (file_name, own) in enumerate(photos.items(), start=1):
        more = {key: values[file_name] for key, values in fields.items() if file_name in values}
        size = {"width": SIDE, "height": SIDE}
        images.append({"id": number, "file_name": file_name, **size, **more})
        for name in own:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": names.index(name) + 1,
                    "bbox": [4, 4, 20, 10],
                    "area": 200,
                    "segmentation": [],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": at, "name": name} for at, name in enumerate(names, start=1)]
    return {"images": images, "categories": categories, "annotations": annotations}


def write_dataset(path: Path, photos: Mapping[str, Sequence[str]], *args: Any, **kw: Any) -> Path:
    """Write a document; see there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(photos, *args, **kw)))
    return path


def write_photo(path: Path, seed: int) -> Path:
    """A photo of random squares, unlike any of another seed."""
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.kron(coarse, np.ones((SIDE // 8, SIDE // 8, 1), np.uint8)))
    return path


def read(folder: Path) -> dict[str, dict[str, list[str]]]:
    """What a folder of COCO files has: by file, by photo, the classes of its objects, sorted."""
    found = {}
    for file in sorted(folder.glob("*.json")):
        content = json.loads(file.read_text())
        names = {each["id"]: each["name"] for each in content["categories"]}
        photos = {each["id"]: each["file_name"] for each in content["images"]}
        own: dict[str, list[str]] = {name: [] for name in photos.values()}
        for each in content["annotations"]:
            own[photos[each["image_id"]]].append(names[each["category_id"]])
        found[file.stem] = {name: sorted(classes) for name, classes in own.items()}
    return found
