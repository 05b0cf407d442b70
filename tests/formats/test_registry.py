import json

import pytest
from coco_documents import sound, write_photos
from round_trip import through

from instseg import InputError, convert
from instseg.formats.convert import read_labels
from instseg.formats.registry import NAMES, recognised


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_recognised_as_what_it_is(tmp_path, name):
    write_photos(tmp_path / "in")
    (tmp_path / "in" / "a.json").write_text(json.dumps(sound()))
    done = convert(tmp_path / "in" / "a.json", tmp_path / "out", to=name, copy_photos=True)
    assert recognised(done.path).name == name


LABELME = {"version": "5.5.0", "imagePath": "a.jpg", "imageHeight": 48, "imageWidth": 64}
SHAPE = {"label": "cat", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}


def test_a_file_with_nan_is_recognised(tmp_path):
    broken = {**SHAPE, "points": [[float("nan"), 1], [9, 1], [9, 9]]}
    (tmp_path / "a.json").write_text(json.dumps({**LABELME, "shapes": [SHAPE, broken]}))
    labels, found = read_labels(tmp_path)
    assert found.name == "labelme"
    assert len(labels.annotations) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.json", '{"shapes": [{"la'), ("a.json", ""), ("a.xml", "<annotation><obj")],
)
def test_it_is_said_why_a_broken_file_is_not_recognised(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(InputError, match=f"{name}: no"):
            read_labels(path)


def test_photos_beside_other_files_are_no_labels(tmp_path):
    write_photos(tmp_path)
    (tmp_path / "package.json").write_text('{"name": "a"}')
    (tmp_path / "numbers.txt").write_text("1 2 3 4 5\n")
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(InputError, match="none of the known formats"):
        recognised(tmp_path)


def test_a_broken_file_is_named_once_and_an_empty_folder_is_called_so(tmp_path):
    (tmp_path / "a.json").write_text("nope")
    with pytest.raises(InputError, match=r"^[^:]*: none of the known formats: not valid JSON"):
        recognised(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"formats: .*a\.json: not valid"):
        recognised(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="is empty"):
        recognised(tmp_path / "empty")


def test_other_json_files_do_not_hide_annotations(tmp_path):
    write_photos(tmp_path / "images")
    (tmp_path / "info.json").write_text("{}")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_train.json").write_text(json.dumps(sound()))
    assert read_labels(tmp_path)[1].name == "coco"


def test_photos_of_impossible_size_are_left_out(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({**LABELME, "shapes": [SHAPE]}))
    huge = {**LABELME, "imagePath": "b.jpg", "imageHeight": 100_000, "imageWidth": 100_000}
    (tmp_path / "b.json").write_text(json.dumps({**huge, "shapes": [SHAPE]}))
    labels, _ = read_labels(tmp_path)
    assert [image["file_name"] for image in labels.images] == ["a.jpg"]
    assert "photos of more than 250,000,000 pixels by their labels" in labels.notes[-1]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_classes_are_one_line_and_photos_without_objects_stay(tmp_path, name):
    write_photos(tmp_path / "in")
    document = sound()
    for category in document["categories"]:
        category["name"] += ',\n"a": <b>'
    first = document["images"][0]["id"]
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] != first]
    (tmp_path / "in" / "a.json").write_text(json.dumps(document))
    after = through(tmp_path / "in" / "a.json", name, tmp_path / "out", copy_photos=True)
    assert {*after.class_names().values()} == {'cup, "a": <b>', 'dog, "a": <b>'}
    assert len(after.images) == len(document["images"])
