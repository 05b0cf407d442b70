"""COCO documents for the tests of the doctor: a sound one, to be broken in one place."""

import copy
import json

import numpy as np

from instseg.core.masks import Masks
from instseg.files.image_writing import write_image

SIZE_HW = (60, 80)
RECTANGLE = [10, 5, 40, 5, 40, 25, 10, 25]


def donut() -> np.ndarray:
    yy, xx = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    return abs(np.hypot(yy - 40, xx - 60) - 10) < 5


def crowd() -> np.ndarray:
    return np.indices(SIZE_HW)[0] > 50


def rle(mask) -> dict:
    return Masks.from_dense(np.asarray(mask)[None]).to_rle()[0]


def annotation(number, image_id, category_id, segmentation, bbox, area, iscrowd=0) -> dict:
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": segmentation,
        "bbox": bbox,
        "area": area,
        "iscrowd": iscrowd,
    }


def sound(images=3) -> dict:
    """Images 10, 20, ... each with a rectangle, a two-part object, a donut and a crowd.

    Categories are 3 "cup" and 7 "dog". Annotations of image 10 have ids 101 to 104.
    """
    document = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 3, "name": "cup"}, {"id": 7, "name": "dog"}],
    }
    for number in range(10, 10 * images + 1, 10):
        height, width = SIZE_HW
        document["images"].append(
            {"id": number, "file_name": f"{number}.png", "height": height, "width": width}
        )
        first = 10 * number + 1
        parts = [[50, 5, 60, 5, 60, 15], [64.5, 5, 76.5, 5, 70.5, 17]]
        document["annotations"] += [
            annotation(first, number, 3, [RECTANGLE], [10, 5, 30, 20], 600),
            annotation(first + 1, number, 7, parts, [50, 5, 26.5, 12], 122),
            annotation(first + 2, number, 7, rle(donut()), [46, 26, 29, 29], int(donut().sum())),
            annotation(first + 3, number, 3, rle(crowd()), [0, 51, 80, 9], 720, iscrowd=1),
        ]
    return copy.deepcopy(document)  # no two records share a list


def write_photos(folder, images=3, seed=0):
    """The photos of `sound`, each of its own random stripes."""
    rng = np.random.default_rng(seed)
    for number in range(10, 10 * images + 1, 10):
        coarse = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
        write_image(folder / f"{number}.png", np.kron(coarse, np.ones((10, 10, 1), np.uint8)))
    return folder


def write_json(path, document):
    path.write_text(json.dumps(document))
    return path
