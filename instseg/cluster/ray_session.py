"""A Ray cluster that is used through a process of its own; see `ray_side`."""

from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from instseg.cluster.ray_side import CALM, Connected, Done, Failed, Lost, Work
from instseg.core.errors import ArgumentError, InputError

LONGEST_TEMP = 40  # characters: names of sockets in it must stay below 108
SWEEPS = 50  # of its folder, a tenth of a second apart
ANSWER_S = 10.0  # for the head of a cluster

_PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from instseg.cluster.ray_side import main; main()"
)


class RaySession:
    """A `with` block in which a cluster is used.

    The process that speaks to Ray starts at once, so that it does so while the caller prepares.

    Args:
        address: `local` starts a cluster on this machine, which ends with the block; `auto` uses
            the one that runs here; or the address of its head, `HOST:PORT`.

    Raises:
        InputError: Ray is not installed, or nothing answers at the address.
    """

    def __init__(self, address: str) -> None:
        missing = [n for n in ("ray", "pyarrow", "fsspec") if importlib.util.find_spec(n) is None]
        if missing:
            raise ArgumentError(
                f"{{ray}} needs {' and '.join(missing)}: pip install 'instseg[scale]'"
            )
        if address not in ("local", "auto"):
            _require_answer(address)
        self._address = address
        parent = tempfile.gettempdir()
        self._folder = tempfile.mkdtemp(
            prefix="ray-", dir=parent if len(parent) <= LONGEST_TEMP else "/tmp"
        )
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `__exit__`
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **CALM},
            start_new_session=True,  # Ctrl-C reaches it through this process only
        )
        self._tell(sys.path)
        self._tell((address, self._folder))

    def connected(self) -> Connected:
        """Wait for the cluster.

        Raises:
            InputError: There is none.
        """
        answer = self._answer()
        if isinstance(answer, Failed):
            if self._address == "auto":
                raise ArgumentError(
                    "{ray} auto: no Ray cluster runs on this machine; start one with "
                    "`ray start --head`, give the address of another, or use {ray} local"
                )
            raise ArgumentError(f"{{ray}} {self._address}: {answer.text}")
        assert isinstance(answer, Connected)
        return answer

    def run(self, work: Work) -> Iterator[Done | Lost]:
        """Do the work, once in a session.

        Raises:
            InputError: The cluster, or all its workers, fail.
        """
        self._tell(work)
        missing = sum(piece.count for piece in work.pieces)
        while missing:
            answer = self._answer()
            if isinstance(answer, Failed):
                raise InputError(
                    f"the Ray cluster failed ({answer.text}); what is done is kept: mend it and "
                    "resume the job"
                )
            assert isinstance(answer, Done | Lost)
            missing -= answer.piece.count
            yield answer

    def __enter__(self) -> RaySession:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # a local cluster ends with it
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        self._log.close()
        for _attempt in range(SWEEPS):  # processes of the cluster still write logs as they end
            shutil.rmtree(self._folder, ignore_errors=True)
            if not os.path.isdir(self._folder):  # noqa: PTH112
                break
            time.sleep(0.1)

    def _tell(self, what: Any) -> None:
        with suppress(BrokenPipeError):  # its last words say why
            assert self._process.stdin is not None
            pickle.dump(what, self._process.stdin)
            self._process.stdin.flush()

    def _answer(self) -> Connected | Done | Lost | Failed:
        assert self._process.stdout is not None
        try:
            answer: Connected | Done | Lost | Failed = pickle.load(self._process.stdout)
        except (EOFError, pickle.UnpicklingError):
            self._log.seek(0)
            lines = self._log.read().decode(errors="replace").split("\n")
            words = [line.strip() for line in lines if line.strip()]
            return Failed(text=words[-1] if words else "its process was killed")
        return answer


def _require_answer(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ArgumentError("{ray} must be local, auto, or HOST:PORT of a cluster", ray=address)
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise ArgumentError(
            f"{{ray}} {address}: no answer ({error}); start Ray there with "
            f"`ray start --head --port={port}`, or use {{ray}} local"
        ) from error
