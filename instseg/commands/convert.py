"""`instseg convert`: labels from one tool's format to another's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from instseg.commands.listener import Listener
from instseg.commands.terminal import console
from instseg.formats.options import ConvertOptions


@dataclass(frozen=True, kw_only=True)
class Options(ConvertOptions):
    """The options of the command line: only names and paths."""

    source: Path
    out: Path
    images: Path | None = None


Options.__doc__ = ConvertOptions.__doc__  # the help text


def run(config: Options) -> int:
    """Converts, prints what was not kept and what the doctor finds; returns 0."""
    from instseg.formats.convert import convert

    with Listener() as show:
        done = convert(**{**vars(config), "on_event": show})
    console.print(f"{done.path}: {done.summary()}; classes in {done.classes_csv}")
    return 0
