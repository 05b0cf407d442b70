"""`instseg make-scenes`: a drawn dataset in COCO format."""

from __future__ import annotations

from instseg.commands.listener import Listener
from instseg.commands.terminal import console
from instseg.core.wording import count
from instseg.scenes.make_scenes import MakeScenesOptions as Options
from instseg.scenes.make_scenes import make_scenes


def run(options: Options) -> int:
    """Writes the dataset and says where; returns 0."""
    with Listener() as listener:
        drawn = make_scenes(**{**vars(options), "on_event": listener})
    drawn_ones = count(drawn.count, "frame" if drawn.video else "scene")
    video = f"video in {drawn.video}, " if drawn.video else ""
    console.print(f"{video}{drawn_ones} in {drawn.images}, annotations in {drawn.coco_json}")
    return 0
