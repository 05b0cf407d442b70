"""COCO's JSON files, read fast and checked."""

import gc
import json

import pytest
from coco_documents import sound, write_json

from instseg.core.errors import InputError
from instseg.files.coco_json import (
    leads_out,
    match_image_ids,
    parse_dataset,
    read_content,
    read_document,
    read_image_ids,
    read_results,
)

SQUARE = [2, 3, 12, 3, 12, 8, 2, 8]


def read_dataset(path):
    return parse_dataset(read_content(path), path)


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
        ('{"images": [{"file_name": "\xe9"}]}', "not valid JSON"),
        ('{"images":' * 10**5, "line 1|Expected"),
        ('{"images": [{"id": 1, "height": 0, "width": 3}]}', r">= 1 .*images\[0\]\.height"),
        ('{"images": [{"id": 9007199254740993, "height": 1, "width": 3}]}', r"images\[0\]\.id"),
    ],
)
def test_what_is_no_dataset_is_refused_in_one_line(tmp_path, text, words):
    path = tmp_path / "coco.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=words) as caught:
        read_dataset(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [("bbox", [1, 2, 3]), ("bbox", [1, 2, 3, 1e300]), ("area", -1), ("iscrowd", 2)],
)
def test_an_annotation_that_would_falsify_a_score_is_refused(tmp_path, key, value):
    broken = {"image_id": 9, "category_id": 4, key: value}
    with pytest.raises(InputError, match=rf"annotations\[0\]\.{key}.*instseg doctor"):
        read_dataset(write(tmp_path / "a.json", annotations=[broken]))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_files_as_windows_writes_them(tmp_path, encoding):
    path = write(tmp_path / "a.json")
    path.write_text(path.read_text(), encoding=encoding)
    assert read_dataset(path).images[0].file_name == "a.jpg"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[{"score": NaN}]', "NaN"),
        ('[{"bbox": ' + "[" * 10**5 + "]" * 10**5 + "}]", "not valid JSON"),
        ("5", "results are a list, or a document"),
    ],
)
def test_what_are_no_results_is_refused_in_one_line(tmp_path, text, words):
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(InputError, match=rf"r\.json.*{words}"):
        read_results(tmp_path / "r.json")


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


def test_huge_image_ids_are_told_to_be_numbered_anew(tmp_path):
    path, told = tmp_path / "coco.json", []
    ids = [2**60, 2**53, "7", 8.0]
    images = [{"id": number, "file_name": f"{i}.jpg"} for i, number in enumerate(ids)]
    path.write_text(json.dumps({"images": images}))
    read = read_image_ids(path, told.append)
    assert read == {"0.jpg": 9, "1.jpg": 10, "2.jpg": 7, "3.jpg": 8}
    assert "2 image ids are not whole numbers below 2^53" in told[0].text


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


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"images": [],\n "categories": [}', "line 2, column 17"),
        (b"", "line 1, column 1"),
        (b'{"a": "\xff\xfe"}', "not JSON text"),
        (b"[" * 100_000, "not JSON text"),
        (b"9" * 5000, "not JSON text"),
    ],
)
def test_what_is_no_json_is_told_in_one_line(tmp_path, content, words):
    path = tmp_path / "data.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_document(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert gc.isenabled()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.json"):
        read_document(tmp_path / "none.json")


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = write_json(tmp_path / "data.json", sound())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_document(path) == sound()


@pytest.mark.parametrize(
    ("text", "given"),
    [
        *(
            (t, False)
            for t in ("null", "[]", "{}", '""', "[[]]", "[ [ ],\n[ ] ]", '"[[]]"', " [ ]")
        ),
        *((t, True) for t in ("[[1,2,3,4,5,6]]", '{"counts": "a"}', '"abc"', "7")),
    ],
)
def test_which_segmentations_are_empty(tmp_path, text, given):
    path = write(tmp_path / "a.json")
    found = path.read_text().replace(json.dumps([SQUARE]), text)
    path.write_text(found)
    (annotation,) = read_dataset(path).annotations
    assert annotation.has_outline == given
    assert annotation.is_box_only != given


@pytest.mark.parametrize(
    ("score", "read", "strange"),
    [
        (0.25, 0.25, False),
        (1, 1.0, False),
        ("0.5", 0.5, False),
        (None, None, False),
        *((value, None, True) for value in (95, -0.1, "high", True, [0.5], {"a": 1})),
    ],
)
def test_a_strange_score_is_no_score(tmp_path, score, read, strange):
    document = json.loads(write(tmp_path / "a.json").read_text())
    document["annotations"][0]["score"] = score
    (annotation,) = read_dataset(write(tmp_path / "a.json", **document)).annotations
    assert annotation.detector_score == read
    assert annotation.has_strange_score == strange


@pytest.mark.parametrize("value", [True, "cup", {"cup": 1}, [["cup"]], [None]])
def test_lists_of_classes_of_another_form_are_none(tmp_path, value):
    image = {"id": 9, "file_name": "a.jpg", "height": 10, "width": 20, "labelled": value}
    found = read_dataset(write(tmp_path / "a.json", images=[image], searched=value))
    assert found.images[0].labelled_classes is None
    assert found.searched_classes is None
