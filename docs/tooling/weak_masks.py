"""Measure mask AP after training on masks, on a fifth of them, on points, and on boxes alone.

    instseg make-scenes --out train --images 2000 --size 256 --seed 11
    instseg make-scenes --out val --images 300 --size 256 --seed 12
    python docs/tooling/weak_masks.py train val --out out/weak_masks

All runs start from the same detector, trained on boxes alone with `--box-supervision off` from
ImageNet's weights, so that nothing in it has seen a mask, and have the same schedule and seed.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from weak_labels import weak_labels

import instseg

COMMON = {
    "mask_head": "shared",
    "layers": "3+",
    "batch_size": 8,
    "learning_rate": 1e-3,
    "backbone_learning_rate": 2.5e-4,
    "workers": 0,
}
ARMS: dict[str, tuple[dict[str, Any], str]] = {  # labels, and --box-supervision
    "all masks": ({"masks": 1.0}, "off"),
    "10 points": ({"points": 10}, "off"),
    "20% masks": ({"masks": 0.2}, "off"),
    "boxes": ({}, "on"),
    "20% masks, boxes": ({"masks": 0.2}, "on"),
}


def main() -> None:
    """Train the start and the arms, and write a table row for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("val", type=Path)
    parser.add_argument("--start", type=Path, help="the common detector, if there is one already")
    parser.add_argument("--start-steps", type=int, default=1300)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    start = given.start or trained(given, "start", {}, "off", "imagenet", given.start_steps)
    for name in given.arms:
        labels, use = ARMS[name]
        best = trained(given, re.sub(r"\W+", "_", name), labels, use, start, given.steps)
        row = measured(name, best, given.val)
        print(row, flush=True)  # noqa: T201
        with (given.out / "table.md").open("a") as table:
            table.write(row + "\n")


def trained(
    given: argparse.Namespace,
    name: str,
    labels: dict[str, Any],
    use: str,
    weights: Any,
    steps: int,
) -> Path:
    """The model file of one run."""
    coco_json = given.out / f"{name}.json"
    coco_json.write_text(json.dumps(weak_labels(given.train / "annotations.json", **labels)))
    return instseg.finetune(
        coco_json,
        given.train / "images",
        weights=weights,
        min_size=256,
        box_supervision=use,
        max_steps=steps,
        out=given.out / name,
        **COMMON,
    ).best


def measured(name: str, weights: Path, val: Path) -> str:
    """The row of a run: AP of masks with its interval, AP50, and AP of boxes."""
    found = instseg.evaluate(val / "annotations.json", images=val / "images", weights=weights)
    low, high = found.segm.interval("AP")
    return (
        f"| {name} | {found.segm.AP:.3f} ({low:.3f} to {high:.3f}) "
        f"| {found.segm.AP50:.3f} | {found.bbox.AP:.3f} |"
    )


if __name__ == "__main__":
    main()
