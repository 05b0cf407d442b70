"""Which image comes when: a pure function of seed and epoch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Order:
    """The batches of every epoch.

    They depend on the fields and the epoch's number alone, so a position in a run is (epoch,
    batch), and resuming is `order.batches(epoch)[batch:]`.

    Args:
        images: How many there are, at least 1.
        batch_size: Images of a batch, of one process.
        seed: Of all that is drawn.
        repeats: How often each image comes in an epoch, float64 (images,), at least 1, as
            `repeat_factors` gives it: 1.3 is once, and twice in three epochs of ten. None is once
            each.
        groups: Of each image, (images,), for example `widths > heights`: images of two groups
            never share a batch, so that little of it is padding.
        empty: Which images have no objects, bool (images,); asked for by `empty_share`.
        empty_share: At most this share of an epoch, 0..1, is images without objects, drawn anew
            each epoch; None keeps them all, and so does a dataset of nothing else.
        rank: Which of the processes this is.
        world_size: Processes that train together.
    """

    images: int
    batch_size: int
    seed: int
    repeats: NDArray[np.float64] | None = None
    groups: NDArray[np.int64] | NDArray[np.bool_] | None = None
    empty: NDArray[np.bool_] | None = None
    empty_share: float | None = None
    rank: int = 0
    world_size: int = 1

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """This process's batches of an epoch.

        Each group's last batch may be smaller than the others: filling it up would show some
        images more often than others. All processes get the same number of batches: where it
        does not divide evenly, it is padded by repeating the epoch's first ones, as in torch's
        `DistributedSampler`. Together they see all images.

        Args:
            epoch: From 0.

        Returns:
            Rows of images, 1 to `batch_size` in each batch; at least one batch.
        """
        rng = np.random.default_rng([self.seed, epoch])
        rows = self._drawn(rng)
        groups = np.zeros(len(rows)) if self.groups is None else self.groups[rows]
        batches = []
        for group in np.unique(groups):
            members = rows[groups == group]
            batches += np.split(members, range(self.batch_size, len(members), self.batch_size))
        order = rng.permutation(len(batches))
        rounds = -(-len(batches) // self.world_size)
        mine = np.resize(order, rounds * self.world_size)[self.rank :: self.world_size]
        return [batches[i] for i in mine]

    def _drawn(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Rows of the epoch's images, repeated, shuffled, without empty ones over their share."""
        repeats = np.ones(self.images) if self.repeats is None else self.repeats
        copies = repeats.astype(np.int64) + (rng.random(self.images) < repeats % 1)
        rows = rng.permutation(np.repeat(np.arange(self.images), copies))
        if self.empty is None or self.empty_share is None or self.empty_share == 1:
            return rows
        empty = self.empty[rows]
        full = np.count_nonzero(~empty)
        if full == 0:
            return rows
        most = int(full * self.empty_share / (1 - self.empty_share) + 1e-9)
        return rows[~empty | (np.cumsum(empty) <= most)]


def repeat_factors(
    classes_per_image: Sequence[Collection[int]], threshold: float
) -> NDArray[np.float64]:
    """How often images with rare classes should come, compared to the others.

    Repeat-factor sampling of Gupta, Dollar and Girshick (LVIS, CVPR 2019): an image comes as often
    as its rarest class asks for, which is max(1, sqrt(threshold / share of images with the class)).

    Args:
        classes_per_image: For each image the classes of its objects.
        threshold: Classes in a smaller share of the images, 0..1, count as rare; LVIS has 0.001.

    Returns:
        float64 (images,), at least 1; 1 for images without objects.
    """
    counts = Counter(c for classes in classes_per_image for c in set(classes))
    wanted = threshold * len(classes_per_image)
    factors = {c: max(1.0, (wanted / count) ** 0.5) for c, count in counts.items()}
    return np.array(
        [max((factors[c] for c in classes), default=1.0) for classes in classes_per_image],
        dtype=np.float64,
    )
