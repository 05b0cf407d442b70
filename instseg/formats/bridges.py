"""Several rings as one, as for formats whose objects are a single polygon.

Rings are joined by bridges: lines that are walked there and back, so that they have no width and
the even-odd rule fills the same pixels. Users of YOLO join parts in this way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Loop = NDArray[np.float64]


def bridged(rings: Sequence[Loop]) -> Loop:
    """One ring (K, 2) that fills what rings (K, 2), one or more, fill by the even-odd rule.

    Each ring is joined, at its leftmost corner, to the nearest corner of those further left.
    """
    order = sorted(range(len(rings)), key=lambda i: float(rings[i][:, 0].min()))
    sorted_rings = [np.roll(rings[i], -int(rings[i][:, 0].argmin()), axis=0) for i in order]
    points = np.concatenate(sorted_rings)
    starts = np.cumsum([0, *map(len, sorted_rings)])
    at = list(range(len(points)))  # the point of each node of the walk
    following = list(range(1, len(points) + 1))
    following[starts[1] - 1] = -1
    for start, end in zip(starts[1:-1].tolist(), starts[2:].tolist(), strict=True):
        near = int(((points[:start] - points[start]) ** 2).sum(axis=1).argmin())
        back, again = len(at), len(at) + 1  # nodes that repeat the ring's start, and `near`
        at += [start, near]
        following += [again, following[near]]
        following[end - 1] = back
        following[near] = start
    walk, node = [], 0
    while node >= 0:
        walk.append(at[node])
        node = following[node]
    return points[walk]


def unbridged(ring: Loop) -> list[Loop]:
    """The rings (K, 2) that a ring with bridges joins; the ring itself if it has none.

    Lines that are walked there and back are taken out, and corners that come twice in a row.
    """
    corners = [(x, y) for x, y in ring.tolist()]
    if len(set(corners)) == len(corners):
        return [ring]
    found: list[list[tuple[float, float]]] = []
    walk: list[tuple[float, float]] = []
    lines: dict[tuple[tuple[float, float], tuple[float, float]], int] = {}
    for corner in [*corners, corners[0]]:
        if walk and walk[-1] == corner:
            continue
        back = lines.get((corner, walk[-1])) if walk else None
        if back is None:
            if walk:
                lines[walk[-1], corner] = len(walk) - 1
            walk.append(corner)
            continue
        found.append(walk[back + 1 :])  # between the two walks over the bridge
        for i in range(back, len(walk) - 1):
            if lines.get((walk[i], walk[i + 1])) == i:
                del lines[walk[i], walk[i + 1]]
        del walk[back + 1 :]
    found.append(walk)
    closed = [each[:-1] if len(each) > 1 and each[0] == each[-1] else each for each in found]
    return [np.array(each) for each in closed if len(each) > 2] or [ring]
