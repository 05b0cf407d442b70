"""Files appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from instseg.core.errors import InputError


def make_folder(path: Path) -> None:
    """Make a folder for what will be written; better now than after hours of work.

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
    temporary = path.with_name(f".instseg-{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if durable:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); "
            "free some space or choose another folder"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
