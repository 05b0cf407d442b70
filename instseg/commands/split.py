"""`instseg split`: a dataset into train, val and test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from instseg.commands.listener import MOST_ROWS, Listener
from instseg.commands.terminal import console, table
from instseg.core.wording import count
from instseg.formats.split_options import SplitOptions


@dataclass(frozen=True, kw_only=True)
class Options(SplitOptions):
    """The options of the command line: only paths."""

    source: Path
    out: Path
    images: Path | None = None


Options.__doc__ = SplitOptions.__doc__  # the help text


def run(config: Options) -> int:
    """Splits, prints how many objects of each class are where; returns 0."""
    from instseg.formats.split import split

    with Listener() as show:
        done = split(**{**vars(config), "on_event": show})
    *classes, photos = done.rows()
    table(("objects of", *done.images), [*classes[:MOST_ROWS], photos])
    if len(classes) > MOST_ROWS:
        console.print(f"and {len(classes) - MOST_ROWS:,} more classes")
    if done.together:
        console.print(f"{count(done.together, 'photo')} kept in the split of a copy or group")
    console.print(f"{done.path}: {done.summary()}")
    if done.photos and not config.copy_photos:
        console.print(f"to train: instseg finetune --data {done.path} --images {done.photos}")
    return 0
