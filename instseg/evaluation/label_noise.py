"""How often predictions and right annotations disagree, learnt from annotations of which some err.

A small share of the annotations is wrong, and disagrees with the predictions whatever the evidence.
Both models estimate this share together with the usual disagreement (by expectation maximisation),
so that wrong annotations do not make the predictions look worse than they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

STEPS = 50
USUAL_SHARE = 0.02  # of wrong annotations of one kind; it counts as much as the data
USUAL_CASES = 100  # and as so many cases more
USUAL_STRENGTH = 4.0  # of the usual coefficients, against the data
CLASS_STRENGTH = 2.0  # pulls the offset of a class to 0
SPREADS = (0.1, 7.0)
LONGEST_STEP = 1.0


@dataclass(frozen=True, kw_only=True)
class Cases:
    """N cases in which annotations and predictions are compared.

    Attributes:
        features: float64 (N, F), about -10..10; the first is 1.
        classes: int64 (N,), 0..K-1; each has its own offset.
        usual: F coefficients, which hold as long as data are few.
    """

    features: Floats
    classes: Ints
    usual: Sequence[float]


def noise_of_choices(cases: Cases, disagrees: Bools) -> Floats:
    """The probability that the annotation is wrong, for cases that agree or disagree.

    Right annotations disagree with a chance of sigmoid(features @ coefficients + offset).

    Args:
        cases: N cases.
        disagrees: bool (N,).

    Returns:
        float64 (N,), 0..1; 0 where both agree.
    """
    fit = _Linear(cases)
    share, noise = USUAL_SHARE, np.zeros(len(disagrees))
    for _ in range(STEPS):
        chance = _sigmoid(fit.values())
        noise = np.where(disagrees, _bayes(share, 1.0, chance), 0.0)
        share = _share(noise)
        fit.step((1 - noise) * (disagrees - chance), (1 - noise) * chance * (1 - chance))
    return noise


def noise_of_values(
    cases: Cases, values: Floats, wrong: Floats, *, floor: float = -np.inf, lapses: float = 0.0
) -> Floats:
    """The probability that the annotation is wrong, by how far a value is below the usual ones.

    Values of right annotations have a logistic distribution about features @ coefficients +
    offset; its spread depends on the features too.

    Args:
        cases: N cases.
        values: float64 (N,), the higher, the better annotation and prediction agree.
        wrong: float64 (N,), the density of the values of wrong annotations; at the floor their
            share.
        floor: Lower values are not seen, but counted as this one.
        lapses: Share of right annotations that are at the floor whatever their features.

    Returns:
        float64 (N,), 0..1; 0 for values above the mean.
    """
    center, width = _Linear(cases), _Linear(_of_one_class(cases))
    spread = np.ones(len(values))
    lowest = values <= floor
    share, noise = USUAL_SHARE, np.zeros(len(values))
    for _ in range(STEPS):
        gap = (values - center.values()) / spread
        below = _sigmoid(gap)
        usual = np.where(lowest, below + lapses, below * (1 - below) / spread)
        noise = np.where(gap < 0, _bayes(share, wrong, usual), 0.0)
        share = _share(noise)
        pull = np.where(lowest, below - 1, 2 * below - 1)
        curve = np.maximum(np.where(lowest, 1, 2) * below * (1 - below), 0.05)  # so steps are short
        center.step((1 - noise) * pull / spread, (1 - noise) * curve / spread**2)
        gap = (values - center.values()) / spread
        below = _sigmoid(gap)
        pull = np.where(lowest, below - 1, 2 * below - 1)
        width.step((1 - noise) * (pull * gap - ~lowest), 1.5 * (1 - noise))
        spread = np.exp(np.clip(width.values(), *np.log(SPREADS)))
    return noise


def _of_one_class(cases: Cases) -> Cases:
    return Cases(
        features=cases.features,
        classes=np.zeros_like(cases.classes),
        usual=[0.0] * len(cases.usual),
    )


def _bayes(share: float, wrong: Floats | float, right: Floats) -> Floats:
    """The probability of a wrong annotation, from how likely either makes what is seen."""
    weighted = share * wrong
    found: Floats = weighted / (weighted + (1 - share) * right + np.finfo(float).tiny)
    return found


def _share(noise: Floats) -> float:
    """The share of wrong annotations, half-way between the data and what is usual."""
    prior = USUAL_CASES + len(noise)
    return float((noise.sum() + USUAL_SHARE * prior) / (len(noise) + prior))


def _sigmoid(values: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-np.clip(values, -30, 30)))
    return found


class _Linear:
    """features @ coefficients + offset of the class, fitted by Newton steps."""

    def __init__(self, cases: Cases) -> None:
        self._cases = cases
        self._usual = np.array(cases.usual, dtype=np.float64)
        self._coefficients = self._usual
        self._offsets = np.zeros(cases.classes.max(initial=0) + 1)

    def values(self) -> Floats:
        """float64 (N,)."""
        found: Floats = self._cases.features @ self._coefficients
        return found + self._offsets[self._cases.classes]

    def step(self, slope: Floats, curve: Floats) -> None:
        """Climb a log-likelihood by its derivative and its negative second derivative, (N,)."""
        x, classes = self._cases.features, self._cases.classes
        pull = USUAL_STRENGTH * (self._usual - self._coefficients)
        curves = (x * curve[:, None]).T @ x + USUAL_STRENGTH * np.eye(x.shape[1])
        move = np.linalg.solve(curves, x.T @ slope + pull)
        move = np.clip(move, -LONGEST_STEP, LONGEST_STEP)
        self._coefficients = self._coefficients + move
        left = slope - curve * (x @ move)
        size = len(self._offsets)
        pull = np.bincount(classes, left, size) - CLASS_STRENGTH * self._offsets
        move = pull / (np.bincount(classes, curve, size) + CLASS_STRENGTH)
        self._offsets = self._offsets + np.clip(move, -LONGEST_STEP, LONGEST_STEP)
