"""Charts of one image's result, with the calls of Matterport's Mask R-CNN."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from instseg.core.instances import Instances
from instseg.core.matterport_arrays import truth_and_found
from instseg.visualize.charts import SHADES
from instseg.visualize.checks import whole_ids
from instseg.visualize.figures import BLUE, DPI, INK, RULE, SKY, SMALL_PT, SOFT, plain, styled_axes

CELL_IN = (0.75, 0.5)  # width and height of one IoU
LARGEST_IN = 24.0


def plot_precision_recall(AP: float, precisions: ArrayLike, recalls: ArrayLike) -> Axes:  # noqa: N803
    """Plot precision over recall, with the area under it, which is the AP.

    Args:
        AP: At an IoU of 0.5, 0 to 1; written above.
        precisions: numbers (N,), 0 to 1, as `compute_ap` returns them.
        recalls: numbers (N,), 0 to 1, rising.

    Returns:
        The Axes of a new figure.
    """
    figure = plt.figure(figsize=(6.4, 4.6), dpi=DPI, layout="constrained")
    axes = styled_axes(figure, f"Precision and recall, AP@50 = {AP:.3f}")
    right, covered = np.asarray(precisions, np.float64), np.asarray(recalls, np.float64)
    axes.fill_between(covered, right, step="pre", color=SKY, alpha=0.25, linewidth=0)
    axes.plot(covered, right, color=BLUE, drawstyle="steps-pre", clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1.1), xlabel="recall", ylabel="precision")
    return axes


def plot_overlaps(
    gt_class_ids: Instances | ArrayLike,
    pred_class_ids: Instances | ArrayLike,
    pred_scores: ArrayLike = (),
    overlaps: ArrayLike = (),
    class_names: Sequence[str] = (),
    threshold: float = 0.5,
) -> Axes:
    """Show the IoU of each prediction with each object as a grid.

    An IoU above the threshold is marked as a match, or as wrong where the classes differ. Two
    forms: `plot_overlaps(truth, found)` with two `Instances`, and Matterport's arrays.

    Args:
        gt_class_ids: integers (M,).
        pred_class_ids: integers (N,), in the order of the rows of `overlaps`.
        pred_scores: numbers (N,), 0 to 1, likewise.
        overlaps: numbers (N, M), 0 to 1, as `compute_ap` returns them.
        class_names: Names by class id, the background's first.
        threshold: The IoU from which on there is a mark.

    Returns:
        The Axes of a new figure.

    Raises:
        ValueError: Lengths do not fit, or a class id has no name.
    """
    if isinstance(gt_class_ids, Instances) or isinstance(pred_class_ids, Instances):
        objects, best = truth_and_found(gt_class_ids, pred_class_ids, (), (), (), (), ())
        class_names = getattr(gt_class_ids, "class_names", ())
        gt_class_ids, pred_class_ids, pred_scores = objects.class_ids, best.class_ids, best.scores
        overlaps = best.masks.iou(objects.masks)
    ids = [whole_ids(each, len(class_names)) for each in (gt_class_ids, pred_class_ids)]
    truth, found = (each[each > 0] for each in ids)  # zeros are padding
    scores = np.asarray(pred_scores, np.float64)[: len(found)]
    if len(scores) != len(found):
        raise ValueError(f"pred_scores: expected {len(found)}, got {len(scores)}")
    ious = np.asarray(overlaps, np.float64)
    if ious.size != len(found) * len(truth):
        raise ValueError(f"overlaps: expected shape {(len(found), len(truth))}, got {ious.shape}")
    axes = _grid(truth, found, scores, class_names)
    if not ious.size:
        axes.text(0.5, 0.5, "nothing to compare", ha="center", transform=axes.transAxes, color=SOFT)
        return axes
    axes.imshow(ious, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
    for i, j in np.argwhere(ious > 0).tolist():
        iou = ious[i, j]
        mark = "" if iou <= threshold else "match" if found[i] == truth[j] else "wrong"
        color = "white" if iou > 0.5 else INK
        words = f"{iou:.3f}\n{mark}" if mark else f"{iou:.3f}"
        axes.text(j, i, words, ha="center", va="center", fontsize=SMALL_PT - 1, color=color)
    return axes


def _grid(
    truth: NDArray[np.int64],
    found: NDArray[np.int64],
    scores: NDArray[np.float64],
    class_names: Sequence[str],
) -> Axes:
    """The axes of a grid of predictions and objects, with their names."""
    width_in = min(LARGEST_IN, 2.6 + CELL_IN[0] * max(len(truth), 3))
    height_in = min(LARGEST_IN, 2.2 + CELL_IN[1] * max(len(found), 3))
    figure = plt.figure(figsize=(width_in, height_in), dpi=DPI, layout="constrained")
    axes = styled_axes(figure, "IoU of predictions and objects", grid=None)
    axes.set(xlabel="objects", ylabel="predictions")
    names = [plain(class_names[i]) for i in found]
    rows = [f"{name} ({score:.2f})" for name, score in zip(names, scores, strict=True)]
    axes.set_xticks(range(len(truth)), [plain(class_names[i]) for i in truth], rotation=90)
    axes.set_yticks(range(len(found)), rows)
    axes.set_xticks(np.arange(1, len(truth)) - 0.5, minor=True)
    axes.set_yticks(np.arange(1, len(found)) - 0.5, minor=True)
    axes.tick_params(which="both", length=0)
    axes.grid(which="minor", color=RULE, linewidth=0.6)
    return axes
