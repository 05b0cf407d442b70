"""What the training benchmark trains, and on what."""

import json

import numpy as np
import pytest
import torch

from instseg.benchmark.train_task import Start, Task
from instseg.core.errors import ArgumentError, InputError
from instseg.files.image_writing import write_image
from instseg.models.mask_rcnn import build_detector, coco_card


def test_photos_have_objects_of_the_model(tmp_path):
    """One photo has nothing, one another class, one a crowd."""
    for number in range(1, 5):
        write_image(tmp_path / f"{number}.png", np.zeros((20, 20, 3), np.uint8))
    outline = {"segmentation": [[1, 1, 9, 1, 9, 9, 1, 9]], "bbox": [1, 1, 8, 8], "area": 64}
    kinds = ((2, 47, 0), (3, 17, 1), (4, 17, 0))  # photo, category, crowd
    document = {
        "images": [
            {"id": i, "file_name": f"{i}.png", "height": 20, "width": 20} for i in range(1, 5)
        ],
        "categories": [{"id": 17, "name": "cat"}, {"id": 47, "name": "cup"}],
        "annotations": [
            {"id": i, "image_id": image, "category_id": category, "iscrowd": crowd, **outline}
            for i, (image, category, crowd) in enumerate(kinds, start=1)
        ],
    }
    path = tmp_path / "some.json"
    path.write_text(json.dumps(document))
    task = Task(coco_json=path, images=tmp_path, steps=1)
    targets = [target for _, target in task.samples(("BG", "dog", "cat")).samples]
    assert [target["labels"].tolist() for target in targets] == [[2]]
    with pytest.raises(InputError, match=r"some.json: has no objects of the model's classes"):
        task.samples(("BG", "dog"))


def test_a_pth_file_needs_its_architecture(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(build_detector(coco_card("compact")).network.state_dict(), path)
    assert Start(weights=str(path), architecture="compact").model().card.architecture == "compact"
    with pytest.raises(InputError, match="architecture"):
        Start(weights=str(path)).model()


def test_what_cannot_be_trained():
    with pytest.raises(ArgumentError, match="batch_size must be at least 1"):
        Task(batch_size=0, steps=1)
    with pytest.raises(ArgumentError, match="coco_json needs images"):
        Task(coco_json="train.json", steps=1)
