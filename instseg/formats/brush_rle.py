"""Label Studio's masks: the bits of thi.ng's rle-pack, which hold a picture of RGBA values.

A picture is read row by row, four values a pixel; the fourth, alpha, is above 0 in the mask. The
bits begin with the number of values (32 bits), the bits of a value less one (5), and four lengths
of counters less one (4 each). Blocks follow: one bit, which of the four counters (2 bits), the
counter, which is a number of values less one, and then, if the bit is set, one value that is
repeated so often; else so many values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instseg.core.rle import decode_crop

_VALUE_BITS = 8
_COUNTER_BITS = np.array([3, 4, 8, 16])  # that Label Studio writes
_HEADER_BITS = 32 + 5 + 4 * 4
_LONGEST = 1 << 16  # values of a block
_MOST_VALUES = (1 << 32) - 1
_PADDING = 4  # bytes, so that four can be read from any

Ints = NDArray[np.int64]


def encode_brush(
    crop: NDArray[np.bool_], offset_yx: tuple[int, int], size_hw: tuple[int, int]
) -> list[int]:
    """A mask as Label Studio has it.

    Args:
        crop: (h, w), within the image.
        offset_yx: The image pixel of the crop's first pixel.
        size_hw: The image.

    Returns:
        Bytes, each 0..255.

    Raises:
        ValueError: The image has more than 2^30 pixels.
    """
    height, width = size_hw
    if 4 * height * width > _MOST_VALUES:
        raise ValueError(f"an image of {width} x {height} pixels, too large for Label Studio")
    y, x = np.nonzero(np.diff(crop, axis=1, prepend=False, append=False))
    edges = (y + offset_yx[0]) * width + x + offset_yx[1]
    runs = 4 * np.diff(edges, prepend=0, append=height * width)
    blocks = -(-runs // _LONGEST)
    lengths = np.full(int(blocks.sum()), _LONGEST)
    ends = np.cumsum(blocks)[blocks > 0] - 1
    lengths[ends] = (runs - (blocks - 1) * _LONGEST)[blocks > 0]
    values = np.repeat(np.arange(len(runs)) % 2 * 255, blocks)
    counter = np.searchsorted(1 << _COUNTER_BITS, lengths)
    counter_bits = _COUNTER_BITS[counter]
    codes = (4 | counter) << counter_bits | (lengths - 1)
    codes = codes << _VALUE_BITS | values
    code_bits = 3 + counter_bits + _VALUE_BITS
    return np.packbits(
        np.concatenate([_header(4 * height * width), _bits_of(codes, code_bits)])
    ).tolist()


def decode_brush(
    packed: Sequence[int], size_hw: tuple[int, int]
) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """The tight crop of a mask, and the (y, x) of its first pixel.

    Args:
        packed: Bytes, each 0..255.
        size_hw: The image.

    Raises:
        ValueError: They are no bytes, end too early, or are not of this image.
    """
    height, width = size_hw
    try:
        content = np.array(packed, dtype=np.uint8)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError("a brush mask that is no list of bytes") from error
    if content.ndim != 1 or len(content) * 8 < _HEADER_BITS:
        raise ValueError("a brush mask that is no list of bytes")
    header = int.from_bytes(content[:7].tobytes(), "big") >> 3
    total = header >> 21
    if total != 4 * height * width:
        raise ValueError("a brush mask of another size than its photo")
    if header >> 16 & 31 != _VALUE_BITS - 1:
        raise ValueError("a brush mask whose values are no bytes")
    counters = [(header >> shift & 15) + 1 for shift in (12, 8, 4, 0)]
    lit, lengths = _alphas(np.pad(content, (0, _PADDING)), counters, total)
    starts = np.cumsum(lengths) - lengths
    edges = starts[np.flatnonzero(np.diff(lit, prepend=False))]
    runs = np.diff(edges, prepend=0, append=height * width)
    columns, (left, top) = decode_crop(
        runs.tolist(), (width, height)
    )  # as rows are the columns of COCO
    return np.ascontiguousarray(columns.T), (top, left)


def _header(values: int) -> NDArray[np.uint8]:
    number = values << 5 | (_VALUE_BITS - 1)
    for bits in _COUNTER_BITS.tolist():
        number = number << 4 | (bits - 1)
    return np.array([*f"{number:0{_HEADER_BITS}b}"], dtype=np.uint8)


def _bits_of(codes: Ints, code_bits: Ints) -> NDArray[np.uint8]:
    """The bits of numbers, one after another, the highest first."""
    ends = np.cumsum(code_bits)
    of = np.repeat(np.arange(len(codes)), code_bits)
    return (codes[of] >> (ends[of] - 1 - np.arange(len(of))) & 1).astype(np.uint8)


def _alphas(
    content: NDArray[np.uint8], counters: Sequence[int], total: int
) -> tuple[NDArray[np.bool_], Ints]:
    """Whether each run of pixels is of the mask, and its length in pixels."""
    at, repeats, ends = _blocks(content, counters, total)
    starts = np.concatenate([[0], ends[:-1]])
    pixels = ends // 4 - starts // 4  # whose alpha, every fourth value, is in the block
    times = np.where(repeats, np.minimum(pixels, 1), pixels)
    of = np.repeat(np.arange(len(at)), times)
    nth = np.arange(len(of)) - (np.cumsum(times) - times)[of]
    value = np.where(repeats[of], 0, 4 * (starts[of] // 4 + nth) + 3 - starts[of])
    bit = at[of] + _VALUE_BITS * value
    byte = np.minimum(bit >> 3, len(content) - 2)
    window = content[byte].astype(np.int64) << 8 | content[byte + 1]
    alpha = window >> (8 - (bit & 7)) & 255
    return alpha > 0, np.where(repeats, pixels, 1)[of]


def _blocks(
    content: NDArray[np.uint8], counters: Sequence[int], total: int
) -> tuple[Ints, NDArray[np.bool_], Ints]:
    """Of each block: the bit of its first value, whether it is repeated, and the end of the block.

    Ends are numbers of values. Raises ValueError if the content ends before the last value.
    """
    windows = np.zeros(len(content) - 3, dtype=np.uint32)
    for byte in range(4):
        windows |= content[byte : len(windows) + byte].astype(np.uint32) << np.uint32(24 - 8 * byte)
    seen = windows.data  # whose items are read faster
    heads = [(counters[head & 3], head >= 4) for head in range(8)]
    at, repeats, ends = [], [], []
    here, done, last = _HEADER_BITS, 0, 8 * (len(content) - _PADDING)
    while done < total:
        if here >= last:
            raise ValueError("a brush mask that ends too early")
        bits = seen[here >> 3] << (here & 7)
        size, repeated = heads[bits >> 29 & 7]
        length = min((bits >> (29 - size) & ((1 << size) - 1)) + 1, total - done)
        done += length
        here += 3 + size
        at.append(here)
        repeats.append(repeated)
        ends.append(done)
        here += _VALUE_BITS if repeated else _VALUE_BITS * length
    if here > last:
        raise ValueError("a brush mask that ends too early")
    return np.array(at), np.array(repeats), np.array(ends)
