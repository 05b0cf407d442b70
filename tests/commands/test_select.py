"""`instseg select`."""

from instseg.cli import main
from instseg.scenes.scene import SceneConfig, write_scenes


def test_writes_a_list_and_says_where(tmp_path, tiny_weights, capsys):
    write_scenes(tmp_path, 3, SceneConfig(size_hw=(64, 64), objects=(1, 2)))
    out, photos = tmp_path / "out", tmp_path / "images"
    given = ["select", str(photos), f"--weights={tiny_weights}", "--count=2", f"--out={out}"]
    assert main([*given, "--device=cpu"]) == 0
    text = capsys.readouterr().out.replace("\n", "")
    assert f"{out / 'selected.txt'}: 2 of 3 photos to label" in text
    assert len((out / "selected.txt").read_text().splitlines()) == 2
    (photos / "broken.jpg").write_bytes(b"broken")
    assert main([*given, "--device=cpu"]) == 1
    assert "1 photo failed" in capsys.readouterr().out.replace("\n", " ")


def test_says_what_must_be_given(tmp_path, capsys):
    assert main(["select", "--weights=demo"]) == 2
    assert "no photos given" in capsys.readouterr().err
    assert main(["select", str(tmp_path)]) == 2
    assert "--weights must be given" in capsys.readouterr().err
