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

    100,000 compressed RLEs of 200 characters take about 0.4 seconds.

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
        fit[some] = _strings_fit([_text(rles[i]["counts"]) for i in some], sizes.prod(axis=1))
    return fit


def _text(counts: str | bytes) -> str:
    return counts if isinstance(counts, str) else counts.decode("latin-1")


def _strings_fit(strings: Sequence[str], totals: Ints) -> Bools:
    """As `runs_fit`, for pycocotools' strings."""
    lengths = np.array([len(each) for each in strings], dtype=np.int64)
    codes = _codes("".join(strings))
    fit = lengths > 0
    strange = np.flatnonzero(codes > 63)
    fit[np.searchsorted(np.cumsum(lengths), strange, "right")] = False
    fit[fit] = codes[np.cumsum(lengths)[fit] - 1] < 32  # the last character ends a run
    if not fit.any():
        return fit
    codes = codes if fit.all() else codes[np.repeat(fit, lengths)]

    values, ends = integers_of(codes)
    lasts = np.searchsorted(ends, np.cumsum(lengths[fit]))  # of each string, and one on
    counts = np.diff(lasts, prepend=0)
    digits = np.diff(ends, prepend=-1)
    long = np.searchsorted(lasts, np.flatnonzero(digits > MOST_DIGITS), "right")
    good = _add_up(values, counts, totals[fit])
    good[long] = False
    fit[fit] = good
    return fit


def _codes(text: str) -> NDArray[Any]:
    """The characters as numbers, 0..63 if they are valid."""
    try:
        return codes_of(text.encode("latin-1"))
    except UnicodeEncodeError:
        return np.array([ord(each) for each in text], dtype=np.uint32) - np.uint32(48)


def _add_up(values: Ints, counts: Ints, totals: Ints) -> Bools:
    """Whether runs are not negative and make the totals: (N,).

    Args:
        values: From the fourth on, each is the difference of a run to the run two before.
        counts: (N,), how many belong to each RLE, above 0.
        totals: (N,), in pixels.
    """
    odd = counts % 2 == 1
    pairs = np.insert(values, np.cumsum(counts)[odd], 0).reshape(-1, 2)  # two chains of differences
    rows = (counts + 1) // 2
    last = np.cumsum(rows) - 1
    first = last - rows + 1
    heads = pairs[first, 0]  # which no other run builds upon
    pairs[first, 0] = 0
    runs = np.cumsum(pairs, axis=0)
    runs -= np.repeat(np.where(first[:, None], runs[first - 1], 0), rows, axis=0)
    runs[last[odd], 1] = 0  # what was inserted
    one, other = runs.T
    lowest = np.minimum.reduceat(np.minimum(one, other), first)
    good: Bools = (lowest >= 0) & (heads >= 0)
    return good & (heads + np.add.reduceat(one + other, first) == totals)
