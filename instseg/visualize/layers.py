"""Masks blended into a photo, fast also where a hundred large ones lie over one another.

The photo is divided into tiles of 8 x 8 px. Where a mask covers a tile and what surrounds it, its
layer is the same for the whole tile, and is kept as four numbers until the end. Pixels are blended
before that only in the tiles along a mask's border.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from instseg.core.colors import Rgb
from instseg.core.masks import Masks

Bytes = NDArray[np.uint8]
Rows = NDArray[np.void]  # items of 24 bytes

_SIDE = 8  # of a tile; a row of it is one 64-bit word of a mask, and three of a photo
_WIDEST_LINE_PX = _SIDE
_ALL_SET = np.uint64(0x0101010101010101)
_ROW = np.dtype("V24")  # one row of a tile in RGB, or of three neighbouring tiles in a mask
_TILES_AT_ONCE = 512  # what they need fits into the cache of a processor
_BLACK_SCALE = 256  # layers hold colours of 0 to 255 in units of 1/256
_ROUNDING = 128
_SMALL_PX = 2**17  # masks whose crop has no more pixels are drawn faster without tiles
_CHANNELS = np.tile(np.arange(3), _SIDE)
_NOTHING_WAITS = np.array([[0], [0], [0], [1]], np.float32)


def blend_masks(
    image: NDArray[np.uint8],
    masks: Masks,
    order: Iterable[int],
    colors: Sequence[Rgb],
    *,
    opacity: float,
    line_px: int,
) -> NDArray[np.uint8]:
    """Fill and outline masks, one over the other.

    Pixels are within one or two steps of 255 of the exact result; under very many masks of low
    opacity, three.

    Args:
        image: uint8 (H, W, 3); not modified.
        masks: Masks of this photo.
        order: Rows of the masks that are drawn, the lowest first.
        colors: Colour of each mask, r, g, b, 0 to 255.
        opacity: Of the filled inside, 0 to 1.
        line_px: Width of the solid outline along the inner side of the border, 0 (none) to 8.

    Returns:
        A new uint8 (H, W, 3) array, contiguous.
    """
    if not 0 <= line_px <= _WIDEST_LINE_PX:
        raise ValueError(f"line_px: expected 0 to {_WIDEST_LINE_PX}, got {line_px}")
    layers = _Layers(image)
    places = masks.offsets_yx.tolist()
    for i in order:
        if masks.crops[i].size:
            y, x = places[i]
            layers.add(masks.crops[i], y, x, colors[i], opacity, line_px)
    return layers.flattened()


class _Layers:
    """A photo, and uniform layers that wait on its tiles."""

    def __init__(self, image: Bytes) -> None:
        self._size_hw = height, width = image.shape[:2]
        self._tiles_hw = down, across = -(-height // _SIDE), -(-width // _SIDE)
        if (down * _SIDE, across * _SIDE) == (height, width):
            self._canvas = np.array(image, order="C")
        else:
            self._canvas = np.zeros((down * _SIDE, across * _SIDE, 3), np.uint8)
            self._canvas[:height, :width] = image
        # (4, tiles down, across): what becomes of a pixel is pixel * waiting[3] + waiting[:3].
        self._waiting = np.zeros((4, down, across), np.float32)
        self._waiting[3] = 1
        self._buffer = np.empty(0, np.uint8)

    def add(
        self, crop: NDArray[np.bool_], y: int, x: int, color: Rgb, opacity: float, line_px: int
    ) -> None:
        """Lay a mask over everything; its crop begins at pixel y, x."""
        if crop.size <= _SMALL_PX:
            self._add_small(crop, y, x, color, opacity, line_px)
            return
        padded, top, left = self._padded(crop, y, x)
        down, across = (side // _SIDE - 2 for side in padded.shape)
        words = padded[_SIDE:-_SIDE].view(np.uint64)[:, 1:-1].reshape(down, _SIDE, across)
        inside = np.bitwise_and.reduce(words, axis=1) == _ALL_SET
        at_border = np.bitwise_or.reduce(words, axis=1) != 0
        if line_px:
            inside = _surrounded(inside)
        at_border &= ~inside
        if opacity > 0 and inside.any():
            window = slice(top, top + down), slice(left, left + across)
            share = np.where(inside, np.float32(opacity), np.float32(0))
            _cover(self._waiting[:, *window], color, share)
        rows, columns = np.nonzero(at_border)
        for start in range(0, len(rows), _TILES_AT_ONCE):
            some = slice(start, start + _TILES_AT_ONCE)
            tiles = rows[some], columns[some]
            filled, core = _with_core(padded, *tiles, line_px)
            whole = (core.view(np.uint64) == _ALL_SET).all(axis=(1, 2))
            places = tiles[0] + top, tiles[1] + left
            if whole.any():
                those = places[0][whole], places[1][whole]
                waiting = self._waiting[:, *those]
                _cover(waiting, color, np.float32(opacity))
                self._waiting[:, *those] = waiting
                places = places[0][~whole], places[1][~whole]
                filled, core = filled[~whole], core[~whole]
            self._blend(*places, _thrice(filled), _thrice(core), color, opacity)

    def _add_small(
        self, crop: NDArray[np.bool_], y: int, x: int, color: Rgb, opacity: float, line_px: int
    ) -> None:
        """Blend a mask of few pixels, without tiles."""
        height, width = crop.shape
        bottom, right = y + height, x + width
        top, left = y // _SIDE, x // _SIDE
        beneath = self._waiting[3, top : -(-bottom // _SIDE), left : -(-right // _SIDE)]
        rows, columns = np.nonzero(beneath < 1)
        if len(rows):
            self._settle(rows + top, columns + left)
        padded = np.zeros((height + 2 * line_px, width + 2 * line_px), np.uint8)
        inner = slice(line_px, line_px + height), slice(line_px, line_px + width)
        np.negative(crop.view(np.uint8), out=padded[inner])
        core = np.repeat(_eroded(padded, line_px)[inner], 3, axis=1)
        pixels = self._canvas.reshape(len(self._canvas), -1)[y:bottom, 3 * x : 3 * right]
        if opacity > 0:
            sums = pixels * np.uint16(round((1 - opacity) * _BLACK_SCALE))
            added = np.array(color) * round(opacity * _BLACK_SCALE) + _ROUNDING
            sums += np.tile(added.astype(np.uint16), width)
            sums >>= 8
            pixels ^= (pixels ^ sums.astype(np.uint8)) & core
        if line_px:
            outline = np.repeat(padded[inner], 3, axis=1) ^ core
            pixels ^= (pixels ^ np.tile(np.array(color, np.uint8), width)) & outline

    def _padded(self, crop: NDArray[np.bool_], y: int, x: int) -> tuple[Bytes, int, int]:
        """The crop on whole tiles, with one more empty tile on each side.

        Returns:
            0 and 1 (8 * tiles down, 8 * tiles across), in a buffer that is used again, and the
            row and column of the tile on which the crop begins.
        """
        height, width = crop.shape
        (top, y), (left, x) = divmod(y, _SIDE), divmod(x, _SIDE)
        down, across = (-(-side // _SIDE) * _SIDE + 2 * _SIDE for side in (y + height, x + width))
        if self._buffer.size < down * across:
            self._buffer = np.empty(down * across, np.uint8)
        padded = self._buffer[: down * across].reshape(down, across)
        y, x = y + _SIDE, x + _SIDE
        padded[:y], padded[y + height :] = 0, 0
        padded[y : y + height, :x], padded[y : y + height, x + width :] = 0, 0
        padded[y : y + height, x : x + width] = crop
        return padded, top, left

    def _blend(
        self,
        rows: NDArray[np.intp],
        columns: NDArray[np.intp],
        filled: Bytes,
        core: Bytes,
        color: Rgb,
        opacity: float,
    ) -> None:
        """Blend a mask into n tiles, pixel by pixel, after what waits on them.

        Args:
            rows: (n,), of the tiles.
            columns: (n,).
            filled: 0 or 255 (n, 8, 24), each pixel of the mask three times.
            core: Likewise, without the outline.
            color: Of the mask.
            opacity: Of the core.
        """
        items, places = self._items(rows, columns)
        before = items[places].view(np.uint8).reshape(-1, _SIDE, 24)
        waiting = self._waiting[:, rows, columns]  # (4, n)
        pixels = _applied(before, waiting)
        if opacity > 0:
            _cover(waiting, color, np.float32(opacity))
            pixels ^= (pixels ^ _applied(before, waiting)) & core
        filled ^= core
        pixels ^= (pixels ^ np.array(color * _SIDE, np.uint8)) & filled
        items[places] = pixels.view(_ROW)[..., 0]
        self._waiting[:, rows, columns] = _NOTHING_WAITS

    def _settle(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> None:
        """Blend what waits on n tiles into their pixels."""
        for start in range(0, len(rows), _TILES_AT_ONCE):
            some = slice(start, start + _TILES_AT_ONCE)
            items, places = self._items(rows[some], columns[some])
            before = items[places].view(np.uint8).reshape(-1, _SIDE, 24)
            after = _applied(before, self._waiting[:, rows[some], columns[some]])
            items[places] = after.view(_ROW)[..., 0]
        self._waiting[:, rows, columns] = _NOTHING_WAITS

    def _items(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp]
    ) -> tuple[Rows, NDArray[np.intp]]:
        """The canvas in rows of 8 pixels, and the indices (n, 8) of those of some tiles."""
        across = self._tiles_hw[1]
        places = (rows * (_SIDE * across) + columns)[:, None] + np.arange(_SIDE) * across
        return self._canvas.reshape(-1).view(_ROW), places

    def flattened(self) -> Bytes:
        """The photo with all layers, which are blended into it."""
        self._settle(*np.nonzero(self._waiting[3] < 1))
        height, width = self._size_hw
        return np.ascontiguousarray(self._canvas[:height, :width])


def _applied(pixels: Bytes, waiting: NDArray[np.float32]) -> Bytes:
    """Tiles (n, 8, 24) under the layers (4, n) that wait on them."""
    fade = (waiting[3] * _BLACK_SCALE).round()
    highest = 2**16 - 1 - 255 * fade  # with more, a sum of 16 bits would be too large
    added = np.minimum(waiting[:3] + _ROUNDING, highest).astype(np.uint16)
    sums = pixels * fade.astype(np.uint16)[:, None, None]
    sums += added.T[:, None, _CHANNELS]
    sums >>= 8
    return sums.astype(np.uint8)


def _cover(
    waiting: NDArray[np.float32], color: Rgb, opacity: np.float32 | NDArray[np.float32]
) -> None:
    """Lay a colour over what waits on some tiles, (4, ...), which is changed in place."""
    waiting *= 1 - opacity
    for channel in range(3):
        waiting[channel] += opacity * np.float32(color[channel] * _BLACK_SCALE)


def _surrounded(tiles: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The tiles that are set and so are all eight around them; outside there is none."""
    columns = np.zeros_like(tiles)
    columns[:, 1:-1] = tiles[:, 1:-1] & tiles[:, :-2] & tiles[:, 2:]
    both = np.zeros_like(tiles)
    both[1:-1] = columns[1:-1] & columns[:-2] & columns[2:]
    return both


def _with_core(
    padded: Bytes, rows: NDArray[np.intp], columns: NDArray[np.intp], line_px: int
) -> tuple[Bytes, Bytes]:
    """Some tiles of a mask, and what is left of them when its outline is taken off.

    Args:
        padded: 0 and 1, with an empty tile around the mask.
        rows: (n,), of the tiles, without the empty one.
        columns: (n,).
        line_px: Width of the outline.

    Returns:
        Two arrays of 0 and 1 (n, 8, 8).
    """
    words = padded.shape[1] // _SIDE
    items: Rows = np.ndarray((padded.size // _SIDE - 2,), _ROW, padded, strides=(_SIDE,))
    first = (rows + 1) * _SIDE - line_px
    heights = np.arange(_SIDE + 2 * line_px)
    around = items[(first[:, None] + heights) * words + columns[:, None]].view(np.uint8)
    whole = around.reshape(len(rows), len(heights), 24)
    core = _eroded(whole, line_px)  # what runs over from tile to tile does not reach the middle
    middle = slice(line_px, line_px + _SIDE), slice(_SIDE, 2 * _SIDE)
    return whole[:, *middle], core[:, *middle]


def _eroded(masks: Bytes, steps: int) -> Bytes:
    """Take some pixels off the borders of masks (..., h, w), with a margin as wide around them."""
    core = masks.reshape(-1)
    for _ in range(steps):
        less = core.copy()
        for apart in (1, masks.shape[-1]):
            less[apart:] &= core[:-apart]
            less[:-apart] &= core[apart:]
        core = less
    return core.reshape(masks.shape)


def _thrice(pixels: Bytes) -> Bytes:
    """0 and 1 (n, 8, 8) as 0 and 255 (n, 8, 24), for red, green and blue."""
    found = np.empty((*pixels.shape, 3), np.uint8)
    for channel in range(3):
        np.negative(pixels, out=found[..., channel])
    return found.reshape(-1, _SIDE, 24)
