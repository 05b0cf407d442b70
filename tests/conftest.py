"""What every test may use."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def coco_dir() -> Path:
    """159 real COCO photos with annotations, where the developers' folder holds them."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "coco"
    if not folder.is_dir():
        pytest.skip("the real COCO photos are not here")
    return folder


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """Small inputs in the shape of bug reports, where the developers' folder holds them."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip("the small cases are not here")
    return folder


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> Path:
    """A model file of two classes that finds something, anything, in every photo."""
    import torch

    from instseg.files.model_file import ModelCard
    from instseg.models.mask_rcnn import PREPROCESSING, build

    torch.manual_seed(0)
    card = ModelCard(
        architecture="compact",
        architecture_args={
            "num_classes": 3,
            "width": 8,
            "channels": 8,
            "mask_channels": 8,
            "head_channels": 16,
            "mask_head": [8],
        },
        class_names=("BG", "cat", "dog"),
        category_ids=(0, 17, 18),
        preprocessing={**PREPROCESSING, "min_size": 64, "max_size": 96},
        thresholds={},
        provenance={"made by": "a test"},
    )
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    model = build(card)
    model.network.roi_heads.mask_predictor.logits.bias.data.fill_(2.0)  # no empty masks
    model.save(path)
    return path
