"""What a format cannot hold is told."""

import json

import pytest
from coco_documents import sound, write_photos

from instseg import convert
from instseg.formats.convert import read_labels
from instseg.formats.registry import NAMES

WORDS = ("background", "BG", "_background_", "__ignore__", "void", "unlabeled", "ignore")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("word", [*WORDS, "undefined", "ego vehicle", "license plate"])
def test_objects_of_classes_that_mean_none_come_back_or_are_told(tmp_path, name, word):
    document = sound(images=1)
    document["annotations"] = document["annotations"][:2]
    document["categories"][0]["name"] = word
    write_photos(tmp_path / "images", 1)
    (tmp_path / "a.json").write_text(json.dumps(document))
    done = convert(tmp_path / "a.json", tmp_path / "out", to=name)
    labels, _ = read_labels(tmp_path / "out", tmp_path / "images", from_format=name)
    names = labels.class_names()
    is_there = word in [names[each["category_id"]] for each in labels.annotations]
    told = [note for note in done.notes if f"1 object of the class {word!r}" in note]
    assert is_there == (not told)


def test_polygons_of_classes_that_do_not_count_are_told(tmp_path):
    document = sound(images=1)
    document["categories"] += [{"id": n, "name": f"class {n}"} for n in range(8, 80)]
    document["categories"][0]["name"] = "unlabeled"
    (tmp_path / "a.json").write_text(json.dumps(document))
    done = convert(tmp_path / "a.json", tmp_path / "out", to="cityscapes")
    words = "objects of classes that do not count there: left out on reading (2)"
    assert words in done.notes
