"""The two models that are compared."""

import pytest
from comparison_files import save_unet
from stand_in import TINY_CARD, stand_in_model

from instseg.comparison.load import class_order, name_of
from instseg.core.errors import ArgumentError

NAMES = ("BG", "cat", "dog", "cup")


def test_the_order_of_classes():
    assert class_order(None, NAMES, "demo") == ("cat", "dog", "cup")
    assert class_order("cup , cat", NAMES, "demo") == class_order(["cup", "cat"], NAMES, "demo")
    with pytest.raises(ArgumentError, match="priority: demo knows no class 'BG', but cat, dog"):
        class_order("BG", NAMES, "demo")


def test_names_of_loaded_models():
    assert name_of(stand_in_model(TINY_CARD)) == "loaded compact"


def test_names_of_files(tmp_path):
    path = save_unet(tmp_path / "unet.safetensors", ("BG", "cup"))
    assert name_of(path) == str(path)
