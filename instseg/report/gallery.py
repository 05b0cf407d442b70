"""The gallery of a report: photos, one after the other, into the page or into files beside it."""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from instseg.core.classes import class_color
from instseg.core.colors import hex_color, picture_colors
from instseg.core.json_types import Json
from instseg.report.components import PREDICTION, Gallery, Photo
from instseg.report.photo_data import PhotoData, photo_data
from instseg.report.rendered import (
    Embed,
    RenderedGallery,
    compact_json,
    json_block,
    render,
    script_safe,
)
from instseg.report.suggestion_data import suggestion_blocks
from instseg.report.thumbnails import THUMBNAIL_PX
from instseg.system.ahead import map_ahead
from instseg.system.atomic import naming_file

MOST_EMBEDDED_BYTES = 25_000_000  # of photos, where `embed` is "auto"
MOST_EMBEDDED_PHOTOS = 400  # whose thumbnails and outlines are in the page
PHOTOS_PER_CHUNK = 25
THREADS = 4
DISTINCT_COLORS = 40  # for so many classes colours are kept apart

_THUMBNAILS, _PHOTOS, _CHUNKS = "thumbnails", "photos", "data"


@dataclass(kw_only=True)
class _Collected:
    """What is known after all photos went to disk."""

    entries: list[str] = field(default_factory=list)  # JSON, which needs less memory than objects
    names: set[str] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)
    tags: Counter[str] = field(default_factory=Counter)
    classes: Counter[int] = field(default_factory=Counter)
    values: dict[str, None] = field(default_factory=dict)  # names, in order
    layers: dict[str, None] = field(default_factory=dict)
    has_marks: bool = False
    picture_bytes: int = 0


def render_gallery(gallery: Gallery, folder: Path, embed: Embed, staging: Path) -> RenderedGallery:
    """A gallery as HTML and the files that it loads; memory use does not depend on the photos.

    Args:
        gallery: Its photos are read once.
        folder: Where its files beside the page are going to be.
        embed: See `write_page`.
        staging: An empty folder on the same disk, which is kept until the blocks are written and
            the files are in place.

    Raises:
        InputError: A file cannot be written.
        ValueError: Two photos have the same name.
    """
    found = _collect(gallery, staging, with_pictures=embed != "none")
    many = len(found.entries) > MOST_EMBEDDED_PHOTOS
    beside = many and embed != "all"
    pictures = "page"
    if embed == "none":
        pictures = ""
    elif embed == "auto" and (many or found.picture_bytes > MOST_EMBEDDED_BYTES):
        pictures = "beside"
    if beside:
        _write_chunks(staging)
    moved = [_THUMBNAILS, _CHUNKS] if beside else []
    moved += [_PHOTOS] if pictures == "beside" else []
    files = [folder / name / each for name in moved for each in _names(staging / name)]
    index = {
        **_index(gallery, found),
        "folder": f"./{quote(os.fsencode(folder.name))}/",
        "pictures": pictures,
        "beside": beside,
        "perChunk": PHOTOS_PER_CHUNK,
        "thumbnailPx": THUMBNAIL_PX,
    }
    block = json_block("gallery-index", {**index, "photos": []})
    marker = Markup('"photos":[]')
    before, after = block.split(marker)
    blocks = _blocks(before, found.entries, after, staging, beside, pictures == "page")
    return RenderedGallery(
        markup=render("gallery.html", gallery=gallery, lost=found.lost, count=len(found.entries)),
        files=tuple(files),
        tags=found.tags,
        blocks=chain(blocks, suggestion_blocks(gallery, found.names)),
        loads_scripts=beside,
        place_files=partial(_place, staging, folder, moved),
    )


def _collect(gallery: Gallery, staging: Path, *, with_pictures: bool) -> _Collected:
    """Write what the photos become into the staging folder."""
    found = _Collected()
    for name in (_THUMBNAILS, _PHOTOS):
        (staging / name).mkdir()
    prepare = partial(_prepared, category_ids=gallery.category_ids, with_picture=with_pictures)
    with (
        ThreadPoolExecutor(THREADS) as pool,
        (staging / "records.jsonl").open("w", encoding="utf-8") as records,
    ):
        for photo, data in map_ahead(pool, prepare, gallery.photos):
            if photo.name in found.names:
                raise ValueError(f"photos: expected unique names, got {photo.name!r} twice")
            with naming_file(staging):
                _add(found, photo, data)
                _write_files(staging, len(found.entries), data)
                records.write(compact_json(data.record) + "\n")
    return found


def _prepared(photo: Photo, **options: Any) -> tuple[Photo, PhotoData]:
    return photo, photo_data(photo, **options)


def _add(found: _Collected, photo: Photo, data: PhotoData) -> None:
    found.entries.append(compact_json(data.entry))
    found.names.add(photo.name)
    found.tags.update(set(photo.tags))
    found.values |= dict.fromkeys(photo.values)
    found.picture_bytes += len(data.picture or b"")
    if data.problem:
        found.lost.append(data.problem)
    for layer in photo.layers:
        found.layers[layer.name] = None
        found.classes.update(layer.instances.class_ids.tolist())
        found.has_marks = found.has_marks or any(layer.marks)


def _write_files(staging: Path, number: int, data: PhotoData) -> None:
    if data.thumbnail is not None:
        (staging / _THUMBNAILS / f"{number:05d}.webp").write_bytes(data.thumbnail)
    if data.picture is not None:
        (staging / _PHOTOS / f"{number:05d}.jpg").write_bytes(data.picture)


def _index(gallery: Gallery, found: _Collected) -> Json:
    """What the script needs to know of the gallery as a whole."""
    names = list(gallery.class_names)
    by_count = [names[class_id] for class_id, _ in found.classes.most_common(DISTINCT_COLORS)]
    colors = picture_colors(by_count)
    layers = list(found.layers)
    return {
        "classes": names,
        "colors": [hex_color(colors.get(n, class_color(n))) for n in names],
        "categories": list(gallery.category_ids),
        "layers": layers,
        "main": PREDICTION if PREDICTION in layers else "",
        "values": list(found.values),
        "tags": dict(found.tags),
        "marks": found.has_marks,
        "sort": gallery.sort,
        "unit": gallery.unit if gallery.unit_per_px else "",
        "unitPerPx": gallery.unit_per_px,
    }


def _blocks(
    before: Markup, entries: list[str], after: Markup, staging: Path, beside: bool, pictures: bool
) -> Iterator[Markup]:
    """The elements that hold data, one after the other."""
    yield before + Markup('"photos":[')
    for number, entry in enumerate(entries):
        yield Markup("," if number else "") + script_safe(entry)
    yield Markup("]") + after
    if not beside:
        for number, records in enumerate(_chunks(staging), start=1):
            opening = Markup(f'<script type="application/json" id="gallery-data-{number}">')
            yield opening + script_safe(records) + Markup("</script>\n")
        yield from _data_uris(staging / _THUMBNAILS, "thumbnail", "image/webp")
    if pictures:
        yield from _data_uris(staging / _PHOTOS, "picture", "image/jpeg")


def _data_uris(folder: Path, name: str, kind: str) -> Iterator[Markup]:
    for path in sorted(folder.iterdir()):
        code = base64.b64encode(path.read_bytes()).decode("ascii")
        identity = f"gallery-{name}-{int(path.stem)}"
        yield Markup(
            f'<script type="text/plain" id="{identity}">data:{kind};base64,{code}</script>\n'
        )


def _chunks(staging: Path) -> Iterator[str]:
    """The records of some photos each, as JSON."""
    with (staging / "records.jsonl").open(encoding="utf-8") as records:
        while lines := list(islice(records, PHOTOS_PER_CHUNK)):
            yield f"[{','.join(line.strip() for line in lines)}]"


def _write_chunks(staging: Path) -> None:
    (staging / _CHUNKS).mkdir()
    for number, records in enumerate(_chunks(staging), start=1):
        path = staging / _CHUNKS / f"{number:05d}.js"
        with naming_file(path):
            path.write_text(f"galleryChunk({number},{script_safe(records)});\n", encoding="utf-8")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _place(staging: Path, folder: Path, moved: Iterable[str]) -> None:
    """Let the files take the place of those of an earlier gallery, which go to the staging folder.

    There are only renames here: a process that is killed on the way has hardly a chance to leave
    the earlier page without its photos.
    """
    for name in (_THUMBNAILS, _PHOTOS, _CHUNKS):
        with naming_file(folder / name):
            if (folder / name).exists():
                (folder / name).rename(staging / f"earlier-{name}")
            if name in moved:
                folder.mkdir(parents=True, exist_ok=True)
                (staging / name).rename(folder / name)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
