"""Where a report may be written."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from instseg.core.errors import InputError

SUFFIXES = (".html", ".htm")


def check_report(
    path: str | Path | None, inputs: Iterable[str | os.PathLike[str] | None] = ()
) -> None:
    """Raise InputError if a report must not be written to a file.

    Args:
        path: The file; None for no report.
        inputs: Files that stay as they are.
    """
    if path is None:
        return
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: name a .html file, which gets the report")
    present = [Path(each) for each in inputs if each is not None and Path(each).exists()]
    if path.exists() and any(map(path.samefile, present)):
        raise InputError(f"{path}: is an input, which stays as it is; name another file")
