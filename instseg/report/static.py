"""Components other than the gallery as HTML, which works without a script and in print."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, get_args

from markupsafe import Markup

from instseg.report.bar_chart import bar_chart
from instseg.report.components import (
    Bars,
    Component,
    Findings,
    Lines,
    Matrix,
    Picture,
    Severity,
    Table,
    Written,
)
from instseg.report.heat_matrix import heat_matrix
from instseg.report.line_chart import chart
from instseg.report.rendered import figure, render


def render_static(component: Component, tags: Mapping[str, int], *, inline: bool = False) -> Markup:
    """A component as HTML.

    Args:
        component: Any but a gallery.
        tags: The number of photos of the page's gallery with each tag, for links to them.
        inline: With the few styles that it needs where the style of reports is missing.
    """
    name = type(component).__name__.lower()
    values = _prepared(component, tags)
    return render(f"{name}.html", component=component, tags=tags, inline=inline, **values)


def _prepared(component: Component, tags: Mapping[str, int]) -> dict[str, Any]:
    """What the template needs beside the component."""
    match component:
        case Table():
            return _table(component)
        case Bars():
            return {"chart": bar_chart(component)}
        case Lines():
            return {"chart": chart(component)}
        case Matrix():
            drawn = heat_matrix(component, tags)
            return {
                "chart": drawn,
                "linked": any(cell.tag for _, cells in drawn.rows for cell in cells),
            }
        case Picture():
            data = base64.b64encode(component.png).decode("ascii")
            return {"source": f"data:image/png;base64,{data}", "size": _png_size(component.png)}
        case Findings():
            order = get_args(Severity)
            by_severity = sorted(component.findings, key=lambda each: order.index(each.severity))
            return {"findings": by_severity}
    return {}


def _table(component: Table) -> dict[str, Any]:
    """The cells, and the columns that hold only numbers, which are aligned to the right."""
    width = len(component.columns)
    for row in component.rows:
        if len(row) != width:
            raise ValueError(f"rows: expected {width} cells as there are columns, got {len(row)}")
    columns = list(zip(*component.rows, strict=True))
    numeric = {
        index
        for index, cells in enumerate(columns)
        if all(each is None or _is_number(each) for each in cells) and any(map(_is_number, cells))
    }
    rows = [[_cell(each, component.digits) for each in row] for row in component.rows]
    for cells in rows:
        if cells and 0 not in numeric:
            cells[0]["heading"] = True
    return {"rows": rows, "numeric": numeric}


def _cell(value: object, digits: int) -> dict[str, Any]:
    text = value.text if isinstance(value, Written) else figure(value, digits)
    value = value.value if isinstance(value, Written) else value
    sortable = _is_number(value) and math.isfinite(value)  # type: ignore[arg-type]
    number = repr(float(value)) if sortable else ""  # type: ignore[arg-type]
    return {"text": text, "number": number, "heading": False}


def _is_number(value: object) -> bool:
    return isinstance(value, Real | Written) and not isinstance(value, bool)


def _png_size(png: Sequence[int] | bytes) -> tuple[int, int] | None:
    """Width and height in pixels, from the header."""
    data = bytes(png[:24])
    if len(data) < 24 or data[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
