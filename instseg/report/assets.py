"""The style and the script of reports: files that are joined and written into the page."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

STYLES = ("theme.css", "page.css", "components.css", "gallery.css", "suggestions.css")
HEAD_SCRIPTS = ("theme.js",)  # before anything is painted
SCRIPTS = ("sections.js", "tables.js", "links.js")
GALLERY_SCRIPTS = (  # later ones use earlier ones
    "gallery_data.js",
    "gallery_units.js",
    "gallery_state.js",
    "gallery_picture.js",
    "gallery_list.js",
    "gallery_zoom.js",
    "gallery_photo.js",
    "gallery_keys.js",
    "gallery_download.js",
    "suggestion_changes.js",
    "suggestions.js",
    "gallery.js",
)


@cache
def joined(names: tuple[str, ...]) -> str:
    """The text of these files of `assets/`, one after the other."""
    folder = files("instseg.report") / "assets"
    return "\n".join((folder / name).read_text(encoding="utf-8").strip() for name in names)


def content_security_policy(
    styles: tuple[str, ...], scripts: tuple[str, ...], *, loads_scripts: bool = False
) -> str:
    """A policy that allows these inline texts, pictures in the page or beside it, and no more.

    With `loads_scripts`, these scripts may load others, which the gallery does for its data; the
    only addresses that its policy of trusted types gives out are those of its own files.
    """
    allowed = [*map(_hashed, scripts), *(["'strict-dynamic'"] if loads_scripts else [])]
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(allowed)}",
            f"style-src {' '.join(map(_hashed, styles))}",
            "img-src 'self' file: data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types instseg-gallery" if loads_scripts else "trusted-types 'none'",
        )
    )


def _hashed(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
