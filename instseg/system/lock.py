"""One run at a time in a folder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from instseg.core.errors import InputError
from instseg.system.atomic import is_running, make_folder, sweep

LOCK_NAME = ".instseg.lock"

_held: set[int] = set()  # open lock files of this process


def _let_go() -> None:
    """In a forked process: a lock is its owner's alone, and must not outlive it."""
    for handle in _held:
        os.close(handle)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


@contextmanager
def only_run_in(folder: Path) -> Iterator[None]:
    """Lock a folder against other runs during the block; the folder is made if it is missing.

    The lock file names this process and its host. The system releases the lock when the process
    ends, also if it is killed. Temporary files of processes that have ended are removed.

    Raises:
        InputError: Another run writes there, or the folder cannot be made or written to.
    """
    make_folder(folder)
    path = folder / LOCK_NAME
    handle = _take(path)
    _held.add(handle)
    try:
        sweep(folder)
        yield
    finally:
        if handle in _held:  # not in a process forked meanwhile
            _held.remove(handle)
            with suppress(OSError):
                path.unlink()
            os.close(handle)


def _take(path: Path) -> int:
    """Lock the file and write the owner into it; returns the open file."""
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be written ({error.strerror}); choose another folder"
            ) from error
        try:
            _lock(handle, path)
            if _is_at(handle, path):
                owner = {"process": os.getpid(), "host": socket.gethostname()}
                os.ftruncate(handle, 0)
                os.pwrite(handle, json.dumps(owner).encode(), 0)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its owner removed it in between: make a new one


def _lock(handle: int, path: Path) -> None:
    """Raise InputError if the file belongs to another run."""
    system_locks = True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(_busy(path, _owner(handle))) from None
    except OSError:  # a file system without locks: rely on what the owner wrote
        system_locks = False
    owner = _owner(handle)
    host = owner.get("host", socket.gethostname())
    if host != socket.gethostname():  # whose processes cannot be seen from here
        raise InputError(f"{_busy(path, owner)}; if it has ended, remove {path}")
    if not system_locks and is_running(owner.get("process", 0)):
        raise InputError(_busy(path, owner))


def _busy(path: Path, owner: dict[str, Any]) -> str:
    who = f"process {owner['process']} on {owner['host']}" if owner else "another process"
    return f"{path.parent}: another run writes here ({who}); wait for it or choose another folder"


def _owner(handle: int) -> dict[str, Any]:
    """The content of the file; {} if it is new."""
    try:
        owner = json.loads(os.pread(handle, 10_000, 0))
        return {"process": int(owner["process"]), "host": str(owner["host"])}
    except (ValueError, KeyError, TypeError):
        return {}


def _is_at(handle: int, path: Path) -> bool:
    """Whether the path still refers to the open file."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False
