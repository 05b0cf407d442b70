"""Writing of a report."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Literal

from markupsafe import Markup

from instseg.report import assets
from instseg.report.components import Gallery, Page
from instseg.report.rendered import RenderedGallery, render
from instseg.report.static import render_static
from instseg.system.atomic import replacing

Embed = Literal["auto", "all", "none"]


@dataclass(frozen=True, kw_only=True)
class Written:
    """The files of a report: `html`, and those beside it that it loads, if any."""

    html: Path
    files: tuple[Path, ...] = ()


def write_page(path: Path, page: Page, *, embed: Embed = "auto") -> Written:
    """Write a report as one HTML file that needs no network and no server.

    Args:
        path: The HTML file.
        page: Its content.
        embed: Photos in full size: `auto` puts them into the file while it stays small, and beside
            it otherwise, in the folder `NAME_files`; `all` into the file; `none` shows thumbnails
            only.

    Returns:
        The files.

    Raises:
        InputError: A file cannot be written.
        ValueError: The page has more than one gallery.
    """
    gallery = _render_gallery(page, path.with_name(f"{path.stem}_files"), embed)
    text = _html(page, gallery)
    with replacing(path) as temporary:  # names of files may hold what UTF-8 cannot
        temporary.write_text(text, encoding="utf-8", errors="replace", newline="\n")
    return Written(html=path, files=gallery.files)


def _render_gallery(page: Page, folder: Path, embed: Embed) -> RenderedGallery:
    """First of all, as its tags decide what other components link to."""
    each = [part for section in page.sections for part in section.components]
    galleries = [part for part in each if isinstance(part, Gallery)]
    if len(galleries) > 1:
        raise ValueError(f"sections: expected at most one gallery, got {len(galleries)}")
    if not galleries:
        return RenderedGallery(markup=Markup())
    from instseg.report.gallery import render_gallery  # reads photos

    return render_gallery(galleries[0], folder, embed)


def _html(page: Page, gallery: RenderedGallery) -> str:
    names = anchors(section.title for section in page.sections)
    sections = [
        {
            "id": name,
            "title": section.title,
            "parts": [
                gallery.markup if isinstance(part, Gallery) else render_static(part, gallery.tags)
                for part in section.components
            ],
        }
        for name, section in zip(names, page.sections, strict=True)
    ]
    style = assets.joined(assets.STYLES)
    head_script = assets.joined(assets.HEAD_SCRIPTS)
    script = assets.joined(assets.SCRIPTS)
    return render(
        "page.html",
        page=page,
        sections=sections,
        policy=assets.content_security_policy((style,), (head_script, script)),
        style=Markup(style),
        head_script=Markup(head_script),
        script=Markup(script),
    )


def anchors(titles: Iterable[str]) -> list[str]:
    """An id for each heading: "Per class" is `section-per-class`, a second one `...-2`."""
    found: list[str] = []
    for title in titles:
        plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode("ascii")
        words = re.findall(r"[a-z0-9]+", plain.lower())
        name = "-".join(["section", *words])
        numbered = chain([name], (f"{name}-{number}" for number in count(2)))
        found.append(next(each for each in numbered if each not in found))
    return found
