"""Join COCO files of the same categories, whose photos lie in one folder, into one file.

    python docs/tooling/join_datasets.py train_masks.json train_boxes.json --out train.json

Images and annotations are numbered anew; all their other fields are kept. `searched` of the joined
file names the classes that a detector has looked for on the photos that people labelled with some
classes only, which must be the same in all files that have such photos.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from instseg.data.coco import CocoData
from instseg.data.labels import TrainingLabels


def join(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """One document of all images and annotations."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for document in documents:
        ids = {}
        for image in document["images"]:
            ids[image["id"]] = len(images) + 1
            images.append(image | {"id": len(images) + 1})
        for each in document["annotations"]:
            own = {"id": len(annotations) + 1, "image_id": ids[each["image_id"]]}
            annotations.append(each | own)
    return {
        "images": images,
        "annotations": annotations,
        "categories": documents[0]["categories"],
    }


def searched_in(path: Path) -> frozenset[str] | None:
    """The classes that a detector has looked for; None if no photo is labelled with some only."""
    data = CocoData.read(path, path.parent)
    if not any(i.is_federated or i.labelled_classes is not None for i in data.images):
        return None
    return TrainingLabels(data=data).searched


def main() -> None:
    """Read the files, and write the joined one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    documents = [json.loads(path.read_text()) for path in arguments.files]
    searched: dict[frozenset[str], Path] = {}
    for path, each in zip(arguments.files, documents, strict=True):
        if each["categories"] != documents[0]["categories"]:
            parser.error(f"{path}: its categories are not those of {arguments.files[0]}")
        classes = searched_in(path)
        if classes is not None:
            searched.setdefault(classes, path)
    if len(searched) > 1:
        one, other, *_ = searched.values()
        parser.error(f"{other}: a detector has searched it for other classes than {one}")
    joined = join(documents)
    if searched:
        joined["searched"] = sorted(*searched)
    arguments.out.write_text(json.dumps(joined))


if __name__ == "__main__":
    main()
