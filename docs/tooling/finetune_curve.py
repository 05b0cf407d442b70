"""Makes docs/finetune_photos.png: fine-tuning on 60 photos, from `photos` and from `demo`.

    python docs/tooling/finetune_curve.py val.json val/

The photos are divided at random into 60 to train on and 40 to measure on.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import instseg
from instseg.visualize.figures import (
    BLUE,
    GREY,
    INK,
    LABEL_PT,
    SMALL_PT,
    SOFT,
    new_figure,
    styled_axes,
)

OUT = Path(__file__).resolve().parents[1] / "finetune_photos.png"
TRAINED = 60


def main() -> None:
    """Train from both, and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("coco_json", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    figure = new_figure(6.4, 4.0)
    axes = styled_axes(figure, f"Mask AP on held-out photos after training on {TRAINED}")
    with tempfile.TemporaryDirectory() as folder:
        train, val = divided(given.coco_json, Path(folder))
        for weights, color in (("photos", BLUE), ("demo", GREY)):
            curve = fine_tuned(weights, train, val, given.images, given.epochs, Path(folder))
            print(weights, [round(each, 3) for each in curve], flush=True)  # noqa: T201
            axes.plot(range(len(curve)), curve, "o-", color=color, label=f"from {weights}")
    axes.set_xlabel("epoch", fontsize=LABEL_PT, color=SOFT)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=SMALL_PT, frameon=False, labelcolor=INK)
    figure.savefig(given.out, dpi=120)


def divided(coco_json: Path, folder: Path) -> tuple[Path, Path]:
    """The files of the photos to train on and to measure on."""
    document = json.loads(coco_json.read_text())
    order = np.random.default_rng(0).permutation([image["id"] for image in document["images"]])
    paths = folder / "train.json", folder / "val.json"
    for path, ids in zip(paths, (order[:TRAINED], order[TRAINED:]), strict=True):
        chosen = set(ids.tolist())
        part = document | {
            "images": [each for each in document["images"] if each["id"] in chosen],
            "annotations": [e for e in document["annotations"] if e["image_id"] in chosen],
        }
        path.write_text(json.dumps(part))
    return paths


def fine_tuned(
    weights: str, train: Path, val: Path, images: Path, epochs: int, folder: Path
) -> list[float]:
    """Mask AP before training, and after each epoch."""
    before = instseg.evaluate(val, images=images, weights=weights).segm.AP
    result = instseg.finetune(
        train,
        images,
        val_coco_json=val,
        weights=weights,
        epochs=epochs,
        auto_repair=True,
        out=folder / weights,
    )
    return [before, *(epoch["mask_AP"] for epoch in result.history)]


if __name__ == "__main__":
    main()
