"""Reading JSON of unknown health."""

import gc

import pytest
from coco_documents import sound, write_json

from instseg.core.errors import InputError
from instseg.doctor.table import read_document, tabulate


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


def test_sound_records_become_columns():
    table, found = tabulate(sound(images=1))
    assert found == []
    assert table.images == {10: 0}
    assert table.boxes[0].tolist() == [10, 5, 30, 20]
    assert table.sizes_wh.tolist() == [[80, 60]] * 4
    assert table.crowd.tolist() == [False, False, False, True]
    assert table.class_name(7) == "dog"


def test_keys_of_wrong_records_are_counted_and_shown():
    document = sound()
    document["images"][0]["width"] = "wide\x1b[2J"
    del document["images"][1]["height"]
    messages = {f.code: f.message for f in tabulate(document)[1]}
    assert "height (1)" in messages["key-missing"]
    assert "width (1), for example 'wide\\x1b[2J'" in messages["key-type"]
