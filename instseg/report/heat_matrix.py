"""A matrix of counts as a table whose cells have the colour of their share of the row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from instseg.core.wording import count
from instseg.report.components import Matrix

MOST_LABELS = 24  # rows and columns that fit on a screen
HEATS = 9  # shades


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A count; `heat` is 0 to `HEATS`, `tag` is "" without photos."""

    count: int
    heat: int
    same: bool
    text: str
    tag: str


@dataclass(frozen=True, kw_only=True)
class HeatMatrix:
    """All that the template draws; `note` says what is left out."""

    columns: list[str]
    rows: list[tuple[str, list[Cell]]]
    note: str


def heat_matrix(component: Matrix, tags: Mapping[str, int]) -> HeatMatrix:
    """The cells of a component, with links where the gallery has photos of them.

    Raises:
        ValueError: The counts and the labels differ in number.
    """
    counts = np.asarray(component.counts)
    expected = (len(component.rows), len(component.columns))
    if counts.shape != expected:
        raise ValueError(f"counts: expected shape {expected}, got {counts.shape}")
    kept = _kept(component)
    rows = [i for i, label in enumerate(component.rows) if label in kept]
    columns = [i for i, label in enumerate(component.columns) if label in kept]
    sums = counts.sum(axis=1)

    def cell(row: int, column: int) -> Cell:
        true, predicted = component.rows[row], component.columns[column]
        number = int(counts[row, column])
        share = number / sums[row] if sums[row] else 0.0
        tag = f"cell:{true}:{predicted}"
        where = f"{component.row_title} {true}, {component.column_title} {predicted}"
        return Cell(
            count=number,
            heat=int(np.ceil(share * HEATS)),
            same=true == predicted,
            text=f"{where}: {number:,}, {share:.0%} of its row",
            tag=tag if tags.get(tag) else "",
        )

    return HeatMatrix(
        columns=[component.columns[column] for column in columns],
        rows=[(component.rows[row], [cell(row, column) for column in columns]) for row in rows],
        note=_note(expected, (len(rows), len(columns))),
    )


def _kept(component: Matrix) -> set[str]:
    """All labels, or of many those with the most counts off the diagonal, then most counts."""
    labels = list(dict.fromkeys([*component.rows, *component.columns]))
    if len(labels) <= MOST_LABELS:
        return set(labels)
    off, total = dict.fromkeys(labels, 0), dict.fromkeys(labels, 0)
    for row, column in np.argwhere(np.asarray(component.counts)).tolist():
        ends = {component.rows[row], component.columns[column]}
        for label in ends:
            total[label] += int(component.counts[row, column])
            off[label] += int(component.counts[row, column]) if len(ends) > 1 else 0
    ordered = sorted(labels, key=lambda label: (-off[label], -total[label]))
    return set(ordered[:MOST_LABELS])


def _note(all_of: tuple[int, int], shown: tuple[int, int]) -> str:
    if all_of == shown:
        return ""
    left_out = (all_of[0] - shown[0], all_of[1] - shown[1])
    return (
        f"Shown are the {count(shown[0], 'row')} and {count(shown[1], 'column')} with the most "
        f"confusions; {left_out[0]:,} rows and {left_out[1]:,} columns are left out."
    )
