"""COCO documents of unknown health as columns."""

from coco_documents import sound

from instseg.doctor.table import tabulate


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
