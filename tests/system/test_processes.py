"""Which GPU a process takes; what processes tell each other is in training/ and commands/."""

import pytest
import torch

from instseg.core.errors import InputError
from instseg.system.processes import process_device


@pytest.fixture
def two_gpus(monkeypatch):
    """What torch says on a machine with two, to the second of several processes."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")


def test_each_process_takes_a_gpu_of_its_own(two_gpus):
    assert process_device("auto") == process_device("cuda") == "cuda:1"
    assert process_device("cpu") == "cpu"


def test_more_processes_than_gpus(two_gpus, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(InputError, match="needs a GPU of its own, and there are 2; start 2, or"):
        process_device("auto")
    assert process_device("cpu") == "cpu"


def test_one_process_leaves_the_choice_to_torch(two_gpus, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert process_device("auto") == "auto"
