"""Label errors by hotcoco and by cleanlab; runs in an environment that has both.

    python docs/tooling/label_error_peers.py truth.json predictions.json found.json

Both get boxes, as cleanlab knows no masks. The file has, for each ranking, a list of suspects, the
most suspect first: `kind`, `image_id`, `annotation_id` (None for a missing one) and `bbox`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cleanlab.object_detection.rank as cleanlab
import numpy as np
from hotcoco import COCO, COCOeval

Json = dict[str, Any]

NAMES = {"wrong_label": "wrong class", "missing_annotation": "missing"}


def main() -> None:
    """Write the rankings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("truth", type=Path)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    truth = json.loads(given.truth.read_text())
    results = json.loads(given.predictions.read_text())["annotations"]
    found = {f"hotcoco at {s:.2f}": by_hotcoco(given.truth, results, s) for s in (0.5, 0.05)}
    given.out.write_text(json.dumps(found | by_cleanlab(truth, results)))


def by_hotcoco(truth: Path, results: list[Json], least_score: float) -> list[Json]:
    """The label errors of its image diagnostics, in their own order."""
    coco = COCO(str(truth))
    keys = ("image_id", "category_id", "bbox", "score")
    found = coco.load_res([{key: each[key] for key in keys} for each in results])
    evaluation = COCOeval(coco, found, "bbox")
    evaluation.evaluate()
    errors = evaluation.image_diagnostics(score_thr=least_score)["label_errors"]
    by_id = {each["id"]: each for each in found.dataset["annotations"]}
    return [
        {
            "kind": NAMES[each["type"]],
            "image_id": each["image_id"],
            "annotation_id": each.get("gt_id"),
            "bbox": by_id[each["dt_id"]]["bbox"],
        }
        for each in errors
    ]


def by_cleanlab(truth: Json, results: list[Json]) -> dict[str, list[Json]]:
    """Its three scores of boxes in one ranking, and its score of images."""
    classes = {each["id"]: k for k, each in enumerate(truth["categories"])}
    rows = {each["id"]: [] for each in truth["images"]}
    annotations: dict[int, list[Json]] = {each["id"]: [] for each in truth["images"]}
    for each in truth["annotations"]:
        annotations[each["image_id"]].append(each)
    for each in results:
        rows[each["image_id"]].append(
            (classes[each["category_id"]], *_corners(each), each["score"])
        )
    labels = [
        {
            "bboxes": np.array([_corners(a) for a in group], dtype=float).reshape(-1, 4),
            "labels": np.array([classes[a["category_id"]] for a in group], dtype=int),
        }
        for group in annotations.values()
    ]
    predictions = []
    for group in rows.values():
        table = np.array(group, dtype=float).reshape(-1, 6)
        by_class = np.empty(len(classes), dtype=object)
        for k in range(len(classes)):
            by_class[k] = table[table[:, 0] == k][:, 1:]
        predictions.append(by_class)

    both = {"labels": labels, "predictions": predictions}
    scores = {
        "missing": cleanlab.compute_overlooked_box_scores(**both),
        "wrong class": cleanlab.compute_swap_box_scores(**both),
        "badly placed": cleanlab.compute_badloc_box_scores(**both),
    }
    suspects = []
    for i, image_id in enumerate(annotations):
        predicted = np.concatenate(list(predictions[i]))  # the order of its own scores
        for kind, of_kind in scores.items():
            for j, score in enumerate(of_kind[i]):
                if np.isnan(score):  # of predictions that are not confident enough
                    continue
                one: Json = {"kind": kind, "image_id": image_id, "annotation_id": None}
                if kind == "missing":
                    left, top, right, bottom = predicted[j][:4].tolist()
                    one["bbox"] = [left, top, right - left, bottom - top]
                else:
                    given = annotations[image_id][j]
                    one |= {"annotation_id": given["id"], "bbox": given["bbox"]}
                suspects.append((float(score), one))
    suspects.sort(key=lambda pair: pair[0])
    quality = cleanlab.get_label_quality_scores(labels, predictions, verbose=False)
    ids = list(annotations)
    images = [
        {"kind": "image", "image_id": ids[i], "annotation_id": None, "bbox": None}
        for i in np.argsort(quality, kind="stable").tolist()
    ]
    return {"cleanlab, boxes": [one for _, one in suspects], "cleanlab, images": images}


def _corners(record: Json) -> tuple[float, float, float, float]:
    left, top, width, height = record["bbox"]
    return left, top, left + width, top + height


if __name__ == "__main__":
    main()
