"""Threads of torch: those of one thread, and those that the command line chooses."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
import torch

from instseg.system.threads import Workers, only_here, workers_for

ROOT = Path(__file__).resolve().parents[2]
CHOICE = """
import os, sys
from instseg.system.threads import spared_processors, use_threads, workers_for
use_threads({threads})
import torch
names = ("OMP_NUM_THREADS", "GOMP_SPINCOUNT")
count = workers_for(torch.device("cpu")).count
print(torch.get_num_threads(), *map(os.environ.get, names), count, spared_processors())
"""


def chosen(threads: int | None = None, **environment: str) -> list[str]:
    """Torch's threads, OMP_NUM_THREADS, GOMP_SPINCOUNT, workers and spared processors."""
    mine = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", CHOICE.format(threads=threads)],
        env={**mine, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def in_a_thread(work):
    result = []
    thread = Thread(target=lambda: result.append(work()))
    thread.start()
    thread.join()
    return result[0]


def test_torch_uses_other_threads_in_one_thread_alone():
    before = torch.get_num_threads()

    def limited() -> int:
        only_here(before + 1)()
        torch.ones(100_000).sum()
        return torch.get_num_threads()

    assert in_a_thread(limited) == before + 1
    assert torch.get_num_threads() == before
    assert in_a_thread(torch.get_num_threads) == before


def test_the_threads_of_a_python_program_are_shared_by_workers():
    before = torch.get_num_threads()
    cpu = torch.device("cpu")
    try:
        torch.set_num_threads(3)
        assert workers_for(cpu) == Workers(3, 1)
        assert workers_for(cpu, 1) == Workers(1, 3)
        assert workers_for(cpu, 0) == Workers(1, 3)
        torch.set_num_threads(8)
        assert workers_for(cpu, 100) == Workers(4, 2)
        assert workers_for(torch.device("cuda")).count == 1
    finally:
        torch.set_num_threads(before)


def test_a_number_that_the_user_has_set_is_used():
    assert chosen(OMP_NUM_THREADS="1") == ["1", "1", "10000", "1", "0"]
    assert chosen(1, OMP_NUM_THREADS="2") == ["1", "1", "10000", "1", "0"]


@pytest.mark.parametrize("setting", [("GOMP_SPINCOUNT", "7"), ("OMP_WAIT_POLICY", "PASSIVE")])
def test_how_threads_wait_is_left_to_the_user(setting):
    name, value = setting
    spins = value if name == "GOMP_SPINCOUNT" else "None"
    assert chosen(1, **{name: value})[2] == spins


def test_without_a_number_all_processors_are_shared_out():
    threads, told, _, workers, spared = chosen()
    assert threads == told
    assert int(threads) + int(spared) >= int(workers)
    assert 1 <= int(workers) <= 4
