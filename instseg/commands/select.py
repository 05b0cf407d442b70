"""`instseg select`: which photos to label next."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from instseg.commands.listener import Listener
from instseg.commands.terminal import console, printable
from instseg.core.errors import ArgumentError
from instseg.core.wording import count
from instseg.selecting.options import SelectOptions


@dataclass(frozen=True, kw_only=True)
class Options(SelectOptions):
    """The options of the command line: only names and paths."""

    photos: list[str] = field(default_factory=list)  # type: ignore[assignment]
    weights: str
    coco_json: Path | None = None


Options.__doc__ = SelectOptions.__doc__  # the help text


def run(config: Options) -> int:
    """Writes the list and the table; returns 0, or 1 if some photos could not be read."""
    from instseg.selecting.select import select

    if not config.photos:
        raise ArgumentError("no photos given; name photos, folders, globs, or @list.txt")
    with Listener() as show:
        done = select(**{**vars(config), "on_event": show})
    line = f"{done.list_file}: {len(done.photos)} of {count(done.looked_at, 'photo')} to label"
    line += f"; why in {done.table}"
    if done.copies:
        line += f"; copies in {done.copies}"
    if done.failed:
        line += f"; {count(len(done.failed), 'photo')} failed"
    console.print(printable(line))
    return 1 if done.failed else 0
