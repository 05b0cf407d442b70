import json

import pytest

from instseg import InputError, convert


def test_the_result_says_what_was_done(source, tmp_path):
    done = convert(source, tmp_path / "out", to="yolo")
    assert repr(done).startswith(f"Conversion('{tmp_path / 'out'}': coco to yolo, 3 images, ")
    assert done.classes_csv.is_file()
    assert "<table" in done._repr_html_()


def test_one_file_with_its_table(source, tmp_path):
    done = convert(source, tmp_path / "new" / "my.json", to="coco")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "my.classes.csv",
        "my.json",
    ]
    assert done.classes_csv == tmp_path / "new" / "my.classes.csv"


def test_nothing_is_overwritten(source, tmp_path):
    (tmp_path / "out").mkdir()
    convert(source, tmp_path / "out", to="coco")  # an empty folder is free
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for name in ("out", "data/annotations.json"):
        with pytest.raises(InputError, match="not overwritten"):
            convert(source, tmp_path / name, to="coco")
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_folder_is_not_named_like_a_file(source, tmp_path):
    with pytest.raises(InputError, match="name a folder"):
        convert(source, tmp_path / "out.json", to="yolo")


def test_the_doctor_tells_what_it_finds(source, tmp_path):
    document = json.loads(source.read_text())
    document["annotations"][0]["bbox"] = [0, 0, 1, 1]
    source.write_text(json.dumps(document))
    told = []
    done = convert(source, tmp_path / "out", to="coco", on_event=told.append)
    assert done.findings[0].code == "box-not-mask"
    assert any("box-not-mask" in getattr(event, "text", "") for event in told)


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_nothing_to_convert(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=str(tmp_path / name)):
        convert(tmp_path / name, tmp_path / "out", to="coco")


def test_a_failed_conversion_leaves_nothing(source, tmp_path, monkeypatch):
    def stop(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(source, tmp_path / "new" / "out", to="yolo", on_event=stop)
    assert not list((tmp_path / "new").iterdir()) if (tmp_path / "new").exists() else True


def test_objects_get_the_area_and_box_that_they_lack(source, tmp_path):
    document = json.loads(source.read_text())
    stated = [(each["bbox"], each["area"]) for each in document["annotations"]]
    for each in document["annotations"]:
        del each["bbox"], each["area"]
    source.write_text(json.dumps(document))
    done = convert(source, tmp_path / "out.json", to="coco")
    assert not [found.code for found in done.findings if found.severity == "error"]
    written = json.loads(done.path.read_text())["annotations"]
    assert [each["area"] for each in written[2:4]] == [area for _, area in stated[2:4]]
    assert [each["bbox"] for each in written[2:4]] == [box for box, _ in stated[2:4]]


def test_the_notes_have_what_only_writing_shows(source, tmp_path):
    (image, *_) = json.loads(source.read_text())["images"]
    (source.parent / "images" / image["file_name"]).unlink()
    told = []
    done = convert(source, tmp_path / "out", to="yolo-seg", on_event=told.append)
    (note,) = [note for note in done.notes if "photos that are not there" in note]
    assert note in [getattr(event, "text", "") for event in told]
