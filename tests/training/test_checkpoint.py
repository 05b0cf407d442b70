"""Checkpoints."""

import pickle

import pytest
import torch

from instseg.core.errors import InputError
from instseg.training.checkpoint import load_checkpoint, save_checkpoint


def test_what_is_saved_comes_back(tmp_path):
    state = {"step": 3, "model": {"weight": torch.arange(4.0)}, "list": [1, 2.5]}
    save_checkpoint(tmp_path / "c.pt", state)
    back = load_checkpoint(tmp_path / "c.pt")
    assert back["step"] == 3
    assert torch.equal(back["model"]["weight"], state["model"]["weight"])
    assert [file.name for file in tmp_path.iterdir()] == ["c.pt"]


def test_a_cut_off_checkpoint_is_one_clear_line(tmp_path):
    path = tmp_path / "c.pt"
    save_checkpoint(path, {"weight": torch.zeros(1000)})
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="without resume"):
        load_checkpoint(path)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    mark = tmp_path / "ran"
    with (tmp_path / "c.pt").open("wb") as file:
        pickle.dump({"step": Bomb(mark)}, file)
    with pytest.raises(InputError):
        load_checkpoint(tmp_path / "c.pt")
    assert not mark.exists()
