"""What a user sees of `instseg doctor`."""

import json
import os

import pytest
from coco_documents import sound, write_json, write_photos

from instseg.cli import main
from instseg.files.image import read_image


@pytest.fixture
def dataset(tmp_path):
    """A broken JSON, its photos, and the folder for what is written."""
    document = sound()
    document["annotations"][0]["bbox"] = [10, 5, 0, 20]
    document["annotations"][2]["image_id"] = 99
    document["images"][2]["file_name"] = "\x1b[2J\u202e.png"
    path = write_json(tmp_path / "train.json", document)
    return path, write_photos(tmp_path / "photos"), tmp_path / "out"


def doctor(path, folder, out, *more):
    options = ["--coco-json", str(path), "--out", str(out), *map(str, more)]
    return main(["doctor", *options, *(["--images", str(folder)] if folder else [])])


def test_findings_are_printed_and_written(dataset, capsys):
    path, folder, out = dataset
    before = path.read_bytes()
    assert doctor(path, folder, out) == 1
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].split() == ["severity", "code", "count", "problem"]
    assert "box-degenerate" in printed and "id 101" in printed
    assert "3 images, 8 objects" in printed and "dog 5" in printed
    assert "\x1b[2J" not in printed
    last = printed.splitlines()[-1]
    assert "3 errors" in last and str(out / "findings.json") in last
    report = json.loads((out / "findings.json").read_text())
    found = {each["code"]: each for each in report["findings"]}
    assert found["unknown-image"] == {
        "code": "unknown-image",
        "severity": "error",
        "count": 1,
        "section": "annotations",
        "ids": [103],
        "message": found["unknown-image"]["message"],
        "fix": "drop",
    }
    assert report["statistics"]["classes"] == {"dog": 5, "cup": 3}
    assert read_image(out / "contact_sheet.png").size
    assert path.read_bytes() == before


def test_the_repaired_file_has_no_errors(dataset, tmp_path, capsys):
    path, folder, out = dataset
    assert doctor(path, folder, out, "--fix", tmp_path / "fixed.json") == 1
    printed = capsys.readouterr().out
    assert "dropped" in printed and "repaired" in printed
    changes = json.loads((out / "changes.json").read_text())
    assert {
        "section": "annotations",
        "id": 101,
        "code": "box-degenerate",
        "action": "repair",
        "before": {"bbox": [10, 5, 0, 20]},
        "after": {"bbox": [10.0, 5.0, 30.0, 20.0]},
    } in changes
    assert any(c["id"] == 103 and c["after"] is None for c in changes)
    assert doctor(tmp_path / "fixed.json", folder, out, "--no-contact-sheet") == 0


@pytest.mark.parametrize("way", ["same", "link", "hard link", "val"])
def test_an_input_is_never_overwritten(dataset, tmp_path, capsys, way):
    path, folder, out = dataset
    val = write_json(tmp_path / "val.json", sound())
    target = {"same": path, "val": val}.get(way, tmp_path / "other.json")
    if way == "link":
        target.symlink_to(path)
    if way == "hard link":
        os.link(path, target)
    before = path.read_bytes()
    assert doctor(path, folder, out, "--fix", target, "--val-coco-json", val) == 2
    assert "input" in capsys.readouterr().err
    assert path.read_bytes() == before and json.loads(val.read_text()) == sound()


@pytest.mark.parametrize("text", ['{"images": [}', "[1, 2]"])
def test_nothing_to_examine_or_repair(tmp_path, capsys, text):
    path = tmp_path / "bad.json"
    path.write_text(text)
    assert doctor(path, None, tmp_path / "out", "--fix", tmp_path / "fixed.json") == 2
    said = capsys.readouterr().err
    assert str(path) in said and said.count("\n") == 1
    assert not (tmp_path / "fixed.json").exists()


def test_without_photos_and_without_faults(tmp_path, capsys):
    path = write_json(tmp_path / "a.json", sound())
    assert doctor(path, None, tmp_path / "out") == 0
    assert "0 errors, 1 warning, 0 notes" in capsys.readouterr().out
    assert not (tmp_path / "out" / "contact_sheet.png").exists()


def test_a_validation_set_is_compared(dataset, tmp_path, capsys):
    _, folder, out = dataset
    path = write_json(tmp_path / "a.json", sound())
    both = ["--val-coco-json", path, "--val-images", folder]
    assert doctor(path, folder, out, *both) == 1
    assert "photo-in-val" in capsys.readouterr().out
    assert doctor(path, folder, out, "--val-images", folder) == 2


def test_no_report_is_written_over_the_dataset(dataset, capsys):
    path, folder, out = dataset
    out.mkdir()
    path = path.rename(out / "findings.json")
    before = path.read_bytes()
    assert doctor(path, folder, out) == 2
    assert "findings.json is an input" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_class_names_may_hold_anything(tmp_path, capsys):
    document = sound()
    document["categories"][0]["name"] = "a\nb" + 9000 * "x"
    document["categories"][1]["name"] = "half \ud800"
    path, folder = write_json(tmp_path / "a.json", document), write_photos(tmp_path / "photos")
    fixed = tmp_path / "fixed.json"
    assert doctor(path, folder, tmp_path / "out", "--fix", fixed) == 1
    assert max(map(len, capsys.readouterr().out.splitlines())) < 1000
    assert json.loads(fixed.read_text())["categories"][1]["name"] == "half ?"
    assert doctor(fixed, folder, tmp_path / "out") == 0


def test_a_report_is_not_overwritten_by_the_repaired_file(dataset, capsys):
    path, folder, out = dataset
    assert doctor(path, folder, out, "--fix", out / "findings.json") == 2
    assert "is a report" in capsys.readouterr().err


def test_what_is_no_json_number_does_not_reach_the_repaired_file(tmp_path, dataset):
    path, folder, out = dataset
    text = path.read_text().replace('"info"', '"x"').replace("{", '{"quality": NaN, ', 1)
    path.write_text(text)
    doctor(path, folder, out, "--fix", tmp_path / "fixed.json")
    assert "NaN" not in (tmp_path / "fixed.json").read_text()


def test_photos_of_both_sets_lie_in_one_folder_unless_told_otherwise(dataset, capsys):
    path, folder, out = dataset
    assert doctor(path, folder, out, "--val-coco-json", path) == 1
    assert "photo-in-val" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["folder", "annotations"])
def test_a_repair_that_leaves_nothing_is_not_written(tmp_path, capsys, change):
    document = sound()
    if change == "annotations":
        document["annotations"] = {str(i): a for i, a in enumerate(document["annotations"])}
    path = write_json(tmp_path / "train.json", document)
    folder = write_photos(tmp_path / "photos") if change == "annotations" else tmp_path
    assert doctor(path, folder, tmp_path / "out", "--fix", tmp_path / "fixed.json") == 2
    assert "none of the" in capsys.readouterr().err
    assert not (tmp_path / "fixed.json").exists()


def test_a_repair_that_drops_most_says_so(tmp_path, capsys):
    path = write_json(tmp_path / "train.json", sound())
    folder = write_photos(tmp_path / "photos")
    for number in (20, 30):
        (folder / f"{number}.png").unlink()
    assert doctor(path, folder, tmp_path / "out", "--fix", tmp_path / "fixed.json") == 1
    assert "only 1 of 3 images are left" in capsys.readouterr().err


def test_the_repaired_file_is_no_photo_and_no_folder(dataset, capsys):
    path, folder, out = dataset
    for wrong in (folder / "10.png", folder):
        assert doctor(path, folder, out, "--fix", wrong) == 2
        assert "name a .json file" in capsys.readouterr().err


def test_the_report_is_written_beside_the_findings(dataset, capsys):
    path, folder, out = dataset
    assert doctor(path, folder, out, "--report") == 1
    assert str(out / "report.html") in capsys.readouterr().out.splitlines()[-1]
    text = (out / "report.html").read_text(encoding="utf-8")
    assert "box-degenerate" in text and "101 in 10.png" in text
    assert "\x1b[2J" not in text
