"""The files of a comparison: comparison.json, comparison.md and the curve over thresholds."""

from __future__ import annotations

import json
import os
from pathlib import Path

from instseg.comparison.markdown import CURVE, markdown
from instseg.core.json_types import Json
from instseg.system.atomic import replacing


def as_json(content: Json) -> str:
    """The text of comparison.json."""
    return json.dumps(content, indent=1, allow_nan=False, default=str) + os.linesep


def write_comparison(folder: Path, content: Json) -> list[Path]:
    """Write what was measured, all but the pictures; returns the files."""
    from instseg.visualize.curves import over_thresholds
    from instseg.visualize.figures import save_figure

    with replacing(folder / "comparison.json") as path:
        path.write_text(as_json(content))
    sweep = content["thresholds"]
    figure = over_thresholds(
        sweep["score_threshold"],
        sweep["mIoU"],
        content["semantic"]["unet"]["scores"]["mIoU"],
        chosen=content["settings"]["score_threshold"],
        names=("mIoU", "Mask R-CNN", "U-Net"),
    )
    save_figure(figure, folder / CURVE)
    with replacing(folder / "comparison.md") as path:
        path.write_text("\n".join(markdown(content)), encoding="utf-8")
    return [folder / name for name in ("comparison.json", "comparison.md", CURVE)]
