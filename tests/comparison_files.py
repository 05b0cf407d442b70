"""A small dataset and two untrained models to compare on it."""

from pathlib import Path

import torch
from coco_documents import annotation, sound, write_json, write_photos
from stand_in import TINY_CARD, stand_in_model

from instseg.models.segmenters import fresh_segmenter

IMAGES = 5


def document():
    """Cups, dogs and crowds, a lamp that the U-Net alone knows, a moon that nobody knows."""
    found = sound(IMAGES)
    found["categories"] += [{"id": 9, "name": "lamp"}, {"id": 11, "name": "moon"}]
    for number, image in enumerate(found["images"]):
        left = 5 * number
        for category, top in ((9, 28), (11, 40)):
            square = [left, top, left + 10, top, left + 10, top + 8, left, top + 8]
            new = 1000 + 10 * image["id"] + category
            box = [left, top, 10, 8]
            found["annotations"].append(annotation(new, image["id"], category, [square], box, 80))
    return found


def write_files(folder: Path) -> Path:
    """A dataset, a Mask R-CNN that finds dozens of instances, and a U-Net, none of them trained."""
    write_photos(folder, IMAGES)
    write_json(folder / "data.json", document())
    stand_in_model(TINY_CARD).save(folder / "mask_rcnn.safetensors")
    save_unet(folder / "unet.safetensors", ("BG", "lamp", "dog", "cup", "tree"))
    return folder


def save_unet(path, names):
    torch.manual_seed(1)
    ids = tuple(range(len(names)))
    fresh_segmenter("unet", names, ids, widths=[4, 8], norm=False).save(path)
    return path
