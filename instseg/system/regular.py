"""Regular files, as opposed to pipes and devices."""

from __future__ import annotations

import stat
from pathlib import Path

from instseg.core.errors import InputError


def require_regular_file(path: Path) -> None:
    """Refuse a pipe, device or socket, reading which could wait forever.

    Missing files and folders are left to the code that opens them.

    Raises:
        InputError: It is a pipe, device or socket.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a pipe or a device, not a file; save it as a file first")
