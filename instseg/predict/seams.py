"""Which pieces in neighbouring tiles are one object that a seam cuts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from instseg.core.boxes import overlapping
from instseg.core.instances import Instances, Masks
from instseg.core.windows import Window, corners_of_window

SAME_OBJECT_IOU = 0.5  # masks of one object in two predictions overlap at least this much
FRAGMENT_SHARE = 0.5  # of a piece that its tile cuts off, inside the piece of another tile
BORDER_PX = 3  # a mask that ends so close to the border of its tile is cut off by it


def group_pieces(
    pieces: Instances,
    tile_of: NDArray[np.int64],
    windows: Sequence[Window],
    whole: Instances,
) -> list[list[int]]:
    """Group the pieces of each object.

    Two pieces are of one object if their tiles differ, their classes are the same, and

    - their masks agree inside the strip that both tiles see, or
    - one of them is cut off by the border of its tile, and what it shares with the strip lies
      inside the other. Of several such pieces in a tile only the one that fits best is linked.

    Parts that the strip does not connect, as of an object behind another, are one object if the
    whole photo shows it, and no tile all of it.

    Args:
        pieces: In the coordinates of the photo.
        tile_of: int64 (N,), the tile of each.
        windows: Where each tile lies.
        whole: What was found in the whole photo.

    Returns:
        Rows of each group, the group with the best score first.
    """
    links = _links_in_strips(pieces, tile_of, windows)
    groups = _joined(len(pieces), links)
    links += _links_in_whole(pieces, tile_of, windows, whole, groups)
    label = _joined(len(pieces), links)
    rows: dict[int, list[int]] = {}
    for row in np.argsort(-pieces.scores, kind="stable").tolist():
        rows.setdefault(int(label[row]), []).append(row)
    return list(rows.values())


def _links_in_strips(
    pieces: Instances, tile_of: NDArray[np.int64], windows: Sequence[Window]
) -> list[tuple[int, int]]:
    masks = pieces.masks
    pairs = overlapping(masks.crop_boxes())
    one, other = pairs.T
    alike = (tile_of[one] != tile_of[other]) & (pieces.class_ids[one] == pieces.class_ids[other])
    is_cut = _cut_by_tiles(masks, tile_of, windows)
    links: list[tuple[int, int]] = []
    fragments: list[tuple[float, int, int]] = []
    for i, j in pairs[alike].tolist():
        common = masks.shared_pixels(i, j)
        if not common:
            continue
        seen_i = masks.pixels_inside(i, windows[tile_of[j]])
        seen_j = masks.pixels_inside(j, windows[tile_of[i]])
        if common > SAME_OBJECT_IOU * (seen_i + seen_j - common):
            links.append((i, j))
        elif is_cut[i] or is_cut[j]:
            share = common / min(seen_i, seen_j)
            if share > FRAGMENT_SHARE:
                fragments.append((share, i, j))
    return links + _best_fragments(fragments, links, tile_of)


def _best_fragments(
    fragments: list[tuple[float, int, int]],
    links: Iterable[tuple[int, int]],
    tile_of: NDArray[np.int64],
) -> list[tuple[int, int]]:
    """Links of fragments, best first; a piece has at most one partner in each other tile."""
    taken = {(i, int(tile_of[j])) for i, j in links} | {(j, int(tile_of[i])) for i, j in links}
    found = []
    for _, i, j in sorted(fragments, reverse=True):
        ends = (i, int(tile_of[j])), (j, int(tile_of[i]))
        if taken.isdisjoint(ends):
            taken.update(ends)
            found.append((i, j))
    return found


def _cut_by_tiles(
    masks: Masks, tile_of: NDArray[np.int64], windows: Sequence[Window]
) -> NDArray[np.bool_]:
    """Which pieces end at a border of their tile inside the photo: bool (N,)."""
    boxes = masks.boxes_xyxy()
    edges = np.array([corners_of_window(window) for window in windows])[tile_of]
    height, width = masks.size_hw
    inner = edges != np.array([0, 0, width, height])
    ends = np.abs(boxes - edges) <= BORDER_PX
    cut: NDArray[np.bool_] = (inner & ends).any(axis=1)
    return cut


def _links_in_whole(
    pieces: Instances,
    tile_of: NDArray[np.int64],
    windows: Sequence[Window],
    whole: Instances,
    groups: NDArray[np.int64],
) -> list[tuple[int, int]]:
    """Links between groups that one object of the whole photo covers, which no tile shows whole."""
    links: list[tuple[int, int]] = []
    edges = np.array([corners_of_window(window) for window in windows]).reshape(-1, 4)
    boxes = pieces.masks.crop_boxes()
    areas = pieces.masks.areas()
    for number, box in enumerate(whole.boxes):
        inside = (edges[:, :2] <= box[:2]).all(axis=1) & (edges[:, 2:] >= box[2:]).all(axis=1)
        if inside.any():
            continue
        near = (boxes[:, :2] < box[2:]).all(axis=1) & (boxes[:, 2:] > box[:2]).all(axis=1)
        near &= (pieces.class_ids == whole.class_ids[number]) & (areas > 0)
        rows = np.flatnonzero(near)
        if len(set(groups[rows].tolist())) < 2:
            continue
        own = whole.masks[number]
        both = Masks.concatenate([own, pieces.masks[rows]])
        shares = np.array([both.shared_pixels(0, k + 1) for k in range(len(rows))]) / areas[rows]
        members = rows[shares > SAME_OBJECT_IOU]
        if len(set(groups[members].tolist())) < 2:
            continue
        joined = Masks.concatenate([own, pieces.masks[members].union()])
        common = joined.shared_pixels(0, 1)
        if common > SAME_OBJECT_IOU * (joined.areas().sum() - common):
            links += [(int(members[0]), int(row)) for row in members[1:]]
    return links


def _joined(count: int, links: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """A label for each of `count` rows, equal for those that are linked: int64 (count,)."""
    parent = list(range(count))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for i, j in links:
        parent[root(i)] = root(j)
    return np.array([root(row) for row in range(count)], dtype=np.int64)
