"""Training in two processes that torchrun has started, talking through gloo."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from instseg.system.processes import process_count, process_rank
from instseg.training.loop import Trainer
from instseg.training.recipe import Recipe

TRAIN = """
import sys

import torch
from instseg.system.processes import joined_processes, process_rank
from test_several_processes import make_trainer

with joined_processes():
    trainer = make_trainer()
    *_, figures = trainer.train_steps()
    torch.save((figures, trainer.network.state_dict()), f"{sys.argv[1]}/{process_rank()}.pt")
"""


class Line:
    """A network that needs no chance: y = norm(a x + b)."""

    def __init__(self):
        self.network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))

    def enter_stage(self, scope):
        self.network.train()
        self.network[1].eval()

    def backbone_weights(self):
        return ()

    def losses(self, images, targets):
        found = self.network(torch.stack(images))
        return {"square": (found - torch.stack(targets)).square().mean()}


class Numbers:
    """Five samples, so that two processes cannot have the same number of them."""

    epochs = 3

    def __init__(self, rank, processes):
        self.rank, self.processes = rank, processes

    def batches(self, epoch):
        rows = [(epoch + i) % 5 for i in range(6)]
        return [[row] for row in rows[self.rank :: self.processes]]

    def name_of(self, key):
        return str(key)

    def __getitem__(self, key):
        return torch.full((1, 2, 2), float(key)), torch.full((2, 2, 2), float(key * key))


def make_trainer(accumulate=1):
    torch.manual_seed(0)
    samples = Numbers(process_rank(), process_count())
    recipe = Recipe(
        gradient_accumulation_steps=accumulate, warmup_steps=1, learning_rate=0.1, workers=0
    )
    return Trainer(Line(), samples, recipe, torch.device("cpu"))


def test_two_processes_learn_what_one_learns_with_twice_the_batch(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    subprocess.run(
        [*torchrun, "--standalone", str(script), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        check=True,
    )
    (figures, first), (figures_too, second) = (
        torch.load(tmp_path / f"{rank}.pt") for rank in range(2)
    )
    assert figures == figures_too
    assert all(torch.equal(first[name], second[name]) for name in first)

    alone = make_trainer(accumulate=2)
    *_, expected = alone.train_steps()
    assert figures == pytest.approx(expected)
    for name, value in alone.network.state_dict().items():
        torch.testing.assert_close(first[name], value)
