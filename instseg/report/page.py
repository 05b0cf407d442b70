"""Writing of a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from instseg.report.components import Page

Embed = Literal["auto", "all", "none"]


@dataclass(frozen=True, kw_only=True)
class Written:
    """The files of a report: `html`, and those beside it that it loads, if any."""

    html: Path
    files: tuple[Path, ...] = ()


def write_page(path: Path, page: Page, *, embed: Embed = "auto") -> Written:
    """Write a report as one HTML file that needs no network and no server.

    Args:
        path: The HTML file.
        page: Its content.
        embed: Photos in full size: `auto` puts them into the file while it stays small, and beside
            it otherwise; `all` into the file; `none` shows thumbnails only.

    Returns:
        The files.
    """
    raise NotImplementedError
