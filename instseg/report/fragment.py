"""Components for a notebook: static HTML that needs neither a script nor the style of reports."""

from __future__ import annotations

from instseg.report.components import Component
from instseg.report.static import render_static


def fragment(*components: Component) -> str:
    """Components, other than galleries, as HTML for `_repr_html_`."""
    return "".join(render_static(each, {}, inline=True) for each in components)
