"""Tables for a notebook or a terminal, and the weights of a network in one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from instseg.core.html_table import html_table

OVERFLOW = 1000.0  # absolute values above it are suspicious
HEADINGS = ("weight", "shape", "min", "max", "std")


class HasParameters(Protocol):
    """A network of torch, or what else names its parameters."""

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """Names and arrays or tensors."""


@dataclass(frozen=True)
class Table:
    """Rows of cells, the first of them headings; HTML in a notebook, and text elsewhere."""

    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        columns = max(map(len, self.rows), default=0)
        padded = [(*row, *[""] * (columns - len(row))) for row in self.rows]
        widths = [max(len(row[i]) for row in padded) for i in range(columns)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in padded
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table(self.rows[0], self.rows[1:]) if self.rows else ""


def display_table(table: Iterable[Sequence[object]]) -> None:
    """Show a table: as HTML in a notebook, elsewhere as text on standard output.

    Args:
        table: Rows of cells; the first row holds the headings.
    """
    shown = Table(tuple(tuple(map(str, row)) for row in table))
    notebook = sys.modules.get("IPython")  # who runs in one has imported it
    if notebook is not None and notebook.get_ipython() is not None:
        notebook.display.display(shown)
    else:
        sys.stdout.write(f"{shown}\n")


def display_weight_stats(model: HasParameters | Any) -> None:
    """Show shape, range and spread of each weight, and mark the suspicious ones.

    Weights that all have one value are marked "dead?", those with values beyond 1000 or -1000
    "overflow?", and those with NaN or infinity "not finite".

    Args:
        model: A torch network, or what has one as `network`, such as the result of
            `instseg.load_model`.

    Raises:
        ValueError: It has no weights that can be read.
    """
    display_table([HEADINGS, *weight_stats(model)])


def weight_stats(model: HasParameters | Any) -> list[tuple[str, str, str, str, str]]:
    """The rows of `display_weight_stats`: name with marks, shape, min, max and std."""
    network: Any = model if hasattr(model, "named_parameters") else getattr(model, "network", None)
    if not hasattr(network, "named_parameters"):
        raise ValueError(
            "model: expected a network with named_parameters(), such as that of load_model, "
            f"got {type(model).__name__}"
        )
    return [_stats_of(name, _as_array(value)) for name, value in network.named_parameters()]


def _as_array(value: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """An array, or a tensor of any device and precision, as float64."""
    plain = value.detach().cpu().double().numpy() if hasattr(value, "detach") else value
    return np.asarray(plain, dtype=np.float64)


def _stats_of(name: str, value: np.ndarray[Any, np.dtype[Any]]) -> tuple[str, str, str, str, str]:
    shape = " x ".join(map(str, value.shape)) or "1"
    if not value.size:
        return f"{name} (empty)", shape, "", "", ""
    low, high = float(value.min()), float(value.max())
    marks = ""
    if low == high and value.size > 1:
        marks += " *** dead?"
    if max(abs(low), abs(high)) > OVERFLOW:
        marks += " *** overflow?"
    if not np.isfinite(value).all():
        marks += " *** not finite"
    spread = float(value.std()) if np.isfinite(value).all() else float("nan")
    return name + marks, shape, f"{low:+.6f}", f"{high:+.6f}", f"{spread:+.6f}"
