"""Files that can be read to their end: no pipes, no devices."""

from __future__ import annotations

import stat
from pathlib import Path

from instseg.core.errors import InputError


def require_regular_file(path: Path) -> None:
    """Refuse a pipe, device or socket, which would be waited for without end.

    What is missing or a folder is left to whoever opens it.

    Raises:
        InputError: It is no file.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a pipe or a device, not a file; save it as a file first")
