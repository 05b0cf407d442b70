"""Scores of semantic maps over a whole dataset, with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.json_types import Json
from instseg.core.semantic import IGNORE
from instseg.evaluation.bootstrap import RESAMPLES, Range, draw_halves, interval, p_value
from instseg.evaluation.boundary_iou import boundary_overlap

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CLASS_METRICS = ("IoU", "Dice", "ACC", "BIoU")
MEANS = {  # the class score it is the mean of, and whether classes are weighted by true pixels
    "mIoU": ("IoU", False),
    "mDice": ("Dice", False),
    "fwIoU": ("IoU", True),
    "pACC": ("ACC", True),
    "mACC": ("ACC", False),
    "mBIoU": ("BIoU", False),
}
FOREGROUND = "_fg"
METRICS = (*MEANS, *(f"{name}{FOREGROUND}" for name in MEANS))
SIGNIFICANT = 0.05  # a p below it
LEAST_IMAGES = 10  # images in all, or of a class: halves of fewer are too similar for intervals


@dataclass(frozen=True, kw_only=True, eq=False)
class SemanticScores:
    """Scores of the semantic maps of N images and C classes with the background.

    For each class, over the pixels of all images:
        IoU: right / (true or predicted).
        Dice: 2 right / (true + predicted).
        ACC: right / true.
        BIoU: boundary IoU, the IoU near the edges (see `boundary_iou`).
    Classes without true pixels have no scores and are left out of every mean, also if they are
    predicted; such pixels still count as errors of their true classes.

    Means over classes: mIoU, mDice, mACC, mBIoU, and weighted with the classes' true pixels fwIoU
    and pACC, the share of all pixels that are right. `METRICS` names them, and each once more with
    `_fg`: the same mean without the background. Confusions with the background still count as
    errors of the other classes; in ACC only missed pixels do, so mACC_fg and pACC_fg do not fall
    with false positives.

    Attributes:
        class_names: C names, [0] the background.
        areas: int64 (N, 3, C), correct, true and predicted pixels of each image.
        boundaries: int64 (N, 3, C), the same of the boundaries.
        confusion: int64 (C, C), pixels of all images, truth by prediction.
        resamples: R, the number of random half-samples of the images for the intervals.
        seed: Random seed; two models on the same images have the same half-samples.
    """

    class_names: tuple[str, ...]
    areas: Ints
    boundaries: Ints
    confusion: Ints
    resamples: int = RESAMPLES
    seed: int = 0

    @property
    def scores(self) -> dict[str, float]:
        """The metrics of `METRICS`: 0..1, NaN without true pixels."""
        return {name: float(values[0]) for name, values in self._means.items()}

    @property
    def intervals(self) -> dict[str, Range | None]:
        """Their 95% intervals over images; None if undefined, as for fewer than ten images."""
        return {name: interval(values[1:], values[0]) for name, values in self._means.items()}

    def of_images(self) -> dict[str, Floats]:
        """The metrics of `METRICS` for each image: float64 (N,), NaN without true pixels."""
        return mean_scores(class_scores(self.areas, self.boundaries), self.areas[:, 1])

    def class_rows(self) -> list[Json]:
        """A row per class: its name, true pixels and images with any, scores and intervals."""
        rows = []
        for c, name in enumerate(self.class_names):
            true = self.areas[:, 1, c]
            row: Json = {"class": name, "pixels": int(true.sum()), "images": int((true > 0).sum())}
            for metric in CLASS_METRICS:
                values = self._classes[metric][:, c]
                low, high = interval(values[1:], values[0]) or (None, None)
                row |= {metric: _or_none(values[0]), f"{metric}_low": low, f"{metric}_high": high}
            rows.append(row)
        return rows

    def as_json(self) -> Json:
        """All scores as JSON, without the counts of single images; None for undefined values."""
        return {
            "images": len(self.areas),
            "scores": {name: _or_none(value) for name, value in self.scores.items()},
            "intervals": self.intervals,
            "per_class": self.class_rows(),
            "confusion": self.confusion.tolist(),
        }

    @cached_property
    def _sums(self) -> tuple[Floats, Floats]:
        """Areas and boundaries (1 + R, 3, C): of all images, then of the half-samples."""
        images = len(self.areas)
        resamples = self.resamples if images >= LEAST_IMAGES else 0
        halves = draw_halves(images, resamples=resamples, seed=self.seed)
        weights = np.hstack([np.ones((images, 1)), halves]).T
        return np.tensordot(weights, self.areas, 1), np.tensordot(weights, self.boundaries, 1)

    @cached_property
    def _classes(self) -> dict[str, Floats]:
        found = {n: _recentred(values) for n, values in class_scores(*self._sums).items()}
        few = (self.areas[:, 1] > 0).sum(axis=0) < LEAST_IMAGES
        for values in found.values():
            values[1:, few] = np.nan
        return found

    @cached_property
    def _means(self) -> dict[str, Floats]:
        means = mean_scores(class_scores(*self._sums), self._sums[0][:, 1])
        return {name: _recentred(values) for name, values in means.items()}


class SemanticEvaluator:
    """Counts the pixels of images, one at a time.

    The counts of 5,000 images and 81 classes take 20 MB.

    Args:
        class_names: C names, [0] the background; at most 255.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        if not 0 < len(class_names) <= IGNORE:
            raise ValueError(f"class_names: expected 1 to {IGNORE}, got {len(class_names)}")
        self._class_names = tuple(class_names)
        self._areas: list[Ints] = []
        self._boundaries: list[Ints] = []
        self._confusion = np.zeros((len(class_names), len(class_names)), dtype=np.int64)

    def add(self, truth: NDArray[np.integer], prediction: NDArray[np.integer]) -> None:
        """Count one image.

        Args:
            truth: integers (H, W), 0..C-1, or 255 for ignored pixels.
            prediction: integers (H, W), 0..C-1.

        Raises:
            ValueError: Labels are out of range, or the sizes differ.
        """
        if prediction.shape != truth.shape:
            raise ValueError(f"prediction: expected shape {truth.shape}, got {prediction.shape}")
        counted = truth != IGNORE
        classes = len(self._class_names)
        for name, labels in (("truth", truth[counted]), ("prediction", prediction)):
            low, high = labels.min(initial=0), labels.max(initial=0)
            if low < 0 or high >= classes:
                raise ValueError(
                    f"{name}: expected labels 0..{classes - 1}, got {low if low < 0 else high}"
                )
        true, found = truth.astype(np.uint8), prediction.astype(np.uint8)

        matrix = confusion(true, found, classes)
        self._areas.append(np.stack([matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)]))
        self._boundaries.append(boundary_overlap(true, found, classes))
        self._confusion += matrix

    def scores(self, *, resamples: int = RESAMPLES, seed: int = 0) -> SemanticScores:
        """Score all images that were added.

        Args:
            resamples: Number of random half-samples for the intervals; 0 for no intervals.
            seed: Random seed of the half-samples.
        """
        shape = (-1, 3, len(self._class_names))
        return SemanticScores(
            class_names=self._class_names,
            areas=np.array(self._areas, dtype=np.int64).reshape(shape),
            boundaries=np.array(self._boundaries, dtype=np.int64).reshape(shape),
            confusion=self._confusion.copy(),
            resamples=resamples,
            seed=seed,
        )


def confusion(truth: NDArray[np.uint8], prediction: NDArray[np.uint8], classes: int) -> Ints:
    """Pixels, truth by prediction: int64 (C, C), of two semantic maps (H, W) of 0..C-1.

    Pixels whose truth is 255 are ignored.
    """
    counted = truth != IGNORE
    cells = truth[counted].astype(np.uint16) * np.uint16(classes) + prediction[counted]
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def score_differences(first: SemanticScores, second: SemanticScores) -> Json:
    """Differences between the scores of two models, in the same half-samples of the same images.

    Of many classes without a true difference, one in twenty is significant by chance.

    Returns:
        `scores`, a difference for each of `METRICS`, and `per_class`, for each class its name and
        a difference for each of `CLASS_METRICS`. A difference has `difference` (second minus
        first), its 95% `interval`, the two-sided `p`, and `significant`; None for undefined values.

    Raises:
        ValueError: Classes, true pixels, resamples or seed differ.
    """
    one, other = ((each.class_names, each.resamples, each.seed) for each in (first, second))
    if one != other or not np.array_equal(first.areas[:, 1], second.areas[:, 1]):
        raise ValueError(
            "second: expected scores of the same classes, true semantic maps, resamples and seed"
        )
    means = {name: second._means[name] - first._means[name] for name in METRICS}
    classes = {name: second._classes[name] - first._classes[name] for name in CLASS_METRICS}
    return {
        "scores": {name: _difference(values) for name, values in means.items()},
        "per_class": [
            {"class": name, **{metric: _difference(v[:, c]) for metric, v in classes.items()}}
            for c, name in enumerate(first.class_names)
        ],
    }


def class_scores(areas: NDArray[Any], boundaries: NDArray[Any]) -> dict[str, Floats]:
    """The metrics of `CLASS_METRICS`, from counts.

    Args:
        areas: (..., 3, C), correct, true and predicted pixels of each class.
        boundaries: (..., 3, C), the same of the boundaries.

    Returns:
        float64 (..., C) each: 0..1, NaN for classes without a true pixel.
    """
    right, true, predicted = np.moveaxis(areas, -2, 0)
    near_right, near_true, near_predicted = np.moveaxis(boundaries, -2, 0)
    shares = {
        "IoU": (right, true + predicted - right),
        "Dice": (2 * right, true + predicted),
        "ACC": (right, true),
        "BIoU": (near_right, near_true + near_predicted - near_right),
    }
    return {
        name: np.where(true > 0, part / np.maximum(whole, 1), np.nan)
        for name, (part, whole) in shares.items()
    }


def mean_scores(classes: Mapping[str, Floats], true_pixels: NDArray[Any]) -> dict[str, Floats]:
    """The metrics of `METRICS`.

    Args:
        classes: What `class_scores` returns, each (..., C).
        true_pixels: (..., C).

    Returns:
        float64 (...) each: 0..1, NaN where no class has a true pixel.
    """
    means = {}
    for suffix, first in (("", 0), (FOREGROUND, 1)):
        pixels = true_pixels[..., first:]
        for name, (metric, by_pixels) in MEANS.items():
            weights = pixels if by_pixels else pixels > 0
            total = weights.sum(axis=-1)
            weighted = np.nansum(classes[metric][..., first:] * weights, axis=-1)
            means[name + suffix] = np.where(total > 0, weighted / np.maximum(total, 1), np.nan)
    return means


def _recentred(values: Floats) -> Floats:
    """The half-samples' scores, rows 1..R, shifted to have the mean of row 0, the full score.

    `interval` corrects the bias that it estimates from the mean of the half-samples, which suits
    AP. IoU differs in half-samples mostly because they lack rare classes and large objects by
    chance; with this correction, the coverage of the intervals is lower in most simulations.
    """
    halves = values[1:]
    means = np.nansum(halves, axis=0) / np.maximum(np.isfinite(halves).sum(axis=0), 1)
    return np.concatenate([values[:1], halves - means + values[0]])


def _difference(values: Floats) -> Json:
    """Values of all images, then of the half-samples: (1 + R,)."""
    value, halves = float(values[0]), values[1:]
    p = p_value(halves, value) if np.isfinite(halves).any() else None
    return {
        "difference": _or_none(value),
        "interval": interval(halves, value, lowest=-1),
        "p": p,
        "significant": None if p is None else p < SIGNIFICANT,
    }


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
