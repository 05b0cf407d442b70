"""A small dataset, and results with one mistake of each kind."""

import json
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from instseg.files.image_writing import write_image

HEIGHT, WIDTH = 80, 120
CUP, DOG = 3, 7
NAMES = ("apart.png", "crowd.png", "empty.png", "twice.png")
APART, CROWD, EMPTY, TWICE = range(1, 5)  # image ids

OBJECTS = [  # image, category, box, crowd
    (APART, CUP, (5, 5, 20, 20), 0),
    (APART, DOG, (50, 5, 20, 20), 0),
    (APART, DOG, (50, 45, 20, 20), 0),
    (TWICE, DOG, (10, 10, 30, 30), 0),
    (TWICE, CUP, (70, 10, 30, 30), 0),
    (CROWD, DOG, (10, 50, 20, 20), 0),
    (CROWD, CUP, (35, 5, 20, 20), 0),
    (CROWD, DOG, (35, 55, 20, 20), 0),
    (CROWD, CUP, (60, 10, 50, 50), 1),
]
RESULTS = [  # image, category, box, score
    (APART, CUP, (5, 5, 20, 20), 0.9),  # a hit
    (APART, CUP, (50, 5, 20, 20), 0.8),  # of the wrong class
    (APART, DOG, (60, 45, 20, 20), 0.75),  # badly placed
    (TWICE, DOG, (10, 10, 30, 30), 0.95),  # a hit
    (TWICE, DOG, (12, 10, 30, 30), 0.7),  # a duplicate
    (TWICE, CUP, (72, 10, 30, 30), 0.2),  # too unsure
    (CROWD, DOG, (10, 50, 20, 20), 0.5),  # a hit
    (CROWD, CUP, (35, 5, 20, 20), 0.45),  # a hit
    (CROWD, DOG, (35, 55, 20, 20), 0.4),  # a hit
    (CROWD, DOG, (5, 5, 15, 15), 0.6),  # of nothing
    (CROWD, CUP, (70, 20, 20, 20), 0.85),  # one of the crowd
    *((EMPTY, DOG, (10, 10, 20, 20), score) for score in (0.3, 0.28, 0.26)),  # too unsure
]
LEAST = {"cup": 0.35, "dog": 0.35}  # which are also the thresholds for prediction


def rle(box):
    x, y, width, height = box
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8, order="F")
    mask[y : y + height, x : x + width] = 1
    coded = coco_mask.encode(mask)
    return {"size": coded["size"], "counts": coded["counts"].decode()}


def truth():
    return {
        "images": [
            {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH}
            for number, name in enumerate(NAMES, start=1)
        ],
        "annotations": [
            {
                "id": 100 + i,
                "image_id": image,
                "category_id": category,
                "bbox": list(box),
                "area": box[2] * box[3],
                "segmentation": rle(box),
                "iscrowd": crowd,
            }
            for i, (image, category, box, crowd) in enumerate(OBJECTS)
        ],
        "categories": [{"id": CUP, "name": "cup"}, {"id": DOG, "name": "dog"}],
    }


def results(given=RESULTS, *, boxes=True, masks=True):
    found = []
    for image, category, box, score in given:
        record = {"image_id": image, "category_id": category, "score": score}
        record |= {"bbox": list(box)} if boxes else {}
        found.append(record | ({"segmentation": rle(box)} if masks else {}))
    return found


def write_truth(folder: Path, document=None) -> Path:
    """`truth.json`, and the photos in `photos`."""
    (folder / "photos").mkdir()
    rng = np.random.default_rng(0)
    for name in NAMES:
        coarse = rng.integers(80, 255, (8, 12, 3), dtype=np.uint8)
        write_image(folder / "photos" / name, np.kron(coarse, np.ones((10, 10, 1), np.uint8)))
    (folder / "truth.json").write_text(json.dumps(document or truth()))
    return folder / "truth.json"
