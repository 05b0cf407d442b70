"""Writing of a report."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory

from markupsafe import Markup

from instseg.report import assets
from instseg.report.components import Gallery, Page
from instseg.report.rendered import Embed, RenderedGallery, render
from instseg.report.static import render_static
from instseg.system.atomic import make_folder, replacing, sweep

_BLOCKS = "<!-- data of the gallery -->"  # in the template, where it is written piece by piece


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
    make_folder(path.parent)
    sweep(path.parent)
    temporary = TemporaryDirectory(
        prefix=f".instseg-{os.getpid()}-", suffix=".tmp", dir=path.parent
    )
    with temporary as staging, replacing(path) as new:
        folder = path.with_name(f"{path.stem}_files")
        gallery = _render_gallery(page, folder, embed, Path(staging))
        before, after = _html(page, gallery).split(_BLOCKS)
        # Names of files may hold what UTF-8 cannot.
        with new.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.writelines(chain([before], gallery.blocks, [after]))
        gallery.place_files()
    return Written(html=path, files=gallery.files)


def _render_gallery(page: Page, folder: Path, embed: Embed, staging: Path) -> RenderedGallery:
    """First of all, as its tags decide what other components link to."""
    each = [part for section in page.sections for part in section.components]
    galleries = [part for part in each if isinstance(part, Gallery)]
    if len(galleries) > 1:
        raise ValueError(f"sections: expected at most one gallery, got {len(galleries)}")
    if not galleries:
        return RenderedGallery(markup=Markup())
    from instseg.report.gallery import render_gallery  # reads photos

    return render_gallery(galleries[0], folder, embed, staging)


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
    scripts = assets.SCRIPTS + (assets.GALLERY_SCRIPTS if gallery.markup else ())
    script = assets.joined(scripts)
    return render(
        "page.html",
        page=page,
        sections=sections,
        blocks=Markup(_BLOCKS),
        policy=assets.content_security_policy(
            (style,), (head_script, script), loads_scripts=gallery.loads_scripts
        ),
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
