"""`instseg convert`."""

import json

from coco_documents import sound, write_photos

from instseg.cli import main


def test_converts_and_says_what_was_not_kept(tmp_path, capsys):
    write_photos(tmp_path / "photos")
    source, out = tmp_path / "annotations.json", tmp_path / "out"
    source.write_text(json.dumps(sound()))
    given = [str(source), str(out), "--to=yolo-seg", f"--images={tmp_path / 'photos'}"]
    assert main(["convert", *given]) == 0
    text = capsys.readouterr().out.replace("\n", " ")
    assert "crowds: left out" in text
    assert "coco to yolo-seg, 3 images" in text
    assert str(out / "classes.csv") in text
    assert len([*(out / "labels" / "train").iterdir()]) == 3
    assert main(["convert", *given]) == 2
    assert "not overwritten" in capsys.readouterr().err


def test_says_what_must_be_given(tmp_path, capsys):
    assert main(["convert", str(tmp_path), "--to=coco"]) == 2
    assert "no out given" in capsys.readouterr().err
    assert main(["convert", str(tmp_path), str(tmp_path / "out")]) == 2
    assert "--to must be given" in capsys.readouterr().err
    assert main(["convert", str(tmp_path), str(tmp_path / "out"), "--to=word"]) == 2
    assert "--to must be one of" in capsys.readouterr().err
