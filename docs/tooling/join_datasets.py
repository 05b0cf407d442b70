"""Join COCO files of the same categories, whose photos lie in one folder, into one file.

    python docs/tooling/join_datasets.py train_masks.json train_boxes.json --out train.json

Images and annotations are numbered anew; all their other fields are kept.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


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


def main() -> None:
    """Read the files, and write the joined one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    documents = [json.loads(path.read_text()) for path in arguments.files]
    for path, each in zip(arguments.files, documents, strict=True):
        if each["categories"] != documents[0]["categories"]:
            parser.error(f"{path}: its categories are not those of {arguments.files[0]}")
    arguments.out.write_text(json.dumps(join(documents)))


if __name__ == "__main__":
    main()
