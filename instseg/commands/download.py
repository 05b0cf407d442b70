"""`instseg download`: downloads weights in advance, for machines without internet access."""

from __future__ import annotations

from dataclasses import dataclass, field

from instseg.commands.listener import Listener
from instseg.commands.terminal import console
from instseg.core.events import download_progress
from instseg.files.weights import locate


@dataclass(frozen=True, kw_only=True)
class Options:
    """Downloads weights in advance, so that other commands run without internet access.

    Args:
        weights: Names of weights: coco-v2 or coco-v1.
    """

    weights: list[str] = field(default_factory=list)


def run(options: Options) -> int:
    """Downloads weights that are not on this machine yet, prints their paths, and returns 0."""
    for name in options.weights:
        with Listener() as listener:
            path = locate(name, progress=download_progress(listener))
        console.print(f"{name}: {path}")
    return 0
