"""The embedded weights for photos do what the README says."""

from pathlib import Path

import pytest
import skimage.data

from instseg import Predictor, Segmenter
from instseg.core.classes import COCO_CATEGORY_IDS, COCO_CLASSES
from instseg.files.about import ABOUT
from instseg.files.model_file import read_model_card
from instseg.files.model_metrics import stored_metrics
from instseg.files.weights import NAMED

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
PATH = WEIGHTS / "photos.safetensors"
UNET = WEIGHTS / "photos-unet.safetensors"


def test_the_file_is_small_and_describes_itself():
    assert PATH.stat().st_size <= 16e6
    card = read_model_card(PATH)
    assert card.architecture == NAMED["photos"].architecture
    assert card.class_names == COCO_CLASSES
    assert card.category_ids == COCO_CATEGORY_IDS
    assert set(card.thresholds) == set(COCO_CLASSES[1:])
    assert card.provenance.keys() >= {"recipe", "metrics", *ABOUT}
    metrics = stored_metrics(card)
    for kind in ("bbox", "segm"):
        assert metrics[kind].images == 100
        low, high = metrics[kind].intervals["AP"]
        assert 0 < low < high < 1
        assert sum(metrics[kind].objects.values()) == 773  # and 6 crowd regions


@pytest.mark.parametrize(
    ("photo", "name"), [("astronaut", "person"), ("cat", "cat"), ("coffee", "cup")]
)
def test_it_finds_what_everyone_sees(photo, name):
    found = Predictor("photos", precision="fp32")(getattr(skimage.data, photo)())
    assert name in found.names
    assert len(found) <= 8


def test_the_semantic_network_is_small_and_describes_itself():
    assert UNET.stat().st_size <= 8e6
    card = read_model_card(UNET)
    assert card.architecture == NAMED["photos-unet"].architecture
    assert card.class_names == COCO_CLASSES
    assert card.category_ids == COCO_CATEGORY_IDS


@pytest.mark.parametrize(("photo", "name"), [("astronaut", "person"), ("cat", "cat")])
def test_it_labels_most_pixels_of_what_everyone_sees(photo, name):
    labels = Segmenter("photos-unet", precision="fp32")(getattr(skimage.data, photo)())
    assert (labels == COCO_CLASSES.index(name)).mean() > 0.2
