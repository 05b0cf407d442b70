"""What an image costs each model."""

import numpy as np
import pytest
from comparison_files import save_unet
from stand_in import TINY_CARD, stand_in_model

from instseg.comparison.cost import cost_of_mask_rcnn, cost_of_unet
from instseg.files.image_writing import write_image


@pytest.fixture
def photos(tmp_path):
    path = tmp_path / "photo.png"
    write_image(path, np.zeros((48, 64, 3), np.uint8))
    return [path] * 10


def test_time_and_memory_of_both(photos, tmp_path):
    unet = save_unet(tmp_path / "unet.safetensors", ("BG", "cup"))
    stand_in_model(TINY_CARD).save(tmp_path / "ours.safetensors")
    how = {"device": "cpu", "engine": "auto", "precision": "fp32"}
    ours = {"architecture": None, "score_threshold": 0.5, "rule": "score", "priority": ()}
    for cost in (
        cost_of_unet("unet", photos, str(unet), **how),
        cost_of_mask_rcnn("ours", photos, str(tmp_path / "ours.safetensors"), **ours, **how),
    ):
        seconds = cost["seconds"]
        assert 0 < seconds["fastest"] <= seconds["median"] <= seconds["slowest"]
        assert cost["memory_mb"] >= 0
