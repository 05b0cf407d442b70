"""`instseg train-unet`: train a semantic network on COCO annotations, semantic maps or scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from instseg.commands.training import run_verb
from instseg.training.unet_options import TrainUnetOptions

if TYPE_CHECKING:
    from instseg.training.result import TrainUnetResult

Options = TrainUnetOptions


def run(options: TrainUnetOptions) -> int:
    """Trains, validates, and writes the model file; returns the exit code."""
    from instseg.training.train_unet import train_unet

    return run_verb(train_unet, options, in_words)


def in_words(result: TrainUnetResult) -> str:
    """The mean IoU, and of what it is the mean, for the closing line."""
    if not result.metrics:
        return ""
    ious, scores = result.metrics["IoU"], result.metrics["scores"]
    classes = sum(each is not None for each in ious.values())
    words = f", mIoU {scores['mIoU']:.3f} over {classes} classes"
    if ious["BG"] is None or scores["mIoU_fg"] is None:
        return words
    return f"{words} with the background, {scores['mIoU_fg']:.3f} without it"
