"""Measures what `select` adds over photos that are picked at random, on drawn scenes.

    OMP_NUM_THREADS=1 python docs/tooling/select_gain.py --out out/select_gain

For each seed, a pool of 400 scenes is drawn, in which 2 of the 8 classes have 10 times as many
objects as others. 40 scenes are labelled at random, and a model is trained on them, from `photos`, which has
not seen scenes. 40 more are labelled, chosen with this model or at random, and both sets of 80 are
trained on, again from `photos`. Mask AP is measured on 200 other scenes, in which all classes are
equally frequent, so that each has enough objects for its AP.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import instseg
from instseg.scenes.scene import SCENE_CLASSES

POOL, LABELLED, MORE, MEASURED = 400, 40, 40, 200
CLASSES = SCENE_CLASSES[::2]
COMMON, TIMES = 2, 10  # classes, and how much more frequent they are
SIZE_PX = 160


def main() -> None:
    """Select and train for each seed, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/select_gain"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--max-steps", type=int, nargs=2, default=[250, 400])
    given = parser.parse_args()
    gains = []
    for seed in given.seeds:
        folder = given.out / str(seed)
        pool = drawn(folder / "pool", POOL, 300 + seed, TIMES)
        names = [image["file_name"] for image in json.loads(pool.read_text())["images"]]
        order = np.random.default_rng(seed).permutation(names).tolist()
        labelled, others = order[:LABELLED], order[LABELLED:]
        start = trained(folder / "start", pool, labelled, given.max_steps[0], seed)
        chosen = instseg.select(
            pool.parent / "images",
            weights=start,
            count=MORE,
            coco_json=folder / "start.json",
            images=pool.parent / "images",
            out=folder / "select",
            device="cpu",
            precision="fp32",
            seed=seed,
        )
        picks = {
            "selected": [each.path.name for each in chosen.photos],
            "random": others[:MORE],
        }
        scores = {}
        for name, more in picks.items():
            best = trained(folder / name, pool, [*labelled, *more], given.max_steps[1], seed)
            scores[name] = mask_ap(folder, best, seed)
            objects, rare = objects_of(pool, more)
            tell(
                f"seed {seed}, {name}: mask AP {scores[name]:.3f}; {objects} objects labelled, "
                f"{rare} of rare classes"
            )
        gains.append(scores["selected"] - scores["random"])
    mean = float(np.mean(gains))
    half = float(stats.t.ppf(0.975, len(gains) - 1) * stats.sem(gains)) if len(gains) > 1 else 0.0
    tell(f"mean difference {mean:+.3f}, 95% interval {mean - half:+.3f} to {mean + half:+.3f}")


def drawn(folder: Path, images: int, seed: int, times: int) -> Path:
    """Small scenes in which some classes are so many times more frequent; the annotations."""
    path = folder / "annotations.json"
    if not path.exists():
        instseg.make_scenes(
            out=folder,
            images=images,
            classes=[*CLASSES[:COMMON] * times, *CLASSES[COMMON:]],
            seed=seed,
            size=SIZE_PX,
            least_objects=1,
            most_objects=5,
        )
    return path


def trained(folder: Path, pool: Path, names: Collection[str], steps: int, seed: int) -> Path:
    """The model of some photos of the pool."""
    best = folder / "best.safetensors"
    if not best.exists():
        document = json.loads(pool.read_text())
        document["images"] = [i for i in document["images"] if i["file_name"] in set(names)]
        ids = {image["id"] for image in document["images"]}
        document["annotations"] = [a for a in document["annotations"] if a["image_id"] in ids]
        path = folder.with_suffix(".json")
        path.write_text(json.dumps(document))
        instseg.finetune(
            path,
            pool.parent / "images",
            weights="photos",
            min_size=SIZE_PX,
            max_steps=steps,
            workers=0,
            device="cpu",
            precision="fp32",
            seed=seed,
            out=folder,
        )
    return best


def mask_ap(folder: Path, weights: Path, seed: int) -> float:
    """Mask AP on other scenes, in which all classes are equally frequent."""
    test = drawn(folder / "test", MEASURED, 400 + seed, 1)
    images = test.parent / "images"
    found = instseg.evaluate(
        test, images=images, weights=weights, device="cpu", precision="fp32", resamples=100
    )
    return float(found.segm.AP)


def objects_of(pool: Path, names: Collection[str]) -> tuple[int, int]:
    """The number of objects in some photos, and of those of rare classes."""
    document = json.loads(pool.read_text())
    ids = {image["id"] for image in document["images"] if image["file_name"] in set(names)}
    classes = {each["id"]: each["name"] for each in document["categories"]}
    found = Counter(
        classes[a["category_id"]] for a in document["annotations"] if a["image_id"] in ids
    )
    return found.total(), sum(found[name] for name in CLASSES[COMMON:])


def tell(text: str) -> None:
    """Print at once, as a run takes long."""
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
