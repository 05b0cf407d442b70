"""Windows: parts of an image."""

from __future__ import annotations

from typing import TypeAlias

Window: TypeAlias = tuple[slice, slice]
"""Rows and columns."""


def whole_window(size_hw: tuple[int, int]) -> Window:
    """The window that is the whole image."""
    return slice(0, size_hw[0]), slice(0, size_hw[1])


def corners_of_window(window: Window) -> tuple[int, int, int, int]:
    """A window as a box, xyxy."""
    y, x = window
    return x.start, y.start, x.stop, y.stop
