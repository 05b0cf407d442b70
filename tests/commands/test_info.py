from dataclasses import replace
from pathlib import Path

import pytest

from instseg.commands.info import Options, run
from instseg.core.errors import InputError
from instseg.files.model_file import load_model_file, save_model_file


def test_shows_what_the_file_holds(tiny_weights, capsys):
    assert run(Options(file=tiny_weights)) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "architecture compact" in lines
    assert "cat 17, dog 18" in lines
    assert "provenance made by a test" in lines
    assert "arguments" in " ".join(lines)
    assert f"file {tiny_weights}" in lines


def test_refuses_what_is_no_model_file(tmp_path):
    for name in ("missing.safetensors", "text.pth"):
        Path(tmp_path / "text.pth").write_text("nothing")
        with pytest.raises(InputError, match=name):
            run(Options(file=tmp_path / name))


def test_embedded_weights_by_name(monkeypatch, tiny_weights, tmp_path, capsys):
    monkeypatch.setenv("INSTSEG_WEIGHTS", str(tmp_path))
    (tmp_path / "photos.safetensors").write_bytes(tiny_weights.read_bytes())
    assert run(Options(file=Path("photos"))) == 0
    assert str(tmp_path / "photos.safetensors") in capsys.readouterr().out
    with pytest.raises(InputError, match=r"publishes box AP 0\.474 and mask AP 0\.418"):
        run(Options(file=Path("coco-v2")))
    with pytest.raises(InputError, match="did you mean photos"):
        run(Options(file=Path("photo")))


def test_escape_sequences_do_not_reach_the_terminal(tiny_weights, tmp_path, capsys):
    card, state = load_model_file(tiny_weights)
    card = replace(card, provenance={"made by": "\x1b[2J\na test"})
    save_model_file(tmp_path / "odd.safetensors", state, card)
    assert run(Options(file=tmp_path / "odd.safetensors")) == 0
    assert "provenance     made by ?[2J a test" in capsys.readouterr().out.splitlines()
