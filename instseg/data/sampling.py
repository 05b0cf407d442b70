"""The order of images: a pure function of seed and epoch."""

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
        images: Number of images, at least 1.
        batch_size: Images per batch, in each process.
        seed: Random seed.
        repeats: Repeat factor of each image, float64 (images,), at least 1, as `repeat_factors`
            returns it: 1.3 is once, and twice in three epochs of ten. None is once each.
        groups: Group of each image, (images,), for example `widths > heights`: images of different
            groups never share a batch, which reduces padding.
        empty: Which images have no objects, bool (images,); needed by `empty_share`.
        empty_share: Maximum share of images without objects in an epoch, 0..1, drawn again for
            each epoch; None keeps all, and so does a dataset without objects.
        rank: Rank of this process.
        world_size: Number of processes.
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

        The last batch of each group may be smaller: filling it would repeat some images. All
        processes get the same number of batches: where it
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
        """Rows of the epoch's images, repeated and shuffled, with the share of empty ones."""
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


def raise_share(
    repeats: NDArray[np.float64], chosen: NDArray[np.bool_], share: float
) -> NDArray[np.float64]:
    """Repeat factors that make chosen images a minimum share of an epoch.

    Args:
        repeats: Repeat factor of each image, float64 (images,).
        chosen: Which images, bool (images,).
        share: Their minimum share, at least 0 and below 1.

    Returns:
        The same, with larger factors for the chosen images if they are too few; unchanged if none
        is chosen.
    """
    those, others = repeats[chosen].sum(), repeats[~chosen].sum()
    if not those or those >= share * (those + others):
        return repeats
    return np.where(chosen, repeats * share / (1 - share) * others / those, repeats)


def repeat_factors(
    classes_per_image: Sequence[Collection[int]], threshold: float
) -> NDArray[np.float64]:
    """The repeat factor of each image, larger for rare classes.

    Repeat-factor sampling of Gupta, Dollar and Girshick (LVIS, CVPR 2019): the factor of an image
    is that of its rarest class, max(1, sqrt(threshold / share of images with the class)).

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
