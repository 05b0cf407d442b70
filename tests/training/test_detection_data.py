"""What fine-tuning trains on and measures with."""

import pytest
from coco_documents import sound, write_json

from instseg.core.errors import InputError
from instseg.core.events import Warned
from instseg.data.coco import CocoData
from instseg.training.detection_data import check_validation_classes


@pytest.fixture
def val(tmp_path):
    """Cups and dogs."""
    return CocoData.read(write_json(tmp_path / "val.json", sound()), tmp_path)


def test_classes_that_are_not_trained_are_told(val):
    events = []
    check_validation_classes(val, ("BG", "cup", "lamp"), events.append)
    (event,) = events
    assert isinstance(event, Warned)
    assert event.text.endswith("1 class not trained, which count as 0 in the mean AP: dog")


def test_classes_that_are_all_trained_are_fine(val):
    events = []
    check_validation_classes(val, ("BG", "cup", "dog", "lamp"), events.append)
    assert not events


def test_no_shared_class_is_refused(val):
    with pytest.raises(InputError, match=r"no objects of the trained classes.*cup, dog"):
        check_validation_classes(val, ("BG", "lamp"))
