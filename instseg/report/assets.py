"""The style and the script of reports: files that are joined and written into the page."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

STYLES = ("theme.css", "page.css", "components.css", "gallery.css")
HEAD_SCRIPTS = ("theme.js",)  # before anything is painted
SCRIPTS = ("sections.js", "tables.js", "links.js", "gallery.js")


@cache
def joined(names: tuple[str, ...]) -> str:
    """The text of these files of `assets/`, one after the other; missing ones are left out."""
    folder = files("instseg.report") / "assets"
    found = [folder / name for name in names if (folder / name).is_file()]
    return "\n".join(each.read_text(encoding="utf-8").strip() for each in found)


def content_security_policy(styles: tuple[str, ...], scripts: tuple[str, ...]) -> str:
    """A policy that allows these inline texts, pictures in the page or beside it, and no more."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(map(_hashed, scripts))}",
            f"style-src {' '.join(map(_hashed, styles))}",
            "img-src 'self' file: data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hashed(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
