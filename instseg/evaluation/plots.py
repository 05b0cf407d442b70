"""The charts of an evaluation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from instseg.evaluation.assess import Assessment
from instseg.evaluation.result import NAMES, SUBJECTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_plots(folder: Path, assessments: Sequence[Assessment]) -> list[Path]:
    """Write the charts of each kind as PNG files; returns their paths."""
    from instseg.visualize.figures import save_figure

    written = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # class names in scripts without a font
        for name, figure in draw_assessments(assessments):
            save_figure(figure, folder / name)
            written.append(folder / name)
    return written


def draw_assessments(assessments: Sequence[Assessment]) -> Iterator[tuple[str, Figure]]:
    """The charts of each kind, with their file names."""
    from instseg.visualize import charts

    for found in assessments:
        precision = found.evaluation.precision[..., 0, 0]  # [IoU, recall, class]
        names = found.evaluation.class_names
        curves = {name: precision[:, :, k].mean(axis=0) for k, name in enumerate(names)}
        prefix, of = NAMES[found.kind], SUBJECTS[found.kind]
        yield (
            f"{prefix}_precision_recall.png",
            charts.precision_recall(curves, found.evaluation.mean_curves, of),
        )
        rows = found.summary.per_class
        ap, low, high = ([getattr(row, key) for row in rows] for key in ("AP", "AP_low", "AP_high"))
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
