"""Outlines of masks along the edges of pixels, exact or simplified, as polygons and SVG paths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

Loop = NDArray[np.float64]

MOST_UNEVEN_SPLITS = 64
"""Loops are split so often at their farthest point. What is left then, as of combs, is split in
the middle, so that the time does not grow with the square of the corners."""


def exact_loops(
    crop: NDArray[np.bool_], offset_yx: tuple[int, int] = (0, 0)
) -> list[NDArray[np.int64]]:
    """The outline of a mask, along the edges of its pixels.

    Pixels that touch only at a corner have outlines of their own. With the even-odd rule, or that
    of non-zero winding, the loops fill exactly the pixels of the mask.

    Args:
        crop: (h, w).
        offset_yx: The image pixel of the crop's first pixel.

    Returns:
        Loops, each (K, 2): x, y of the corners where it turns, in pixels of the image; its end is
        its start. The mask is to the right: loops go clockwise, around holes counterclockwise.
        They begin at their leftmost corner, and are sorted by it. None for an empty mask.
    """
    corners, beside, below = _corners(crop)
    across, down = beside.tolist(), below.tolist()
    loops = []
    seen = bytearray(len(across))
    for start in range(len(across)):
        if not seen[start]:
            walk: list[int] = []
            here = start
            while not seen[here]:
                there = across[here]
                seen[here] = seen[there] = 1
                walk += (here, there)
                here = down[there]
            x, y = corners[start].tolist()
            is_hole = not crop[y, x]
            if is_hole:
                walk[1:] = walk[:0:-1]
            loops.append(corners[walk] + np.array(offset_yx[::-1]))
    return loops


def is_clockwise(loop: NDArray[Any]) -> bool:
    """Whether a loop (K, 2) goes around pixels of the mask, not around a hole."""
    x, y = loop[:, 0], loop[:, 1]
    return bool((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() > 0)


def exact_polygons(crop: NDArray[np.bool_], offset_yx: tuple[int, int]) -> list[list[int]] | None:
    """The parts of a mask as COCO polygons, which pycocotools rasterises to the same pixels.

    Args:
        crop: (h, w).
        offset_yx: The image pixel of the crop's first pixel.

    Returns:
        Polygons, each flat [x0, y0, x1, y1, ...] along the edges of pixels; None for a mask with a
        hole, which COCO polygons cannot express, and for an empty one.
    """
    loops = exact_loops(crop, offset_yx)
    if not loops or not all(map(is_clockwise, loops)):
        return None
    return [np.roll(loop, -1, axis=0).ravel().tolist() for loop in loops]


def rounded_loops(loops: Iterable[NDArray[np.int64]]) -> list[Loop]:
    """Loops with each corner cut by half a pixel, so that slanted lines have no stairs.

    Args:
        loops: Of `exact_loops`.

    Returns:
        Loops, each (K, 2), which differ from the exact ones by less than 0.36 pixels.
    """
    each = list(loops)
    if not each:
        return []
    points = np.concatenate(each)
    ends = np.cumsum([len(loop) for loop in each])
    starts = np.concatenate([[0], ends[:-1]])
    following = np.roll(points, -1, axis=0)
    following[ends - 1] = points[starts]
    half = np.sign(following - points) / 2
    cut = np.stack([points + half, following - half], axis=1).reshape(-1, 2)
    earlier = np.roll(cut, 1, axis=0)
    earlier[2 * starts] = cut[2 * ends - 1]
    is_new = (cut != earlier).any(axis=1)
    counts = np.add.reduceat(is_new, 2 * starts, dtype=np.int64)
    return np.split(cut[is_new], np.cumsum(counts)[:-1])


def simplified_outlines(
    outlines: Sequence[Sequence[NDArray[Any]]], tolerance: float
) -> list[list[Loop]]:
    """Outlines with fewer corners, by the method of Douglas and Peucker.

    Args:
        outlines: Of each mask its loops, each (K, 2); many at once are faster.
        tolerance: How far a left-out corner may lie from the new loop.

    Returns:
        The loops of each. Those that have no area with this tolerance are missing, unless all of
        a mask are: then the longest is kept as it is.
    """
    loops = [loop for outline in outlines for loop in outline]
    simple = iter(_simplified(loops, tolerance) if loops else [])
    found = []
    for outline in outlines:
        own = [next(simple) for _ in outline]
        whole = [loop for loop in own if len(loop) > 2]
        longest = [max(outline, key=len).astype(np.float64)] if len(outline) else []
        found.append(whole or longest)
    return found


def svg_path(loops: Iterable[NDArray[Any]], digits: int = 0) -> str:
    """Loops as the `d` of an SVG path, in short relative commands.

    Args:
        loops: Each (K, 2): x, y.
        digits: Decimals, to which the corners are rounded.

    Returns:
        As "M5 4h3v2h-3z"; "" without loops. Fill it with the rule even-odd or non-zero.
    """
    scale = 10**digits
    parts = []
    for loop in loops:
        corners = np.rint(np.asarray(loop) * scale).astype(np.int64)
        x0, y0 = corners[0].tolist()
        parts.append(f"M{_number(x0, digits)}{_after(_number(y0, digits))}")
        parts += [_step(dx, dy, digits) for dx, dy in np.diff(corners, axis=0).tolist()]
        parts.append("z")
    return "".join(parts)


def _corners(
    crop: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The corners of a mask, and to which others the edges of pixels lead.

    Returns:
        x, y of each: int64 (C, 2), sorted; twice where two pixels touch only there. The index of
        the corner at the other end of its horizontal edge: (C,); and of its vertical edge: (C,).
    """
    padded = np.pad(crop, 1).astype(np.int8).T  # by columns, so that what is found is sorted by x
    north_west, south_west = padded[:-1, :-1], padded[:-1, 1:]
    north_east, south_east = padded[1:, :-1], padded[1:, 1:]
    turns = north_west ^ north_east ^ south_west ^ south_east
    touch = (north_west == south_east) & (north_east == south_west) & (north_west != north_east)
    x, y = np.nonzero(turns | (touch * np.int8(2)))
    times = 1 + touch[x, y].astype(np.int64)
    falls = np.repeat(north_west[x, y] == 1, times)  # at a touch: the pixels lie like "\", not "/"
    second = np.zeros(len(falls), dtype=bool)
    second[np.cumsum(times) - 1] = times == 2
    x, y = np.repeat(x, times), np.repeat(y, times)
    # A vertical edge joins each two corners that follow in a column, a horizontal one in a row. Of
    # two at one place, the first belongs to the upper pixel, which ends an edge from above. It
    # also ends one from the left where it is the left pixel.
    below = _partners(np.arange(len(x)))
    beside = _partners(np.lexsort((second ^ ~falls, x, y)))
    return np.stack([x, y], axis=1), beside, below


def _partners(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each corner the other one of its pair, where each two that follow in `order` are one."""
    found = np.empty_like(order)
    found[order[::2]], found[order[1::2]] = order[1::2], order[::2]
    return found


def _simplified(loops: Sequence[NDArray[Any]], tolerance: float) -> list[Loop]:
    """The corners of one or more loops that are kept."""
    points = np.concatenate([part for loop in loops for part in (loop, loop[:1])])
    points = points.astype(np.float64)
    ends = np.cumsum([len(loop) + 1 for loop in loops])
    starts = ends - [len(loop) + 1 for loop in loops]
    kept = np.zeros(len(points), dtype=bool)
    kept[starts] = True
    first, last = starts, ends - 1
    for step in count():
        if not len(first):
            break
        far = _farthest(points, first, last, tolerance)
        split = far >= 0
        middle = far[split]
        if step >= MOST_UNEVEN_SPLITS:
            middle = (first[split] + last[split]) // 2
        kept[middle] = True
        first = np.concatenate([first[split], middle])
        last = np.concatenate([middle, last[split]])
        wide = last - first > 1
        first, last = first[wide], last[wide]
    pairs = zip(starts.tolist(), ends.tolist(), strict=True)
    return [points[start : end - 1][kept[start : end - 1]] for start, end in pairs]


def _farthest(
    points: Loop, first: NDArray[np.int64], last: NDArray[np.int64], tolerance: float
) -> NDArray[np.int64]:
    """Of each stretch the point that is farthest from its chord; -1 if that is within tolerance."""
    lengths = last - first - 1  # of the points between
    starts = np.cumsum(lengths) - lengths
    of = np.repeat(np.arange(len(first)), lengths)
    at = np.arange(lengths.sum()) - starts[of] + first[of] + 1
    chord = (points[last] - points[first])[of]
    away = points[at] - points[first][of]
    length_2 = np.maximum((chord**2).sum(axis=1), 1e-12)
    along = ((away * chord).sum(axis=1) / length_2).clip(0, 1)
    distance = np.hypot(*(away - along[:, None] * chord).T)
    most = np.maximum.reduceat(distance, starts)
    hits = np.flatnonzero(distance == most[of])
    found = np.full(len(first), -1)
    found[of[hits[::-1]]] = at[hits[::-1]]
    found[most <= tolerance] = -1
    return found


def _step(dx: int, dy: int, digits: int) -> str:
    if not dy:
        return f"h{_number(dx, digits)}" if dx else ""
    if not dx:
        return f"v{_number(dy, digits)}"
    return f"l{_number(dx, digits)}{_after(_number(dy, digits))}"


def _number(value: int, digits: int) -> str:
    """A number without needless characters, as ".5" and "-3"."""
    if not digits:
        return str(value)
    text = f"{value / 10**digits:.{digits}f}".rstrip("0").rstrip(".")
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def _after(number: str) -> str:
    """A number that follows another: its sign separates it, if it has one."""
    return number if number.startswith("-") else f" {number}"
