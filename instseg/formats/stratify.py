"""Draws splits in which each class has its share: iterative stratification.

Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data" (2011), for groups of
photos that stay together: the label with the fewest groups left is dealt out first, each group to
the split that lacks most of that label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

MOST_OVER = 1.5  # times its share: the size up to which a split takes photos of classes it lacks

Label = tuple[str, int]
"""A class, or "" for every photo, and a number of its objects: the photos with so many or more."""


def stratified(
    groups: Sequence[Mapping[Label, int]], shares: Sequence[float], seed: int
) -> NDArray[np.int64]:
    """Deal groups of photos out to splits.

    Args:
        groups: How many photos of each group have each label, the groups in a random order.
        shares: Of the splits, the most important first; they add up to 1.
        seed: Random seed, for ties.

    Returns:
        int64 (len(groups),), the split of each group. The first split has every class; so have
        the others, the more important first, as far as those before them keep theirs and their
        size allows.
    """
    deal = _Deal(groups, shares)
    draw = np.random.default_rng(seed)
    while len(present := np.flatnonzero(deal.left)):
        label = present[np.argmin(deal.left[present])]
        for group in deal.members[label]:
            if deal.split_of[group] < 0:
                ties = draw.random(len(shares))
                order = np.lexsort((ties, deal.lacks[:, deal.photos], deal.lacks[:, label]))
                deal.put(group, int(order[-1]))
    for split in range(len(shares)):
        deal.complete(split)
    for split in range(1, len(shares)):
        deal.trim(split)
    return deal.split_of


class _Deal:
    """Where each group is, and what each split lacks."""

    def __init__(self, groups: Sequence[Mapping[Label, int]], shares: Sequence[float]) -> None:
        labels = sorted({label for group in groups for label in group} | {("", 1)})
        number_of = {label: number for number, label in enumerate(labels)}
        self.photos = number_of["", 1]
        self.classes = [number for (_, least), number in number_of.items() if least == 1]
        self.labels = [np.array([number_of[each] for each in group], int) for group in groups]
        self.counts = [np.array([*group.values()], float) for group in groups]
        self.members: list[list[int]] = [[] for _ in labels]
        totals = np.zeros(len(labels))
        for group, own in enumerate(self.labels):
            totals[own] += self.counts[group]
            for label in own:
                self.members[label].append(group)
        self.left = np.array([len(groups) for groups in self.members])  # to be dealt out
        self.split_of = np.full(len(groups), -1, dtype=np.int64)
        self.lacks = np.outer(shares, totals)  # photos
        self.most_over = (MOST_OVER - 1) * self.lacks[:, self.photos]
        self.has = np.zeros((len(shares), len(labels)), dtype=np.int64)  # groups

    def put(self, group: int, split: int) -> None:
        """Place a group, or move it."""
        labels, counts, before = self.labels[group], self.counts[group], self.split_of[group]
        if before < 0:
            self.left[labels] -= 1
        else:
            self.lacks[before, labels] += counts
            self.has[before, labels] -= 1
        self.lacks[split, labels] -= counts
        self.has[split, labels] += 1
        self.split_of[group] = split

    def complete(self, split: int) -> None:
        """Move groups to a split that has none of a class, the rarest class first."""
        rarest = sorted(
            self.classes, key=lambda each: (each != self.photos, len(self.members[each]))
        )
        for label in rarest:
            if self.has[split, label]:
                continue
            groups = [group for group in self.members[label] if self._may_move(group, split)]
            if groups:
                self.put(min(groups, key=lambda group: self._cost(group, split)), split)

    def trim(self, split: int) -> None:
        """Give back groups that a split with too many photos does not need for its classes."""
        while self.lacks[split, self.photos] < 0:
            own = np.flatnonzero(self.split_of == split).tolist()
            spare = [group for group in own if self._is_spare(group)]
            best = min(spare, key=lambda group: self._cost(group, 0), default=None)
            if best is None or self._cost(best, 0) >= 0:
                break
            self.put(best, 0)

    def _is_spare(self, group: int) -> bool:
        """Whether its split keeps all classes without it."""
        labels = self.labels[group]
        few = self.has[self.split_of[group], labels] < 2
        return not few[np.isin(labels, self.classes)].any()

    def _may_move(self, group: int, split: int) -> bool:
        """Whether no more important split loses a class, and this one does not become too large."""
        labels, before = self.labels[group], self.split_of[group]
        kept = before > split or self._is_spare(group)
        if split == 0 or not self.has[split, self.photos]:
            return kept
        size = self.counts[group][labels == self.photos].sum()
        return kept and bool(size - self.lacks[split, self.photos] <= self.most_over[split])

    def _cost(self, group: int, split: int) -> float:
        """How much further all is from the shares if a group moves."""
        labels, counts = self.labels[group], self.counts[group]
        lacks = self.lacks[self.split_of[group], labels] - self.lacks[split, labels]
        return float((counts * (counts + lacks)).sum())
