"""Components other than the gallery as HTML, which works without a script and in print."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from instseg.report.components import Component
from instseg.report.rendered import render


def render_static(component: Component, tags: Mapping[str, int]) -> Markup:
    """A component as HTML.

    Args:
        component: Any but a gallery.
        tags: The number of photos of the page's gallery with each tag, for links to them.
    """
    name = type(component).__name__.lower()
    return render(f"{name}.html", component=component, tags=tags)
