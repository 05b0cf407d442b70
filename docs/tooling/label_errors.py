"""Measures how many planted label errors are found, beside hotcoco and cleanlab.

    python -m venv peers && peers/bin/pip install hotcoco cleanlab
    python docs/tooling/label_errors.py --peers peers/bin/python

Prints the tables of figures in docs/label_errors.md. Scenes and predictions are kept in
`--out`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from plant_label_errors import KINDS, plant

import instseg

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
SEEDS = (201, 202, 203)  # others than those that the ranking was developed on
SCENES, SIZE, PER_KIND = 400, 320, 50
FIRST = (100, 200)
PROBABILITIES = (1, 0.9, 0.7, 0.5, 0.3, 0.1, 0.05)
SAME_PLACE = 0.5  # IoU of a suggested box and a deleted object


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", help="python of an environment with hotcoco and cleanlab")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "label_errors")
    given = parser.parse_args()
    found: dict[str, list[list[set[int]]]] = {}
    probable: list[tuple[float, bool]] = []  # the probabilities of this project, and hits
    planted: list[list[Json]] = []
    for seed in given.seeds:
        rankings, errors = ranked(given.out / str(seed), seed, given.peers)
        planted.append(errors)
        for name, suspects in rankings.items():
            found.setdefault(name, []).append(hits(suspects, errors))
        scores = [each["score"] for each in rankings["instseg"]]
        probable += zip(scores, map(bool, found["instseg"][-1]), strict=True)
    say("| | " + " | ".join(f"{n} first" for n in FIRST for _ in given.seeds) + " |")
    for name, of_seeds in found.items():
        shares = [share(each, n) for n in FIRST for each in of_seeds]
        say(f"| {name} | " + " | ".join(f"{each:.2f}" for each in shares) + " |")
    say("\n| of " + str(PER_KIND * len(planted)) + " | " + " | ".join(KINDS) + " |")
    for name, of_seeds in found.items():
        counts = []
        for kind in KINDS:
            pairs = zip(of_seeds, planted, strict=True)
            counts.append(sum(of_kind(each, errors, kind) for each, errors in pairs))
        say(f"| {name} | " + " | ".join(map(str, counts)) + " |")
    say("\n| probability | errors | mean probability | share of planted errors |")
    for high, low in itertools.pairwise(PROBABILITIES):
        inside = [each for each in probable if low <= each[0] < high or each[0] == high == 1]
        means = (f"{sum(values) / len(inside):.2f}" for values in zip(*inside, strict=True))
        say(f"| {low} to {high} | {len(inside)} | {' | '.join(means)} |")


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)  # noqa: T201


def ranked(folder: Path, seed: int, peers: str | None) -> tuple[dict[str, list[Json]], list[Json]]:
    """Suspects by ranking, the most suspect first, and the planted errors."""
    if not (folder / "annotations.json").exists():
        instseg.make_scenes(out=folder, images=SCENES, size=SIZE, seed=seed)
    document = json.loads((folder / "annotations.json").read_text())
    broken, planted = plant(document, seed, PER_KIND)
    (folder / "broken.json").write_text(json.dumps(broken))
    predictions = folder / "predictions.json"
    if not predictions.exists():
        options: Json = {"plots": False, "resamples": 100, "out": folder}
        instseg.evaluate(folder / "broken.json", folder / "images", weights="demo", **options)
    results = json.loads(predictions.read_text())["annotations"]
    boxes = [{k: v for k, v in each.items() if k != "segmentation"} for each in results]
    rankings = {
        "instseg": by_instseg(folder / "broken.json", results),
        "instseg, boxes alone": by_instseg(folder / "broken.json", boxes),
    }
    if peers:
        script = Path(__file__).with_name("label_error_peers.py")
        files = [folder / "broken.json", predictions, folder / "peers.json"]
        subprocess.run([peers, script, *files], check=True, stdout=subprocess.DEVNULL)
        rankings |= json.loads(files[-1].read_text())
    return rankings, planted


def by_instseg(broken: Path, results: Sequence[Json]) -> list[Json]:
    """The ranking of this project."""
    found = instseg.evaluate(broken, results=results, label_errors=True, resamples=100)
    return [
        {
            "kind": each.kind,
            "score": each.score,
            "image_id": each.image_id,
            "annotation_id": each.annotation_id,
            "bbox": each.suggested_bbox,
        }
        for each in found.label_errors or ()
    ]


def hits(suspects: Sequence[Json], planted: Sequence[Json]) -> list[set[int]]:
    """The planted errors that each suspect hits.

    A suspected annotation is a hit if an error was planted in it, whatever the kind. A suspected
    place is a hit if an object was deleted there. A suspected image is a hit if it has any error.
    An annotation that is suspected again is left out; a place is a hit once.
    """
    by_id = {each["annotation_id"]: i for i, each in enumerate(planted) if each["annotation_id"]}
    listed: list[set[int]] = []
    seen: set[int] = set()  # annotations
    for each in suspects:
        in_image = [i for i, p in enumerate(planted) if p["image_id"] == each["image_id"]]
        if each["kind"] == "image":
            listed.append(set(in_image))
        elif each["annotation_id"] is None:
            deleted = [i for i in in_image if planted[i]["annotation_id"] is None]
            place = at_place(each["bbox"], [planted[i]["bbox"] for i in deleted])
            listed.append({deleted[place]} - set().union(*listed) if place is not None else set())
        elif each["annotation_id"] not in seen:
            seen.add(each["annotation_id"])
            hit = by_id.get(each["annotation_id"])
            listed.append(set() if hit is None else {hit})
    return listed


def at_place(box: Sequence[float], boxes: Sequence[Sequence[float]]) -> int | None:
    """The index of the box at the same place, if any."""
    if not boxes:
        return None
    ious = coco_mask.iou([list(box)], [list(each) for each in boxes], [0] * len(boxes))[0]
    return int(ious.argmax()) if ious.max() >= SAME_PLACE else None


def share(listed: Sequence[set[int]], first: int) -> float:
    """The share of hits among the first, of which missing ones are no hits."""
    return sum(map(bool, listed[:first])) / first


def of_kind(listed: Sequence[set[int]], planted: Sequence[Json], kind: str) -> int:
    """The number of planted errors of a kind that the first suspects hit."""
    found = set().union(*listed[: FIRST[-1]])
    return sum(planted[i]["kind"] == kind for i in found)


if __name__ == "__main__":
    main()
