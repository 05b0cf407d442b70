"""What `instseg evaluate` prints and writes."""

from __future__ import annotations

import csv
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from instseg import __version__
from instseg.commands.terminal import console, printable, table
from instseg.system.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from instseg.evaluation.assess import Assessment

FORMAT = 1  # of metrics.json
SHOWN_CLASSES = 20
LONGEST_NAME = 40  # characters
FEW_OBJECTS = 10
LEAST_P = 0.05  # from which on a difference may be chance

NAMES = {"bbox": "box", "segm": "mask", "boundary": "boundary"}
SUBJECTS = {"bbox": "boxes", "segm": "masks", "boundary": "boundaries"}

Json = dict[str, Any]


def print_assessments(
    assessments: Sequence[Assessment], comparisons: Mapping[str, Json], against: Path | None
) -> None:
    """Print the scores with intervals, costs of errors, the worst classes, and differences."""
    names = [NAMES[found.kind] for found in assessments]
    columns = [column for name in names for column in (f"{name} score", "95% interval")]
    table(["", *columns], _score_rows(assessments))
    explained = {NAMES[a.kind]: a.explanation for a in assessments if a.explanation}
    if any(each.errors.ap50 for each in explained.values()):
        console.print("")
        costs = [each.errors.costs for each in explained.values()]
        rows = [(k.replace("_", " "), *(_number(cost[k]) for cost in costs)) for k in costs[0]]
        table(["cost in AP50 of", *explained], rows)
    console.print("")
    _print_classes(assessments)
    for name, each in explained.items():
        scale = each.calibration
        if np.isfinite(scale.ece):
            console.print(
                f"{name} scores lie {scale.ece:.3f} from the share of true detections, in the mean "
                "(ECE)"
            )
    if comparisons:
        _print_comparisons(comparisons, against)


def _print_comparisons(comparisons: Mapping[str, Json], against: Path | None) -> None:
    console.print("")
    names = [NAMES[kind] for kind in comparisons]
    columns = [c for name in names for c in (f"{name} difference", "95% interval", "p")]
    table(["", *columns], _difference_rows(comparisons))
    for kind, rows in comparisons.items():
        value, p = rows["AP"]["difference"], rows["AP"]["p"]
        if p is None:
            verdict = "the data cannot tell whether it differs"
        elif value == 0 and p == 1:
            verdict = "no difference"
        else:
            verdict = "better" if value > 0 else "worse"
            verdict += "" if p < LEAST_P else ", but by no more than chance may give"
        console.print(f"{NAMES[kind]} AP against {against}: {verdict}")


def _score_rows(assessments: Sequence[Assessment]) -> Iterator[list[str]]:
    all_scores = [found.evaluation.scores for found in assessments]
    for metric in all_scores[0]:
        row = [metric]
        for found, scores in zip(assessments, all_scores, strict=True):
            row += [_number(scores[metric]), _range(found.intervals.get(metric))]
        yield row


def _print_classes(assessments: Sequence[Assessment]) -> None:
    """A row per class; of many the worst, by the last kind that was measured."""
    tables = [found.class_rows() for found in assessments if found.explanation]
    names = [NAMES[found.kind] for found in assessments if found.explanation]
    order = sorted(
        (k for k, row in enumerate(tables[-1]) if row["objects"]),
        key=lambda k: tables[-1][k]["AP"],
    )
    columns = [f"{name} {what}" for name in names for what in ("AP", "interval", "best threshold")]
    rows = []
    for k in order[:SHOWN_CLASSES]:
        row = [printable(tables[0][k]["class"])[:LONGEST_NAME], tables[0][k]["objects"]]
        for each in tables:
            limits = (each[k]["AP_low"], each[k]["AP_high"])
            row += [_number(each[k]["AP"]), _range(limits), _number(each[k]["threshold"])]
        rows.append(row)
    table(["class", "objects", *columns], rows)
    if len(order) > SHOWN_CLASSES:
        console.print(f"the {SHOWN_CLASSES} worst of {len(order)} classes; all in per_class.csv")
    few = sum(tables[0][k]["objects"] < FEW_OBJECTS for k in order)
    if few:
        console.print(
            f"{few} of {len(order)} classes have fewer than {FEW_OBJECTS} objects: AP is too high "
            "and its interval too narrow where objects are so few"
        )


def _difference_rows(comparisons: Mapping[str, Json]) -> Iterator[list[str]]:
    for metric in next(iter(comparisons.values())):
        row = [metric]
        for kind in comparisons.values():
            each = kind[metric]
            p = "<0.001" if each["p"] is not None and each["p"] < 0.0005 else _number(each["p"])
            row += [_number(each["difference"], "+"), _range(each["interval"], "+"), p]
        yield row


def _number(value: float | None, sign: str = "") -> str:
    return "-" if value is None or value == -1 else f"{value:{sign}.3f}"


def _range(limits: tuple[float | None, float | None] | None, sign: str = "") -> str:
    if limits is None or limits[0] is None or limits[1] is None:
        return ""
    return f"{limits[0]:{sign}.3f} to {limits[1]:{sign}.3f}"


def write_assessments(
    folder: Path,
    data: Json,
    assessments: Sequence[Assessment],
    comparisons: Mapping[str, Json],
    *,
    plots: bool,
) -> list[str]:
    """Write metrics.json, per_class.csv and, if wanted, plots.

    Args:
        folder: Where to; made if it is missing.
        data: What metrics.json says about the data.
        assessments: One for each kind.
        comparisons: Differences by kind, if any.
        plots: Whether to draw.

    Returns:
        The names of the files.
    """
    metrics = {"format": FORMAT, "instseg": __version__, "data": data}
    metrics |= {found.kind: found.as_json() for found in assessments}
    if comparisons:
        metrics["against"] = comparisons
    with replacing(folder / "metrics.json") as path:
        path.write_text(json.dumps(metrics, indent=1, allow_nan=False) + os.linesep)
    rows = [{"kind": found.kind, **row} for found in assessments for row in found.class_rows()]
    with replacing(folder / "per_class.csv") as path, path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    written = ["metrics.json", "per_class.csv"]
    if plots:
        from instseg.visualize.figures import save_figure

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # class names in scripts without a font
            for name, figure in draw_assessments(assessments):
                save_figure(figure, folder / name)
                written.append(name)
    return written


def draw_assessments(assessments: Sequence[Assessment]) -> Iterator[tuple[str, Figure]]:
    """The charts of each kind, with their file names."""
    from instseg.visualize import charts

    for found in assessments:
        precision = found.evaluation.precision[..., 0, 2]  # [IoU, recall, class]
        names = found.evaluation.class_names
        curves = {name: precision[:, :, k].mean(axis=0) for k, name in enumerate(names)}
        held = precision[..., (precision >= 0).all(axis=(0, 1))]
        means = {
            "IoU 0.50": held[0].mean(axis=1),
            "IoU 0.75": held[5].mean(axis=1),
            "mean 0.50:0.95": held.mean(axis=(0, 2)),
        }
        prefix, of = NAMES[found.kind], SUBJECTS[found.kind]
        yield f"{prefix}_precision_recall.png", charts.precision_recall(curves, means, of)
        rows = found.class_rows()
        ap, low, high = ([row[key] for row in rows] for key in ("AP", "AP_low", "AP_high"))
        yield f"{prefix}_classes.png", charts.class_intervals(names, ap, low, high, of)
        if found.explanation:
            scale, costs = found.explanation.calibration, found.explanation.errors.costs
            known = {k.replace("_", " "): cost for k, cost in costs.items() if cost is not None}
            yield f"{prefix}_errors.png", charts.error_bars(known, of)
            yield (
                f"{prefix}_confusion.png",
                charts.confusion(found.explanation.confusion, names, of),
            )
            yield (
                f"{prefix}_calibration.png",
                charts.reliability(scale.confidence, scale.precision, scale.counts, scale.ece, of),
            )
