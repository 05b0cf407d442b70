"""`instseg download`: weights fetched ahead, for machines without internet."""

from __future__ import annotations

from dataclasses import dataclass, field

from instseg.commands.listener import Listener
from instseg.commands.terminal import console
from instseg.core.events import download_progress
from instseg.files.weights import locate


@dataclass(frozen=True, kw_only=True)
class Options:
    """Fetches weights ahead, so that other commands find them without internet.

    Args:
        weights: Names of weights, such as coco-v2.
    """

    weights: list[str] = field(default_factory=list)


def run(options: Options) -> int:
    """Fetches what is not there yet and says where it is; returns 0."""
    for name in options.weights:
        with Listener() as listener:
            path = locate(name, progress=download_progress(listener))
        console.print(f"{name}: {path}")
    return 0
