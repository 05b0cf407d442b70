"""COCO's JSON files, read fast and checked."""

import json

import pytest

from instseg.coco_json import (
    leads_out,
    match_image_ids,
    read_dataset,
    read_image_ids,
    read_results,
)
from instseg.errors import InputError

SQUARE = [2, 3, 12, 3, 12, 8, 2, 8]


def write(path, **changes):
    """A dataset of one image and one object, in which `changes` replace parts."""
    document = {
        "info": {"anything": [1, None]},
        "images": [{"id": 9, "file_name": "a.jpg", "height": 10, "width": 20, "license": 3}],
        "annotations": [
            {
                "id": 1,
                "image_id": 9,
                "category_id": 4,
                "segmentation": [SQUARE],
                "bbox": [2, 3, 10, 5],
                "area": 50,
                "iscrowd": 0,
            }
        ],
        "categories": [{"id": 4, "name": "cup", "supercategory": "kitchen"}],
    } | changes
    path.write_text(json.dumps(document))
    return path


def test_a_dataset_is_read_with_its_outlines(tmp_path):
    rle = {"size": [10, 20], "counts": [23, 5, 172]}
    other = {"image_id": 9, "category_id": 4, "segmentation": rle, "iscrowd": True}
    path = write(tmp_path / "a.json")
    first = read_dataset(path).annotations[0]
    assert (first.outline(), first.bbox, first.area) == ([SQUARE], [2, 3, 10, 5], 50)
    dataset = read_dataset(write(tmp_path / "b.json", annotations=[other]))
    assert dataset.annotations[0].outline() == rle
    assert dataset.annotations[0].iscrowd


def test_ids_written_as_decimals_or_words_are_numbers(tmp_path):
    images = [{"id": "9", "file_name": "a.jpg", "height": 10.0, "width": 20}]
    assert read_dataset(write(tmp_path / "a.json", images=images)).images[0].id == 9


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"images": [}', "line 1, column 13"),
        ('{"images": []}', "missing required field"),
        ("[]", "Expected `object`"),
        ('{"images": [{"id": 1, "height": 3, "width": NaN}]}', "not valid JSON"),
        ('{"images": [{"id": 1, "height": "tall", "width": 3}]}', r"images\[0\]\.height"),
        ("", "line 1, column 1"),
        ("\xff", "not valid JSON"),
    ],
)
def test_what_is_no_dataset_is_refused_in_one_line(tmp_path, text, words):
    path = tmp_path / "coco.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=words) as caught:
        read_dataset(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_results_are_a_bare_list_or_a_document(tmp_path):
    record = {"image_id": 9, "category_id": 4, "bbox": [2, 3, 10, 5], "score": 0.5}
    (tmp_path / "list.json").write_text(json.dumps([record]))
    bare = read_results(tmp_path / "list.json")
    assert (bare.results, bare.images) == ([record], None)
    document = read_results(write(tmp_path / "document.json", annotations=[record]))
    assert document.results == [record]
    assert [image.file_name for image in document.images] == ["a.jpg"]
    assert [category.name for category in document.categories] == ["cup"]
    with pytest.raises(InputError, match=r"none\.json: cannot be read"):
        read_results(tmp_path / "none.json")


def test_image_ids_of_a_dataset(tmp_path):
    path = tmp_path / "coco.json"
    images = [{"id": 7, "file_name": "val/a.jpg"}, {"id": 8, "file_name": "b.jpg"}]
    path.write_text(json.dumps({"images": images}))
    assert read_image_ids(path) == {"val/a.jpg": 7, "b.jpg": 8}


@pytest.mark.parametrize("text", ["", "[]", '{"images": [{}]}', '{"images": 3}'])
def test_what_is_no_dataset_is_refused(tmp_path, text):
    path = tmp_path / "coco.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"coco\.json"):
        read_image_ids(path)
    with pytest.raises(InputError, match="No such file"):
        read_image_ids(tmp_path / "none.json")


def test_image_ids_match_by_name_then_by_base_name_if_only_one_has_it():
    ids = {"x/a.jpg": 1, "x/b.jpg": 2, "y/b.jpg": 3, "c.jpg": 4}
    files = ["x/a.jpg", "b.jpg", "p/c.jpg", "q/d.jpg"]
    assert match_image_ids(ids, files) == {"x/a.jpg": 1, "p/c.jpg": 4}
    assert match_image_ids(ids, ["p/c.jpg", "q/c.jpg"]) == {}
    assert match_image_ids(ids, ["y/b.jpg", "x/b.jpg"]) == {"y/b.jpg": 3, "x/b.jpg": 2}


@pytest.mark.parametrize(
    ("name", "out"),
    [("a/b.jpg", False), ("a/../b.jpg", False), ("..a.jpg", False), ("..", True), ("/a", True)],
)
def test_which_names_lead_out(name, out):
    assert leads_out(name) == out
