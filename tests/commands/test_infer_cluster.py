"""`infer --ray`: what cannot work is told in one line, before anything starts."""

import importlib.util

import pytest

from instseg.cli import main

needs_extra = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None or importlib.util.find_spec("pyarrow") is None,
    reason="ray or pyarrow is not installed: pip install 'instseg[scale]'",
)


@needs_extra
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--crops"], "--crops does not go with --ray"),
        (["--to", "cvat"], "--to does not go with --ray"),
        (["--color-by", "instance"], "--color-by does not go with --ray"),
        (["--device", "mps"], "with --ray, --device must be auto, cpu or cuda, not mps"),
        (["--polygons"], "--polygons and --coco-json need --predictions-json"),
        (["--embed", "all"], "--embed and --pixel-size need --report"),
        (["--ray", "somewhere"], "--ray must be local, auto, or HOST:PORT"),
        (["--ray", "127.0.0.1:1"], "--ray 127.0.0.1:1: no answer"),
        (["--ray", "ü" * 70 + ":1"], ": no answer"),
    ],
)
def test_what_cannot_work_is_one_line(options, words, tmp_path, capsys):
    given = ["infer", str(tmp_path), "--weights", "demo", "--out", str(tmp_path / "out")]
    assert main([*given, "--ray", "local", *options]) == 2
    shown = capsys.readouterr().err
    assert words in " ".join(shown.split()) and "Traceback" not in shown
    assert not list((tmp_path / "out").rglob("*.parquet"))


@needs_extra
def test_an_earlier_job_is_not_overwritten(tmp_path, capsys):
    shards = tmp_path / "out" / "shards"
    shards.mkdir(parents=True)
    (shards / "manifest.json").write_text("{}")
    given = ["infer", str(tmp_path), "--weights", "demo", "--out", str(tmp_path / "out")]
    assert main([*given, "--ray", "local"]) == 2
    assert "continue it with --resume" in " ".join(capsys.readouterr().err.split())
    assert (shards / "manifest.json").read_text() == "{}"


@needs_extra
def test_videos_are_told_before_anything_starts(tmp_path, capsys):
    out = tmp_path / "out"
    assert (
        main(["infer", "clip.mp4", "--weights", "demo", "--out", str(out), "--ray", "local"]) == 2
    )
    shown = " ".join(capsys.readouterr().err.split())
    assert "clip.mp4: videos do not go with --ray" in shown
    assert not out.exists()
