"""`instseg finetune`: train on COCO annotations, or on drawn scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instseg.commands.training import run_verb
from instseg.training.finetune_options import FinetuneOptions

if TYPE_CHECKING:
    from instseg.training.result import FinetuneResult

Options = FinetuneOptions


def run(options: FinetuneOptions) -> int:
    """Trains, validates, and writes the model file; returns the exit code."""
    from instseg.training.finetune import finetune

    return run_verb(finetune, options, in_words)


def in_words(result: FinetuneResult) -> str:
    """AP of boxes and masks, for the closing line."""
    return "".join(f", {name} {value:.3f}" for name, value in result.scores.items())
