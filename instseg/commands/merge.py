"""`instseg merge`: several datasets into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from instseg.commands.listener import MOST_ROWS, Listener
from instseg.commands.terminal import console, table
from instseg.formats.merge_options import MergeOptions


@dataclass(frozen=True, kw_only=True)
class Options(MergeOptions):
    """The options of the command line: only names and paths."""

    sources: Sequence[Path]
    out: Path
    images: Sequence[Path] | Path | None = None
    classes: str | None = None


Options.__doc__ = MergeOptions.__doc__  # the help text


def run(config: Options) -> int:
    """Merges, prints how many objects each class has; returns 0."""
    from instseg.formats.merge import merge

    with Listener() as show:
        done = merge(**{**vars(config), "on_event": show})
    rows = done.rows()
    table(("class", "objects"), rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        console.print(f"and {len(rows) - MOST_ROWS:,} more classes")
    console.print(f"{done.path}: {done.summary()}")
    if done.photos and not config.copy_photos:
        console.print(f"to train: instseg finetune --data {done.path} --images {done.photos}")
    return 0
