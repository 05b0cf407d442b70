"""What a component becomes: markup, and the files that it loads."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

Embed = Literal["auto", "all", "none"]  # see `page.write_page`

_UNSAFE_IN_SCRIPTS = {ord(each): f"\\u{ord(each):04x}" for each in "<>&"}

# Of series where the style of reports is missing: seen on white and on black.
_COLORS = (
    "#3b82f6",
    "#d97706",
    "#16a34a",
    "#a855f7",
    "#ef4444",
    "#0891b2",
    "#db2777",
    "#7c8a00",
    "#64748b",
    "#a0673a",
)


@dataclass(frozen=True, kw_only=True)
class RenderedGallery:
    """A gallery as HTML.

    Attributes:
        markup: Its HTML with its blocks of JSON (`json_block`); its root has the id `gallery`.
        files: Files beside the page that it loads, once `place_files` has put them there.
        tags: The number of photos with each tag.
        blocks: Elements with its data, in pieces that are written one after the other.
        loads_scripts: Whether it loads data as scripts from files beside the page.
        place_files: Puts its files beside the page and removes those of an earlier page; called
            when all else of the page is written.
    """

    markup: Markup
    files: tuple[Path, ...] = ()
    tags: Mapping[str, int] = field(default_factory=dict)
    blocks: Iterable[Markup] = ()
    loads_scripts: bool = False
    place_files: Callable[[], None] = lambda: None


def render(template: str, **values: Any) -> Markup:
    """A template of `templates/` with these values, every text among them escaped."""
    return Markup(_environment().get_template(template).render(**values))


def json_block(identity: str, value: Any) -> Markup:
    """An element that holds JSON, for `JSON.parse(document.getElementById(identity).textContent)`.

    Raises:
        ValueError: The value holds NaN or infinity, which JSON lacks.
    """
    opening = Markup('<script type="application/json" id="{}">').format(identity)
    return opening + script_safe(compact_json(value)) + Markup("</script>")


def compact_json(value: Any) -> str:
    """JSON in ASCII, without spaces; ValueError for NaN and infinity, which JSON lacks."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def script_safe(text: str) -> Markup:
    """JSON of `compact_json` in which nothing begins or ends an element of HTML."""
    return Markup(text.translate(_UNSAFE_IN_SCRIPTS))


def figure(value: object, digits: int = 3) -> str:
    """A cell's text: "-" for None and NaN, thousands apart, floats with so many decimals."""
    if value is None:
        return "-"
    if isinstance(value, Integral) and not isinstance(value, bool):
        return f"{int(value):,}"
    if isinstance(value, Real) and not isinstance(value, bool):
        return f"{float(value):,.{digits}f}" if math.isfinite(value) else "-"
    return str(value)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("instseg.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = figure
    environment.globals["colors"] = _COLORS
    environment.globals["json_block"] = json_block
    return environment
