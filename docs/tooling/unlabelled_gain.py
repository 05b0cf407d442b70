"""Measures what unlabelled photos add where a tenth of the photos has labels, on drawn scenes.

    OMP_NUM_THREADS=1 python docs/tooling/unlabelled_gain.py --out out/unlabelled_gain

For each seed, scenes of 8 classes are drawn to train on, of which a tenth has labels, and 1,000
others to measure on. A first run on the labelled scenes starts from `photos`, which has not seen
scenes. Three runs go on from it with the same number of steps: with 4 and with 8 labelled scenes in
each batch, and with 4 labelled and 4 unlabelled ones.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import instseg
from instseg.scenes.scene import SCENE_CLASSES

MEASURED = 1000
CLASSES = SCENE_CLASSES[::2]
SIZE_PX = 160
TRAINING = {
    "min_size": SIZE_PX,
    "workers": 0,
    "device": "cpu",
    "precision": "fp32",
}


def main() -> None:
    """Train with and without unlabelled photos, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/unlabelled_gain"))
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--max-steps", type=int, nargs=2, default=[1500, 1200])
    given = parser.parse_args()
    for seed in given.seeds:
        folder = given.out / str(seed)
        test = drawn(folder / "test", MEASURED, 100 + seed)
        train = drawn(folder / "train", given.scenes, 200 + seed)
        part = first_of(train.coco_json, given.scenes // 10, folder / "labelled.json")
        first, second = given.max_steps
        start = folder / "start" / "best.safetensors"
        more = {"unlabelled": train.images, "unlabelled_start": 1}
        runs: list[tuple[str, Any, int, dict[str, Any]]] = [
            ("start", "photos", first, {"batch_size": 4}),
            ("labelled", start, second, {"batch_size": 4}),
            ("labelled_8", start, second, {"batch_size": 8}),
            ("and_unlabelled", start, second, {"batch_size": 8, **more}),
        ]
        for name, weights, steps, options in runs:
            if (folder / name / "best.safetensors").exists():
                continue
            instseg.finetune(
                part,
                train.images,
                weights=weights,
                max_steps=steps,
                **options,
                seed=seed,
                out=folder / name,
                **TRAINING,
            )
        for other in ("start", "labelled", "labelled_8"):
            tell(f"seed {seed}: {compared(test, folder / 'and_unlabelled', folder / other)}")


def drawn(folder: Path, images: int, seed: int) -> Any:
    """Small scenes of the usual classes."""
    return instseg.make_scenes(
        out=folder, images=images, classes=CLASSES, seed=seed, size=SIZE_PX, most_objects=5
    )


def compared(test: Any, one: Path, other: Path) -> str:
    """Mask AP of two runs, and their difference in the same photos, with 95% intervals."""
    texts, results = [], None
    for folder in (other, one):
        found = instseg.evaluate(
            test.coco_json,
            images=test.images,
            weights=folder / "best.safetensors",
            against=results,
            out=folder / "measured",
            precision="fp32",
            plots=False,
        )
        results = folder / "measured" / "predictions.json"
        low, high = found.segm.interval()
        texts.append(f"{folder.name} {found.segm.AP:.3f} ({low:.3f} to {high:.3f})")
    difference = found.comparison["segm"]["AP"]
    low, high = difference.interval
    return (
        f"{', '.join(texts)}; difference {difference.difference:+.3f} ({low:+.3f} to {high:+.3f})"
    )


def first_of(coco_json: Path, images: int, path: Path) -> Path:
    """The first photos of a dataset, with their annotations."""
    document = json.loads(coco_json.read_text())
    document["images"] = document["images"][:images]
    ids = {image["id"] for image in document["images"]}
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] in ids]
    path.write_text(json.dumps(document))
    return path


def tell(text: str) -> None:
    """Print at once, as a run takes long."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
