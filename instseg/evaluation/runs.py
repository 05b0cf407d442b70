"""Checks that RLEs fill their image; else pycocotools hangs or reads invalid memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.rle import MOST_DIGITS, codes_of, integers_of

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

TOGETHER = 1000  # RLEs that are checked at once; bounds the memory


def broken_runs(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """An error message if the runs of any result's `segmentation` do not fit; see `runs_fit`."""
    unfit = np.flatnonzero(~runs_fit([result["segmentation"] for result in results]))
    if len(unfit):
        height, width = results[unfit[0]]["segmentation"]["size"]
        yield (
            f"results[{unfit[0]}]: expected an RLE whose runs make {height} x {width} pixels in "
            f"all, as its size says ({len(unfit):,} of {len(results):,} results are broken like "
            "this); encode the masks with pycocotools"
        )


def runs_fit(rles: Sequence[Mapping[str, Any]]) -> Bools:
    """Whether the runs of each RLE are not negative, and add up to its size.

    100,000 compressed RLEs of 200 characters take about 1.5 seconds.

    Args:
        rles: N dicts of `size`, two whole numbers, and `counts`: str, bytes, or a list of anything.

    Returns:
        bool (N,).
    """
    fit = np.zeros(len(rles), dtype=bool)
    coded = []
    for i, rle in enumerate(rles):
        counts, (height, width) = rle["counts"], rle["size"]
        if isinstance(counts, list):
            whole = all(type(run) is int and run >= 0 for run in counts)
            fit[i] = whole and sum(counts) == height * width
        else:
            coded.append(i)
    for start in range(0, len(coded), TOGETHER):
        some = coded[start : start + TOGETHER]
        sizes = np.array([rles[i]["size"] for i in some], dtype=np.int64).reshape(-1, 2)
        fit[some] = _strings_fit([_bytes(rles[i]["counts"]) for i in some], sizes.prod(axis=1))
    return fit


def _bytes(counts: str | bytes) -> bytes:
    return counts.encode("utf-8", "surrogatepass") if isinstance(counts, str) else counts


def _strings_fit(strings: Sequence[bytes], totals: Ints) -> Bools:
    """As `runs_fit`, for pycocotools' strings."""
    lengths = np.array([len(each) for each in strings], dtype=np.int64)
    codes = codes_of(b"".join(strings))
    owner = np.repeat(np.arange(len(strings)), lengths)
    fit = lengths > 0
    fit[owner[(codes < 0) | (codes > 63)]] = False
    fit[fit] = codes[np.cumsum(lengths)[fit] - 1] < 32  # the last character ends a run
    codes, owner = codes[fit[owner]], owner[fit[owner]]
    if not len(codes):
        return fit

    runs, ends = integers_of(codes)
    digits, owner = np.diff(ends, prepend=-1), owner[ends]
    place = np.arange(len(owner)) - _begin(owner)
    for chain in (place % 2 == 1, (place % 2 == 0) & (place > 0)):
        sums = np.cumsum(runs[chain])  # the string holds differences to the run two before
        runs[chain] = sums - (sums - runs[chain])[_begin(owner[chain])]
    fit[owner[(runs < 0) | (digits > MOST_DIGITS)]] = False
    return fit & (np.bincount(owner, runs, len(strings)) == totals)


def _begin(owner: Ints) -> Ints:
    """For each row of ascending owners, the first row with the same owner."""
    counts = np.bincount(owner)
    return np.repeat(np.cumsum(counts) - counts, counts)
