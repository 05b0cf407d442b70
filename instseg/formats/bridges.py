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
    _, corner_ids = np.unique(ring[:, 0] + 1j * ring[:, 1], return_inverse=True)
    if corner_ids.max(initial=-1) + 1 == len(ring):
        return [ring]
    order = np.append(np.arange(len(ring)), 0)
    order = order[np.diff(corner_ids[order], prepend=-1) != 0]  # the first of equal neighbours
    start, end = corner_ids[order[:-1]], corner_ids[order[1:]]
    lines, backwards = start * len(ring) + end, end * len(ring) + start
    found: list[list[slice]] = []
    open_lines: dict[int, int] = {}  # where each line lies in `walked`
    walked: list[int] = []  # lines that are walked back somewhere, and not yet
    pieces: list[list[slice]] = [[]]  # of `order`: what follows each of them
    at = 0
    for i in np.flatnonzero(np.isin(lines, backwards)).tolist():
        pieces[-1].append(slice(at, i + 1))
        begin = open_lines.get(int(backwards[i]))
        if begin is None:
            open_lines[int(lines[i])] = len(walked)
            walked.append(int(lines[i]))
            pieces.append([])
            at = i + 1
            continue
        found.append([piece for own in pieces[begin + 1 :] for piece in own])
        for place, line in enumerate(walked[begin:], begin):
            if open_lines.get(line) == place:
                del open_lines[line]
        del walked[begin:], pieces[begin + 1 :]
        at = i + 2
    found.append([piece for own in pieces for piece in own] + [slice(at, len(order))])
    rings = [np.concatenate([order[piece] for piece in own]) for own in found]
    closed = [
        own[:-1] if len(own) > 1 and corner_ids[own[0]] == corner_ids[own[-1]] else own
        for own in rings
    ]
    return [ring[own] for own in closed if len(own) > 2] or [ring]
