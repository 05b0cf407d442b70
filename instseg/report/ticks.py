"""Round numbers along an axis."""

from __future__ import annotations

import math
from itertools import pairwise

from instseg.report.rendered import figure

Limits = tuple[float, float]


def ticks(limits: Limits, *, whole: bool = False) -> list[float]:
    """Round numbers within the limits, about six and evenly apart: 0, 0.2, 0.4.

    With `whole`, only whole numbers.
    """
    low, high = limits
    step = _step(high - low)
    step = max(step, 1.0) if whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def round_limits(limits: Limits, most: float = 1.0) -> Limits:
    """The limits, moved outwards to the next round numbers; a span of 0 is widened.

    Args:
        limits: Lowest and highest number.
        most: An end moves by at most this part of the span.
    """
    low, high = limits
    if low == high:
        widening = abs(low) / 2 or 1.0
        low, high = low - widening, high + widening
    step, room = _step(high - low), most * (high - low)
    rounded_low = math.floor(low / step + 1e-9) * step
    rounded_high = math.ceil(high / step - 1e-9) * step
    return (
        rounded_low if low - rounded_low <= room else low,
        rounded_high if rounded_high - high <= room else high,
    )


def labels(numbers: list[float]) -> list[str]:
    """A text for each tick, with the decimals that tell them apart."""
    most = max(map(abs, numbers), default=0.0)
    step = min((b - a for a, b in pairwise(numbers)), default=most or 1.0)
    if most >= 1e7 or step < 1e-4:
        return [f"{number:.3g}" if abs(number) > step / 2 else "0" for number in numbers]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [figure(float(number) + 0.0, decimals) for number in numbers]


def _step(span: float) -> float:
    """1, 2 or 5 times a power of ten that divides a span into at most six."""
    rough = span / 6
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
