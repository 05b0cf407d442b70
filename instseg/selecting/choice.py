"""Choosing photos: those that teach most, and are unlike each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instseg.core.wording import count

NAMED = 3  # detections in the reason for a choice
LEAST = 0.01  # worth of a photo without detections, as a share of the mean


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """What the model finds in a photo.

    Attributes:
        class_ids: int64 (N,), 1..K.
        scores: float32 (N,), 0..1.
        features: float32 (C,).
    """

    class_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    features: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A choice.

    Attributes:
        row: The photo.
        score: What it was worth when it was chosen: uncertainty times distance.
        uncertainty: Of its detections, classes with few objects counted more.
        distance: To the most similar photo that is labelled or was chosen before, 1 on average;
            1 if there is none.
    """

    row: int
    score: float
    uncertainty: float
    distance: float


def choose(
    looks: Sequence[Look],
    count: int,
    *,
    classes: int,
    known: Sequence[Look] = (),
    objects: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> list[Chosen]:
    """Choose photos one after another, each the most valuable beside those before.

    A photo is worth the uncertainty of its detections times its distance to the nearest labelled or
    chosen photo, as in k-centre greedy (Sener and Savarese, ICLR 2018). A detection with score s is
    uncertain by 1 - |2s - 1|, divided by the root of the number of objects that its class has: the
    labelled ones and those expected in the chosen photos, which are the sum of the scores.

    Args:
        looks: The photos to choose from.
        count: How many to choose, at most all.
        classes: Number of classes.
        known: The labelled photos.
        objects: float64 (classes + 1,), labelled objects by class id.
        seed: Decides between equal photos.

    Returns:
        The choices, the most valuable first.
    """
    order = np.random.default_rng(seed).permutation(len(looks))
    mixed = [looks[row] for row in order]
    unsure = _sums(mixed, classes, lambda scores: 1 - np.abs(2 * scores - 1))
    expected = _sums(mixed, classes, lambda scores: scores)
    features, others = _scaled(mixed, known)
    have = np.zeros(classes + 1) if objects is None else objects.astype(np.float64)
    nearest = np.full(len(mixed), np.inf)
    for other in others:
        nearest = np.minimum(nearest, _distances(features, other))
    left, chosen = np.ones(len(mixed), dtype=bool), list[Chosen]()
    for _ in range(min(count, len(mixed))):
        uncertainty = unsure @ (1 / np.sqrt(1 + have))
        distance = np.where(np.isinf(nearest), 1.0, nearest)
        worth = (uncertainty + LEAST * uncertainty.mean() + 1e-12) * distance
        row = int(np.argmax(np.where(left, worth, -1.0)))
        left[row] = False
        chosen.append(
            Chosen(
                row=int(order[row]),
                score=float(worth[row]),
                uncertainty=float(uncertainty[row]),
                distance=float(distance[row]),
            )
        )
        have += expected[row]
        nearest = np.minimum(nearest, _distances(features, features[row]))
    return chosen


def reason(look: Look, class_names: Sequence[str]) -> str:
    """In words what the model is uncertain of in a photo."""
    unsure = 1 - np.abs(2 * look.scores - 1)
    most = np.argsort(-unsure, kind="stable")[:NAMED]
    if not len(most):
        return "nothing found"
    named = [f"{class_names[look.class_ids[i]]} {look.scores[i]:.2f}" for i in most]
    return f"{count(len(unsure), 'detection')}, least sure of {', '.join(named)}"


def _sums(
    looks: Sequence[Look],
    classes: int,
    of: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> NDArray[np.float64]:
    """The sum over the detections of each photo and class: (photos, classes + 1)."""
    return np.array(
        [
            np.bincount(each.class_ids, weights=of(each.scores), minlength=classes + 1)
            for each in looks
        ]
    ).reshape(len(looks), classes + 1)


def _scaled(
    looks: Sequence[Look], known: Sequence[Look]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features whose distances are 1 on average, of the photos and of the labelled ones."""
    both = np.array([each.features for each in (*looks, *known)], dtype=np.float32)
    both -= both.mean(axis=0)
    both /= both.std(axis=0) + 1e-6
    both /= np.sqrt(2 * both.shape[1])  # two random photos have a squared distance of 1
    return both[: len(looks)], both[len(looks) :]


def _distances(features: NDArray[np.float32], one: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.sqrt(((features - one) ** 2).sum(axis=1, dtype=np.float64))
