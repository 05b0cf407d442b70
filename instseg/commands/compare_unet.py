"""`instseg compare-unet`: compares Mask R-CNN with a U-Net as semantic maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from instseg.commands.listener import Listener
from instseg.commands.terminal import console, table
from instseg.comparison.compare import CompareOptions as Options
from instseg.core.wording import LONGEST_NAME, printable

if TYPE_CHECKING:
    from instseg.comparison.result import Comparison

OUT = Path("out/compare")
SHOWN_CLASSES = 20


def run(options: Options) -> int:
    """Compares, prints, writes; returns 0."""
    from instseg.comparison.compare import compare

    out = options.out or OUT
    with Listener() as listener:
        comparison = compare(**{**vars(options), "out": out, "on_event": listener})
    show(comparison)
    console.print(f"{out}: wrote {', '.join(path.name for path in comparison.written)}")
    models = comparison.to_dict()["models"]
    ours, unet = (printable(models[side]["weights"]) for side in ("mask_rcnn", "unet"))
    console.print(f"Mask R-CNN: {ours}; U-Net: {unet}")
    for sentence in comparison.verdict:
        console.print(sentence)
    return 0


def show(comparison: Comparison) -> None:
    """Print the classes that differ most, the scores and the costs."""
    from instseg.comparison.tables import COMPARED, class_rows, cost_rows, instance_rows, mean_rows

    content = comparison.to_dict()
    rows = class_rows(content)
    half = SHOWN_CLASSES // 2
    shown = rows if len(rows) <= SHOWN_CLASSES else [*rows[:half], *rows[-half:]]
    table(["IoU of", "images", *COMPARED], ([row[0][:LONGEST_NAME], *row[1:]] for row in shown))
    if len(rows) > SHOWN_CLASSES:
        console.print(f"the {half} best and the {half} worst for Mask R-CNN of {len(rows)} classes")
    console.print("")
    table(["", *COMPARED], [*mean_rows(content), *instance_rows(content, ["AP"])])
    console.print("")
    table(["", "U-Net", "Mask R-CNN"], cost_rows(content))
