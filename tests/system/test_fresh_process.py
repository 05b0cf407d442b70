"""Functions called in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from instseg.core.errors import ArgumentError, InputError
from instseg.system.fresh_process import in_fresh_process

ROOT = Path(__file__).resolve().parents[2]


def pid_and(side, *arguments):
    print("what it prints is not its result")
    return os.getpid(), side, arguments


def failing(side):
    raise ArgumentError("{size} is wrong", size=3)


def killed(side):
    os.kill(os.getpid(), 9)


def test_the_result_comes_back_from_another_process():
    pid, side, arguments = in_fresh_process(pid_and, "ours", Path("a"), [1, 2])
    assert pid != os.getpid()
    assert (side, arguments) == ("ours", (Path("a"), [1, 2]))


def test_what_it_raises_is_raised_here():
    with pytest.raises(ArgumentError, match="size=3 is wrong"):
        in_fresh_process(failing, "ours")


def test_a_killed_process_is_one_line():
    with pytest.raises(InputError, match=r"^ours: its process ran out of memory or was killed"):
        in_fresh_process(killed, "ours")


def test_a_script_needs_no_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from instseg.core.wording import count\n"
        "from instseg.system.fresh_process import in_fresh_process\n"
        "print('once', in_fresh_process(max, 'a', 'b'))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "once b\n"
