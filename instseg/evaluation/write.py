"""The files of an evaluation: predictions, metrics, classes and likely label errors."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path

from instseg import __version__
from instseg.core.json_types import Json
from instseg.evaluation.result import FORMAT, Evaluation
from instseg.files.instances_csv import plain_cell
from instseg.system.atomic import replacing

METRICS_JSON, PER_CLASS_CSV, PREDICTIONS_JSON = "metrics.json", "per_class.csv", "predictions.json"
LABEL_ERRORS_JSON = "label_errors.json"


def write_predictions(folder: Path, truth: Json, results: Sequence[Json]) -> Path:
    """Write predictions as a COCO document; returns its path."""
    numbered = [{"id": i, **record} for i, record in enumerate(results, start=1)]
    with replacing(folder / PREDICTIONS_JSON) as path:
        path.write_text(json.dumps({**truth, "annotations": numbered}) + os.linesep)
    return folder / PREDICTIONS_JSON


def write_scores(folder: Path, evaluation: Evaluation) -> list[Path]:
    """Write metrics.json and per_class.csv; returns their paths."""
    with replacing(folder / METRICS_JSON) as path:
        path.write_text(json.dumps(evaluation.to_dict(), indent=1, allow_nan=False) + os.linesep)
    rows = [
        {"kind": each.kind, **row.to_dict(), "class": plain_cell(row.to_dict()["class"])}
        for each in evaluation.kinds
        for row in each.per_class
    ]
    with replacing(folder / PER_CLASS_CSV) as path, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return [folder / METRICS_JSON, folder / PER_CLASS_CSV]


def write_label_errors(folder: Path, evaluation: Evaluation) -> Path:
    """Write label_errors.json; returns its path."""
    content = {
        "format": FORMAT,
        "instseg": __version__,
        "data": {key: evaluation.data[key] for key in ("coco_json", "results")},
        "label_errors": [each.to_dict() for each in evaluation.label_errors or ()],
    }
    with replacing(folder / LABEL_ERRORS_JSON) as path:
        path.write_text(json.dumps(content, indent=1, allow_nan=False) + os.linesep)
    return folder / LABEL_ERRORS_JSON
