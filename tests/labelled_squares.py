"""A dataset of squares with good predictions, in which label errors can be planted."""

import json

import numpy as np

from instseg.core.masks import Masks
from instseg.files.image_writing import write_image

SIZE_HW = (120, 160)
SIDE = 30
PLACES = ((10, 10), (60, 10), (110, 10), (10, 70), (60, 70))  # of the objects of each image
EMPTY = (110, 70)  # where no image has one


def squares(images: int = 60, seed: int = 0) -> tuple[dict, list[dict]]:
    """Images 1, 2, ... each with five squares, "cup" and "dog" in turn; ids from 1 on.

    Returns:
        The dataset, and predictions of all squares, a pixel off at each side at most, with scores
        of 0.02 to 1, most of them high; every third image has a false one of a low score.
    """
    rng = np.random.default_rng(seed)
    height, width = SIZE_HW
    document = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "height": height, "width": width}
            for i in range(1, images + 1)
        ],
        "annotations": [],
        "categories": [{"id": 3, "name": "cup"}, {"id": 7, "name": "dog"}],
    }
    results = []
    for image_id in range(1, images + 1):
        for x, y in PLACES:
            number = len(document["annotations"]) + 1
            category_id = (3, 7)[number % 2]
            known = {"image_id": image_id, "category_id": category_id}
            document["annotations"].append({"id": number, **known, **square(x, y), "iscrowd": 0})
            dx, dy, dw, dh = rng.integers(-1, 2, 4).tolist()
            found = square(x + dx, y + dy, SIDE + dw, SIDE + dh)
            results.append({**known, **found, "score": score(rng.normal(4, 1.5))})
        if image_id % 3 == 0:
            false = {"image_id": image_id, "category_id": 7}
            results.append({**false, **square(*EMPTY), "score": score(rng.normal(-2, 1))})
    return document, results


def score(log_odds: float) -> float:
    """A score by the logarithm of its odds."""
    return float(1 / (1 + np.exp(-log_odds)))


def square(x, y, width=SIDE, height=SIDE) -> dict:
    """Segmentation, bbox and area of a rectangle."""
    mask = np.zeros((1, *SIZE_HW), dtype=bool)
    mask[0, y : y + height, x : x + width] = True
    return {
        "segmentation": Masks.from_dense(mask).to_rle()[0],
        "bbox": [x, y, width, height],
        "area": width * height,
    }


def annotation_of(document, number) -> dict:
    """The annotation with this id."""
    return next(each for each in document["annotations"] if each["id"] == number)


def with_errors(images: int = 60) -> tuple[dict, list[dict], dict[str, int | None]]:
    """The same with an error of each kind, and the ids of the wrong annotations by kind.

    Deleted is annotation 7, of image 2 at (60, 10).
    """
    document, results = squares(images)
    wrong = {"missing": None, "wrong class": 13, "badly placed": 22, "spurious": 1000}
    document["annotations"].remove(annotation_of(document, 7))
    annotation_of(document, 13)["category_id"] = 3  # which is of 7
    annotation_of(document, 22).update(square(60 + 9, 10 + 5))
    spurious = {"id": 1000, "image_id": 8, "category_id": 3, **square(*EMPTY), "iscrowd": 0}
    document["annotations"].append(spurious)
    return document, results, wrong


def write_squares(folder, document):
    """The dataset as val.json and photos/ in a folder; returns the file."""
    height, width = SIZE_HW
    (folder / "photos").mkdir()
    for image in document["images"]:
        picture = np.full((height, width, 3), 60, dtype=np.uint8)
        for each in document["annotations"]:
            if each["image_id"] == image["id"]:
                picture[Masks.from_rle([each["segmentation"]]).dense(0)] = (200, 120, 40)
        write_image(folder / "photos" / image["file_name"], picture)
    (folder / "val.json").write_text(json.dumps(document))
    return folder / "val.json"
