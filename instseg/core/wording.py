"""How numbers, intervals, counts and lists are written in tables and messages."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST_NAME = 40  # characters


def score_text(value: float | None, sign: str = "") -> str:
    """A score with three decimals; "-" for None, and for COCO's -1, where there is none."""
    return "-" if value is None or value == -1 else f"{value:{sign}.3f}"


def interval_text(limits: Sequence[float | None] | None, sign: str = "") -> str:
    """Low and high of an interval; nothing where there is none."""
    if limits is None or limits[0] is None or limits[1] is None:
        return ""
    return f"{limits[0]:{sign}.3f} to {limits[1]:{sign}.3f}"


def counted(number: int, thing: str) -> str:
    """`1 photo`, `1,000 photos`, `2 classes`."""
    plural = "es" if thing.endswith(("s", "x", "ch")) else "s"
    return f"{number:,} {thing}" + ("" if number == 1 else plural)


def listed(names: Sequence[str], most: int = 6) -> str:
    """The first names, each cut to 40 characters, and dots if there are more."""
    shown = ", ".join(name[:LONGEST_NAME] for name in names[:most])
    return shown + (", ..." if len(names) > most else "")
