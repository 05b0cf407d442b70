"""Numbers, counts and names in sentences and tables."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 6  # of a list of names
LONGEST_NAME = 40  # characters


def count(number: int, thing: str) -> str:
    """`1 image`, `2,000 images`, `3 classes`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "es" if thing[-1] == "s" else "s")


def number(value: float | None, sign: str = "") -> str:
    """Three decimals; "-" for a missing value (None, or -1 as in COCO)."""
    return "-" if value is None or value == -1 else f"{value:{sign}.3f}"


def interval(limits: Sequence[float] | None, sign: str = "") -> str:
    """`0.031 to 0.055`; empty for None."""
    return "" if limits is None else f"{limits[0]:{sign}.3f} to {limits[1]:{sign}.3f}"


def some(names: Sequence[str]) -> str:
    """The first few names, comma-separated and shortened."""
    more = ", ..." if len(names) > NAMED else ""
    return ", ".join(f"{name:.{LONGEST_NAME}}" for name in names[:NAMED]) + more


def split_names(names: Sequence[str] | str | None) -> list[str] | None:
    """Names from a text with commas between them; a list, or None, as it is."""
    if isinstance(names, str):
        return [name.strip() for name in names.split(",")]
    return None if names is None else list(names)


def one_line(text: str) -> str:
    """Text with a blank for each line break."""
    return " ".join(text.splitlines())


def printable(text: str) -> str:
    """Text on one line without control characters, which file and class names may contain."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
