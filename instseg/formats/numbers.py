"""Numbers in files of strangers."""

from __future__ import annotations

import math

FARTHEST = 1e7  # no coordinate is farther away


def finite(value: object) -> float:
    """A number, also from text.

    Raises:
        ValueError: It is none, or NaN, infinite or huge.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > 40:
        raise ValueError(f"{str(value)[:40]!r} is not a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{str(value)[:40]!r} is not a number") from None
    if not math.isfinite(number) or abs(number) > FARTHEST:
        raise ValueError(f"{value} is no sensible number")
    return number
