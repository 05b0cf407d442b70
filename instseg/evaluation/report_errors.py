"""Classes, curves, confusions and calibration of a report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from instseg.core.wording import LONGEST_NAME, some
from instseg.evaluation.assess import Assessment
from instseg.evaluation.bootstrap import FEW_OBJECTS
from instseg.evaluation.report_bars import class_bars, error_bars, size_bars
from instseg.evaluation.report_photos import BACKGROUND
from instseg.evaluation.report_scores import Measured
from instseg.evaluation.result import NAMES, SUBJECTS
from instseg.report.components import Component, Line, Lines, Matrix, Prose, Section, Table

CURVES = 3  # of the most frequent and of the worst classes each
RECALLS = np.linspace(0, 1, 101)


def classes(found: Measured) -> Section:
    """AP of each class as bars and as a table."""
    kinds = [each.summary for each in found.explained]
    main = kinds[0]
    rows: list[list[str | int | float | None]] = []
    for k, row in enumerate(main.per_class):
        aps = [each.per_class[k].AP for each in kinds]
        at_threshold = [row.threshold, row.precision, row.recall, row.f1]
        rows.append([row.name, row.objects, *aps, row.AP50, *at_threshold])
    columns = ["class", "objects", *(f"{NAMES[each.kind]} AP" for each in kinds)]
    columns += [f"{NAMES[main.kind]} AP50", "best threshold", "precision", "recall", "F1"]
    components: list[Component] = [class_bars(*_beside(found))]
    absent = [row.name for row in main.per_class if not row.objects]
    if absent:
        text = f"Without objects in the ground truth, and so without AP: {some(absent)}."
        components.append(Prose(paragraphs=[text]))
    if len(rows) > len(absent):
        components.append(Table(title="All classes", columns=columns, rows=rows))
    return Section(title="Classes", components=components)


def _beside(found: Measured) -> tuple[Assessment, Assessment | None, tuple[str, str]]:
    """Masks and boxes where both are measured, and what they are called."""
    main, *more = found.explained
    return (main, more[0], (_of(main), _of(more[0]))) if more else (main, None, ("", ""))


def curves(found: Measured) -> Section:
    """Precision over recall, and calibration."""
    main = found.main
    components: list[Component] = [_mean_curves(found.explained)]
    if lines := _class_curves(main):
        title = f"Precision and recall at IoU 0.50, most frequent and worst classes, {_of(main)}"
        components.append(_precision_recall(title, lines))
    components.append(_calibration(found.explained))
    return Section(title="Precision, recall and calibration", components=components)


def _of(each: Assessment) -> str:
    return SUBJECTS[each.kind]


def _mean_curves(explained: Sequence[Assessment]) -> Lines:
    lines = [
        Line(name=f"{_of(each)}, {name}: {np.mean(y):.3f}", x=RECALLS.tolist(), y=y.tolist())
        for each in explained
        for name, y in each.evaluation.mean_curves.items()
        if len(explained) == 1 or name.startswith("IoU")  # else too many lines
    ]
    return _precision_recall("Precision and recall, mean of the classes", lines)


def _precision_recall(title: str, lines: Sequence[Line]) -> Lines:
    return Lines(
        title=title,
        lines=lines,
        x_label="recall",
        y_label="precision",
        x_limits=(0, 1),
        y_limits=(0, 1),
    )


def _class_curves(each: Assessment) -> list[Line]:
    """At IoU 0.5, of the classes with most objects, and of those with the lowest AP50."""
    rows = each.summary.per_class
    held = [k for k, row in enumerate(rows) if row.objects]
    frequent = sorted(held, key=lambda k: -rows[k].objects)[:CURVES]
    known = [k for k in held if rows[k].objects >= FEW_OBJECTS and k not in frequent]
    worst = sorted(known, key=lambda k: rows[k].AP50 or 0.0)[:CURVES]
    lines = []
    for k in [*frequent, *worst]:
        y = each.evaluation.precision[0, :, k, 0, 0]
        y = np.where(np.cumsum(y <= 0) > 1, np.nan, y)  # beyond the last detection
        name = f"{rows[k].name:.{LONGEST_NAME}}: {rows[k].AP50 or 0:.3f}"
        lines.append(Line(name=name, x=RECALLS.tolist(), y=y.tolist()))
    return lines


def _calibration(explained: Sequence[Assessment]) -> Lines:
    lines = []
    for each in explained:
        scale = each.summary.calibration
        if scale is None or not scale.counts.any():
            continue
        some_bins = scale.counts > 0
        lines.append(
            Line(
                name=f"{_of(each)}, ECE {scale.ece:.3f}",
                x=scale.confidence[some_bins].tolist(),
                y=scale.precision[some_bins].tolist(),
            )
        )
    return Lines(
        title="Calibration: can a score be read as a probability?",
        lines=lines,
        x_label="mean score of ten bins",
        y_label="share of correct detections",
        x_limits=(0, 1),
        y_limits=(0, 1),
        diagonal=True,
    )


def errors(found: Measured, *, with_photos: bool) -> Section:
    """What errors cost, AP by size, and confusions."""
    main = found.main
    components: list[Component] = [*error_bars(*_beside(found))]
    components.append(
        Prose(
            paragraphs=[
                "How much AP50 would rise if all errors of one type were corrected, with their "
                f"number among detections of any score, for {_of(main)}. The gains do not add up. "
                "Classification is a wrong class, localisation a bad place, both is both, and "
                "background a detection where there is no object. False positives and false "
                "negatives are the cost of all wrong detections and of all objects not found."
            ]
        )
    )
    components.append(size_bars(*_beside(found)))
    components += _confusion(found, with_photos)
    return Section(title="Errors", components=components)


def _confusion(found: Measured, with_photos: bool) -> list[Component]:
    matrix, main = found.judged.matrix, found.main
    names = [row.name for row in main.summary.per_class]
    counted = matrix.sum(axis=0) + matrix.sum(axis=1)
    shown = 1 + np.flatnonzero(counted[1:])
    kept = np.append(shown, 0)  # the background last
    labels = [*(names[k - 1] for k in shown.tolist()), BACKGROUND]
    title = f"Confusion of classes, {_of(main)}"
    text = (
        "Counts at the score thresholds for prediction and IoU 0.5. On the diagonal are correct "
        f"detections, in the column {BACKGROUND} objects that were missed, in the row "
        f"{BACKGROUND} detections where there is no object."
    )
    text += " Click on a number to see its photos." if with_photos else ""
    grid = Matrix(
        title=title,
        counts=matrix[np.ix_(kept, kept)],
        rows=labels,
        columns=labels,
        row_title="truth",
        column_title="prediction",
    )
    return [Prose(paragraphs=[text]), grid]
