"""Replace masks of a COCO dataset by weaker labels: boxes, or labelled points as in PointSup.

    python docs/tooling/weak_labels.py train.json --points 10 --out train_points.json

`--masks 0.2` keeps the masks of a fifth of the photos, drawn at random. The points of the others
are drawn uniformly in their boxes; without `--points`, only the boxes are left. Crowds stay.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from instseg.data.coco import CocoData


def weak_labels(
    coco_json: Path, masks: float = 0.0, points: int = 0, seed: int = 0
) -> dict[str, Any]:
    """A dataset with weaker labels.

    Args:
        coco_json: Any COCO dataset with masks.
        masks: Share of the photos whose masks are kept, 0..1.
        points: Labelled points of each other object; 0 leaves its box alone.
        seed: Of all random numbers.
    """
    document, data = json.loads(coco_json.read_text()), CocoData.read(coco_json, coco_json.parent)
    rng, row_of = np.random.default_rng(seed), {image.id: i for i, image in enumerate(data.images)}
    order = rng.permutation(list(row_of))
    kept = set(order[: round(masks * len(order))].tolist())
    for given, each in zip(document["annotations"], data.dataset.annotations, strict=True):
        if each.iscrowd or each.image_id in kept or not each.has_outline:
            continue
        if points:
            mask = data.instances_of([each], row_of[each.image_id]).masks.dense(0)
            left, top, width, height = given["bbox"]
            places = (left, top) + rng.random((points, 2)) * (width, height)
            x, y = np.minimum(places.round(2).astype(int), (mask.shape[1] - 1, mask.shape[0] - 1)).T
            given["point_coords"] = places.round(2).tolist()
            given["point_labels"] = mask[y, x].astype(int).tolist()
        del given["segmentation"]
    return document


def main() -> None:
    """Read the dataset, and write it with weaker labels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("coco_json", type=Path)
    parser.add_argument("--masks", type=float, default=0.0)
    parser.add_argument("--points", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    document = weak_labels(given.coco_json, given.masks, given.points, given.seed)
    given.out.write_text(json.dumps(document))


if __name__ == "__main__":
    main()
