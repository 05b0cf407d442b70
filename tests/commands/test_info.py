from dataclasses import replace
from pathlib import Path

import pytest

from instseg.commands.info import Options, run
from instseg.core.errors import InputError
from instseg.files.model_file import load_model_file, save_model_file
from instseg.models.load import load_model


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


def test_a_recipe_is_told_in_short_lines_without_what_is_not_given(tiny_weights, tmp_path, capsys):
    card, state = load_model_file(tiny_weights)
    recipe = {"seed": 3, "tile": None, "loss": "", "parts": {"rate": 0.5}} | {
        f"number_{i}": i for i in range(100)
    }
    card = replace(card, provenance={"recipe": recipe, "made by": "a test"})
    save_model_file(tmp_path / "trained.safetensors", state, card)
    assert run(Options(file=tmp_path / "trained.safetensors")) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("provenance     made by a test") + 1
    told = "\n".join(lines[start:])
    assert told.startswith("recipe         seed 3, parts.rate 0.5, number_0 0, number_1 1,")
    assert max(map(len, lines[start:])) < 120
    assert "tile" not in told and "loss" not in told and "{" not in told


def test_columns_without_a_value_are_left_out(tiny_weights, tmp_path, capsys):
    card, state = load_model_file(tiny_weights)
    block = {"AP": 0.5, "intervals": {"AP": [0.4, 0.6]}, "per_class": {"cat": 0.5}}
    for name, scores in (("with", block), ("without", block | {"intervals": {}})):
        card = replace(card, provenance={"metrics": {"segm": scores}})
        save_model_file(tmp_path / name, state, card)
        assert run(Options(file=tmp_path / name)) == 0
        printed = capsys.readouterr().out
        assert ("95% interval" in printed) == (name == "with")
        assert "class  mask AP" in printed


def test_parameters_are_those_of_the_network(tiny_weights, capsys):
    network = load_model(tiny_weights).network
    assert run(Options(file=tiny_weights)) == 0
    expected = sum(each.numel() for each in network.parameters())
    assert f"parameters     {expected:,} in" in capsys.readouterr().out
