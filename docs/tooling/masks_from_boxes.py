"""Give the annotations of a COCO dataset that have only a box the mask that weights see in it.

    python docs/tooling/masks_from_boxes.py train.json --images train/ --out train_with_masks.json

Of annotations with a score, those from the second value of `--pseudo` on are kept, those between
the two become crowd regions, which semantic maps ignore, and those below the first are left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from instseg.files.image import read_image
from instseg.models.inference import Detector
from instseg.models.load import load_detector
from instseg.predict.paste import paste_masks


def add_masks(
    found: list[dict[str, Any]], path: Path, detector: Detector, class_of: dict[int, int]
) -> None:
    """Add masks to the annotations of one photo that have none, in place."""
    boxes = np.array([each["bbox"] for each in found], dtype=np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    image = read_image(path)
    height, width = image.shape[:2]
    boxes = np.clip(boxes, 0, [width, height, width, height]).astype(np.float32)
    soft = detector.masks_inside(
        torch.from_numpy(image).permute(2, 0, 1),
        torch.from_numpy(boxes),
        torch.tensor([class_of[each["category_id"]] for each in found]),
    )
    masks = paste_masks(soft, torch.from_numpy(boxes), (height, width))
    for each, rle in zip(found, masks.to_rle(), strict=True):
        each["segmentation"] = rle


def main() -> None:
    """Read the dataset, and write it with masks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("coco_json", type=Path)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--weights", default="photos")
    parser.add_argument("--pseudo", type=float, nargs=2, default=(0.25, 0.4))
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    model = load_detector(arguments.weights)
    detector = Detector(model, torch.device("cpu"), torch.float32)
    class_of = {number: i for i, number in enumerate(model.card.category_ids)}
    document = json.loads(arguments.coco_json.read_text())
    ignored, learnt = arguments.pseudo
    document["annotations"] = [a for a in document["annotations"] if a.get("score", 1) >= ignored]
    without: dict[int, list[dict[str, Any]]] = {}
    for each in document["annotations"]:
        if each.get("score", 1) < learnt:
            each["iscrowd"] = 1
        if not each.get("segmentation"):
            without.setdefault(each["image_id"], []).append(each)
    for image in document["images"]:
        if image["id"] in without:
            path = arguments.images / image["file_name"]
            add_masks(without[image["id"]], path, detector, class_of)
    arguments.out.write_text(json.dumps(document))


if __name__ == "__main__":
    main()
