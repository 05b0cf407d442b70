"""`instseg make-scenes`."""

import json

import pytest

from instseg.cli import main


def test_writes_a_dataset_and_says_where(tmp_path, capsys):
    out = tmp_path / "scenes"
    assert main(["make-scenes", f"--out={out}", "--images=2", "--size=128"]) == 0
    document = json.loads((out / "annotations.json").read_text())
    assert [image["width"] for image in document["images"]] == [128, 128]
    assert all((out / "images" / image["file_name"]).is_file() for image in document["images"])
    assert str(out / "annotations.json") in capsys.readouterr().out


def test_draws_the_classes_named(tmp_path, capsys):
    given = [f"--out={tmp_path}", "--images=1", "--size=64", "--classes"]
    assert main(["make-scenes", *given, "lighthouse, cup"]) == 0
    document = json.loads((tmp_path / "annotations.json").read_text())
    assert [each["name"] for each in document["categories"]] == ["cup", "lighthouse"]
    assert f"1 scene in {tmp_path}" in capsys.readouterr().out
    assert main(["make-scenes", *given, "cup,zebra"]) == 2
    assert "zebra cannot be drawn; choose from person" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["--images=0", "--size=8", "--most-objects=2"])
def test_refuses_what_cannot_be_drawn(tmp_path, wrong, capsys):
    assert main(["make-scenes", f"--out={tmp_path}", wrong]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert wrong.split("=")[0] in line


def test_draws_a_video(tmp_path, capsys):
    pytest.importorskip("av")
    given = [f"--out={tmp_path}", "--video", "--images=2", "--size=64"]
    assert main(["make-scenes", *given]) == 0
    out = capsys.readouterr().out.replace("\n", "")
    assert str(tmp_path / "video.mp4") in out
    assert "2 frames" in out
    assert main(["make-scenes", *given, "--start=1"]) == 2
    assert "--video needs an even --size" in capsys.readouterr().err
