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
