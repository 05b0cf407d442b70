"""The doctor in Python: `instseg.examine` and `instseg.repair`."""

import inspect
import json

import pytest
from coco_documents import sound, write_json, write_photos

import instseg
from instseg.core.events import Progress, Warned


@pytest.fixture
def broken(tmp_path):
    """A dataset with a broken box, an annotation of no image, and a class with a strange name."""
    document = sound()
    document["annotations"][0]["bbox"] = [10, 5, 0, 20]
    document["annotations"][2]["image_id"] = 99
    document["categories"].append({"id": 8, "name": "<b>owl</b>"})
    return write_json(tmp_path / "train.json", document), write_photos(tmp_path / "photos")


def test_an_examination_tells_what_is_wrong(broken, capsys):
    seen = instseg.examine(str(broken[0]), str(broken[1]))
    assert not seen.ok
    assert {f.code for f in seen.findings if f.severity == "error"} == {
        "box-degenerate",
        "unknown-image",
    }
    assert repr(seen) == "Examination(2 errors, 1 warning, 1 note; 3 images with 8 objects)"
    assert seen.statistics["classes"] == {"dog": 5, "cup": 3, "<b>owl</b>": 0}
    table = seen._repr_html_()
    assert "box-degenerate" in table and "&lt;b&gt;owl" in table and "<b>" not in table
    assert capsys.readouterr() == ("", "")


def test_a_dataset_that_was_read_is_examined_with_its_photos(tmp_path):
    path, photos = write_json(tmp_path / "a.json", sound()), write_photos(tmp_path / "photos")
    (photos / "20.png").unlink()
    data = instseg.CocoData.read(path, photos)
    codes = [found.code for found in instseg.examine(path, photos).findings]
    assert "photo-missing" in codes
    assert [found.code for found in instseg.examine(data).findings] == codes
    val = [f.code for f in instseg.examine(path, photos, val_coco_json=data).findings]
    assert "photo-in-val" in val
    done = instseg.repair(data, out=tmp_path / "fixed.json")
    assert len(done.examination.document["images"]) == 2


def test_a_repair_writes_a_sound_copy(broken, tmp_path, capsys):
    done = instseg.repair(*broken, out=tmp_path / "fixed.json")
    assert done.path == tmp_path / "fixed.json"
    assert json.loads(done.path.read_text()) == done.examination.document
    assert done.examination.ok and instseg.examine(done.path, broken[1]).ok
    assert {(c.code, c.action) for c in done.changes} == {
        ("box-degenerate", "repair"),
        ("unknown-image", "drop"),
    }
    assert "1 repair, 1 left out; 3 images with 8 objects" in repr(done)
    assert "unknown-image" in done._repr_html_()
    assert capsys.readouterr() == ("", "")


def test_progress_and_warnings_are_events(broken, tmp_path):
    events = []
    for number in (20, 30):
        (broken[1] / f"{number}.png").unlink()
    instseg.repair(*broken, out=tmp_path / "fixed.json", on_event=events.append)
    steps = [each for each in events if isinstance(each, Progress)]
    assert {"reading photos", "drawing masks"} <= {each.task for each in steps}
    assert steps[-1].done == steps[-1].total
    assert [e.text for e in events if isinstance(e, Warned) and "1 of 3 images are left" in e.text]


def test_arguments_have_names_and_defaults():
    parameters = inspect.signature(instseg.examine).parameters
    assert list(parameters)[:2] == ["coco_json", "images"]
    assert parameters["photos"].default == "all"
    assert "out" in inspect.signature(instseg.repair).parameters
    with pytest.raises(instseg.InputError, match="val_images needs val_coco_json"):
        instseg.examine("a.json", val_images="photos")


def test_a_dataset_is_never_written_over(broken):
    before = broken[0].read_bytes()
    with pytest.raises(instseg.InputError, match="an input"):
        instseg.repair(*broken, out=broken[0])
    assert broken[0].read_bytes() == before
