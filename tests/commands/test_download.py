"""Weights fetched ahead."""

import hashlib
from dataclasses import replace

import pytest

from instseg.cli import main
from instseg.files.weights import NAMED, locate


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A mirror that has small weights under the name `coco-v2`; gives the file."""
    path = tmp_path / "mirror" / "small.pth"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    changed = replace(NAMED["coco-v2"], sha256_prefix=digest[:8], file_name="small.pth")
    monkeypatch.setitem(NAMED, "coco-v2", changed)
    monkeypatch.delenv("INSTSEG_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("INSTSEG_WEIGHTS_URL", path.parent.as_uri())
    return path


def test_what_was_fetched_is_found_without_internet(mirror, tmp_path, capsys):
    assert main(["download", "coco-v2", "demo"]) == 0
    fetched = tmp_path / "torch" / "hub" / "checkpoints" / "small.pth"
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"coco-v2: {fetched}", f"demo: {locate('demo')}"]
    mirror.unlink()
    assert locate("coco-v2") == fetched
    assert main(["download", "coco-v2"]) == 0


def test_what_cannot_be_fetched_is_one_line(mirror, capsys):
    mirror.unlink()
    assert main(["download", "coco-v2"]) == 2
    assert main(["download", "coco-v9"]) == 2
    assert main(["download"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "could not be downloaded" in lines[0]
    assert "unknown weights" in lines[1]
    assert "no weights given" in lines[2]
