"""Whether RLEs fill their image: pycocotools hangs or reads foreign memory where they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

TOGETHER = 5000  # RLEs that are looked at in one go; bounds the memory
MOST_DIGITS = 7  # of 5 bits each, in a run's code; a longer run than 2^32 pixels there is not


def runs_fit(rles: Sequence[Mapping[str, Any]]) -> Bools:
    """Whether the runs of each RLE are 0 or more pixels each, and exactly its size in all.

    A quarter of a million compressed RLEs take about a second.

    Args:
        rles: N dicts of `size`, two whole numbers, and `counts`: str, bytes, or a list of anything.

    Returns:
        bool (N,).
    """
    fit = np.zeros(len(rles), dtype=bool)
    coded, plain = [], []
    for i, rle in enumerate(rles):
        (plain if isinstance(rle["counts"], list) else coded).append(i)
    for i in plain:
        counts, (height, width) = rles[i]["counts"], rles[i]["size"]
        whole = all(type(run) is int and run >= 0 for run in counts)
        fit[i] = whole and sum(counts) == height * width
    for start in range(0, len(coded), TOGETHER):
        some = coded[start : start + TOGETHER]
        sizes = np.array([rles[i]["size"] for i in some], dtype=np.int64).reshape(-1, 2)
        fit[some] = _strings_fit([_bytes(rles[i]["counts"]) for i in some], sizes.prod(axis=1))
    return fit


def _bytes(counts: str | bytes) -> bytes:
    return counts.encode("utf-8", "surrogatepass") if isinstance(counts, str) else counts


def _strings_fit(strings: Sequence[bytes], totals: Ints) -> Bools:
    """As `runs_fit`, of pycocotools' strings: 5 bits a character, low first, bit 6 "more follows"."""
    lengths = np.array([len(each) for each in strings], dtype=np.int64)
    codes = np.frombuffer(b"".join(strings), dtype=np.uint8).astype(np.int64) - 48
    owner = np.repeat(np.arange(len(strings)), lengths)
    fit = lengths > 0
    fit[owner[(codes < 0) | (codes > 63)]] = False
    fit[fit] = codes[np.cumsum(lengths)[fit] - 1] < 32  # the last character ends a run
    codes, owner = codes[fit[owner]], owner[fit[owner]]
    if not len(codes):
        return fit

    last = np.flatnonzero(codes < 32)
    digits = np.diff(last, prepend=-1)
    first = last - digits + 1
    shifts = 5 * np.minimum(np.arange(len(codes)) - np.repeat(first, digits), MOST_DIGITS)
    runs = np.add.reduceat((codes & 31) << shifts, first)
    runs -= np.where(codes[last] & 16, 1 << 5 * np.minimum(digits, MOST_DIGITS), 0)
    owner = owner[last]
    place = np.arange(len(owner)) - np.searchsorted(owner, owner)
    for chain in (place % 2 == 1, (place % 2 == 0) & (place > 0)):
        runs[chain] = _running_sums(runs[chain], owner[chain])  # of differences to the run before
    fit[owner[(runs < 0) | (digits > MOST_DIGITS)]] = False
    return fit & (np.bincount(owner, runs, len(strings)) == totals)


def _running_sums(values: Ints, owner: Ints) -> Ints:
    """Cumulative sums that begin anew with each owner, which are ascending."""
    sums = np.cumsum(values)
    begin = np.searchsorted(owner, owner)
    return sums - (sums - values)[begin]
