"""Atomic writes: files appear complete or not at all."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from instseg.core.errors import InputError


def make_folder(path: Path) -> None:
    """Make an output folder before a long task, so that errors appear early.

    Raises:
        InputError: It cannot be made, or not be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be made ({error.strerror}); choose another folder"
        ) from error
    if not os.access(path, os.W_OK):
        raise InputError(f"{path}: cannot be written to; choose another folder")


def sweep(folder: Path) -> None:
    """Remove temporary files and folders, `.instseg-PROCESS-*.tmp`, that killed processes left."""
    for path in folder.glob(".instseg-*.tmp"):
        process = path.name.split("-")[1]
        if not (process.isdecimal() and is_running(int(process))):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
                continue
            with suppress(OSError):
                path.unlink()


def is_running(process: int) -> bool:
    """Whether a process with this id exists on this machine."""
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def is_full_disk(problem: BaseException) -> bool:
    """Whether an error, or its cause, says that the disk is full."""
    cause = problem.__cause__ if isinstance(problem, InputError) else problem
    numbers = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
    return isinstance(cause, OSError) and cause.errno in numbers


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary name beside ``path``, which becomes ``path`` if the block succeeds.

    Missing parent folders are made. If the block fails, the temporary file is removed and a file
    that was at ``path`` stays as it was. Several processes may write the same path: the last wins.

    Args:
        path: The file to make or replace.
        durable: Flush the file to the disk before it gets its name.

    Raises:
        InputError: The disk is full, the folder is not writable and the like.
    """
    temporary = path.with_name(f".instseg-{os.getpid()}-{secrets.token_hex(8)}.tmp")
    try:
        with naming_file(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            if durable:
                with temporary.open("rb+") as file:
                    os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Turn an OSError while a file is written into an InputError that names the file."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); "
            "free some space or choose another folder"
        ) from error


def set_aside(path: Path) -> Path | None:
    """Give a file or folder another name, as `best_1.safetensors`; None if there is none."""
    if not path.exists():
        return None
    numbered = (path.with_name(f"{path.stem}_{number}{path.suffix}") for number in count(1))
    aside = next(each for each in numbered if not each.exists())
    return path.rename(aside)
