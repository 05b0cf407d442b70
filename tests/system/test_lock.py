"""One run at a time in a folder."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from instseg.core.errors import InputError
from instseg.system.lock import LOCK_NAME, only_run_in

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import pathlib, sys
from instseg.system.lock import only_run_in
with only_run_in(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def start_holder(folder: Path) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_run_is_told_who_writes_there(tmp_path):
    folder = tmp_path / "new" / "out"
    with start_holder(folder) as holder:
        who = rf"out: another run writes here \(process {holder.pid} on {socket.gethostname()}\)"
        with pytest.raises(InputError, match=who), only_run_in(folder):
            pass
        holder.stdin.close()
        assert holder.wait() == 0
    with only_run_in(folder):
        pass
    assert list(folder.iterdir()) == []


def test_a_killed_run_leaves_no_lock_that_counts(tmp_path):
    with start_holder(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert (tmp_path / LOCK_NAME).exists()
    with only_run_in(tmp_path):
        owner = json.loads((tmp_path / LOCK_NAME).read_text())
        assert owner == {"process": os.getpid(), "host": socket.gethostname()}
    assert not (tmp_path / LOCK_NAME).exists()


FORKING = """
import os, time
from pathlib import Path
from instseg.system.lock import only_run_in
with only_run_in(Path(os.environ["FOLDER"])):
    if os.fork() == 0:  # once it runs, it has let go
        print("held", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_run_has_forked_does_not_hold_its_lock(tmp_path):
    command = [sys.executable, "-c", FORKING]
    environment = {**os.environ, "FOLDER": str(tmp_path)}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
        with only_run_in(tmp_path):
            os.killpg(holder.pid, signal.SIGKILL)
            owner = json.loads((tmp_path / LOCK_NAME).read_text())
            assert owner["process"] == os.getpid()


def test_one_process_cannot_run_twice_in_a_folder(tmp_path):
    with (
        only_run_in(tmp_path),
        pytest.raises(InputError, match=f"process {os.getpid()} on"),
        only_run_in(tmp_path),
    ):
        pass
    with pytest.raises(RuntimeError, match="stopped"), only_run_in(tmp_path):
        raise RuntimeError("stopped")
    with only_run_in(tmp_path):
        pass


def test_the_lock_of_another_host_counts_until_it_is_removed(tmp_path):
    path = tmp_path / LOCK_NAME
    path.write_text(json.dumps({"process": 1, "host": "elsewhere.invalid"}))
    with (
        pytest.raises(InputError, match=rf"process 1 on elsewhere.*remove {path}"),
        only_run_in(tmp_path),
    ):
        pass
    path.unlink()
    with only_run_in(tmp_path):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", '{"process": "x", "host": 3}'])
def test_a_lock_file_that_says_nothing_is_stale(tmp_path, content):
    (tmp_path / LOCK_NAME).write_text(content)
    with only_run_in(tmp_path):
        pass


def test_what_killed_processes_were_writing_is_removed(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    stale = [tmp_path / f".instseg-{gone.pid}-0123.tmp", tmp_path / ".instseg-0123abcd.tmp"]
    kept = [tmp_path / f".instseg-{os.getpid()}-0123.tmp", tmp_path / "mine.tmp"]
    for path in (*stale, *kept):
        path.touch()
    with only_run_in(tmp_path):
        assert not any(path.exists() for path in stale)
        assert all(path.exists() for path in kept)


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="file/out: cannot be made"),
        only_run_in(tmp_path / "file" / "out"),
    ):
        pass
