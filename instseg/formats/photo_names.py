"""The names of photos in a result, and the photos themselves."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath

from instseg.core.events import told
from instseg.files.coco_json import leads_out
from instseg.files.photo_header import photo_size, read_header
from instseg.formats.format import Writing
from instseg.formats.labels import Labels, Record
from instseg.formats.notes import Notes


def photo_names(
    labels: Labels, *, flat: bool = False, without: Sequence[str] = ()
) -> dict[int, str]:
    """A name for each image id, relative, with / between folders.

    Folders that all photos of a split share are left out. In a split, no two names are equal
    without their suffix: a_png.png stands beside a.jpg. Photos without a split may be written to
    the split train.

    Args:
        labels: The labels.
        flat: Whether names are to differ between splits too, which share a folder.
        without: Folders that are left out of names, in any case, as they have a meaning.
    """
    by_split: dict[str, list[Record]] = {}
    for image in labels.images:
        by_split.setdefault(image.get("split") or "", []).append(image)
    taken: set[str] = set()
    names: dict[int, str] = {}
    for split, own in by_split.items():
        folders = ("",) if flat else (f"{split}/",) if split else ("", "train/")
        names |= _unique(own, folders, taken, without)
    return names


def copy_photos(labels: Labels, folder: Path, writing: Writing) -> list[Record]:
    """The image records with the names of their copies, which are made in `folder`/images."""
    names = photo_names(labels)
    records = []
    for image in told(labels.images, writing.on_event, "copying photos"):
        name = str(PurePosixPath(image.get("split") or "", names[image["id"]]))
        place_photo(labels, image, folder / "images" / name, copy=True)
        records.append({**image, "file_name": name})
    return records


def place_photo(labels: Labels, image: Record, target: Path, *, copy: bool) -> bool:
    """Put a photo where a format demands it: as a link, or as a copy.

    Args:
        labels: With the folder of the photos.
        image: The record.
        target: The new file; folders are made.
        copy: Copy it, which is also done where links are not possible.

    Returns:
        Whether there is such a photo.
    """
    source = photo_of(labels, image)
    if source is None:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    if not copy:
        try:
            target.symlink_to(source.resolve())
            return True
        except FileExistsError:  # which may be a link to a photo: never write through it
            raise
        except (OSError, NotImplementedError):
            pass
    with source.open("rb") as old, target.open("xb") as new:
        shutil.copyfileobj(old, new)
    return True


def photo_of(labels: Labels, image: Record) -> Path | None:
    """The photo of an image record; None if it is missing or would be outside of its folder."""
    if labels.photos is None or leads_out(image["file_name"]):
        return None
    path = labels.photos / image["file_name"]
    return path if path.is_file() else None


def is_size_of(folder: Path, name: str, size_wh: tuple[int, int]) -> bool:
    """Whether a mask has the size of its photo, upright or as it is stored.

    Also where the photo cannot be read, which the doctor tells.
    """
    size = photo_size(folder, name)
    if size in (None, size_wh):
        return True
    try:
        return read_header(folder / name).stored_wh == size_wh
    except ValueError:
        return False


def other_sizes(labels: Labels) -> tuple[str, ...]:
    """A line if photos have another size than in the labels, also if they are stored turned."""
    notes = Notes()
    for image in labels.images:
        name, stated = image["file_name"], (image["width"], image["height"])
        photo = photo_of(labels, image)
        try:
            size = read_header(photo).upright_wh if photo else stated
        except ValueError:  # which other commands tell of
            continue
        if size != stated:
            words = "photos of another size than in the labels, whose outlines may not fit them"
            own, other = (f"{width} x {height}" for width, height in (size, stated))
            notes.add(words, f"{name}, {own}, in the labels {other}")
    return notes.lines()


def inside(root: Path, name: str) -> Path | None:
    r"""A path of a file, relative to a folder, with either kind of slashes; None if it leads out.

    Absolute paths, as of another machine, and those that lead out are looked for by their last
    parts: `../train/images` and `C:\data\train\images` are `train/images` if that exists.
    """
    text = name.strip().replace("\\", "/")
    if not leads_out(text) and (root / text).exists():
        return root / text
    parts = [part for part in text.split("/") if part not in ("", ".", "..") and ":" not in part]
    for start in range(len(parts)):
        path = root.joinpath(*parts[start:])
        if path.exists():
            return path
    return None if leads_out(text) else root / text


def _unique(
    images: Sequence[Record], folders: Sequence[str], taken: set[str], without: Sequence[str]
) -> dict[int, str]:
    """Names of which none is taken in one of the folders, to which they are added."""
    paths = {image["id"]: _safe(image["file_name"], image["id"], without) for image in images}
    shared = _shared_folder(paths.values())

    def is_taken(stem: PurePosixPath) -> bool:
        return any(f"{folder}{stem}".casefold() in taken for folder in folders)

    names = {}
    for number, path in paths.items():
        short = PurePosixPath(*path.parts[shared:])
        stem = short.with_suffix("")
        if is_taken(stem):
            stem = stem.with_name(f"{stem.name}_{short.suffix[1:] or number}")
        while is_taken(stem):
            stem = stem.with_name(f"{stem.name}_{number}")
        taken.update(f"{folder}{stem}".casefold() for folder in folders)
        names[number] = f"{stem}{short.suffix}"
    return names


def _safe(file_name: str, number: int, without: Sequence[str]) -> PurePosixPath:
    """A relative path that stays inside its folder, without some folders."""
    parts = file_name.replace("\\", "/").replace("\0", "").split("/")
    kept = [part for part in parts if part not in ("", ".", "..") and ":" not in part]
    folders = [part for part in kept[:-1] if part.lower() not in without]
    name = kept[-1:] or [str(number)]
    return PurePosixPath(*([] if leads_out(file_name) else folders), *name)


def _shared_folder(paths: Iterable[PurePosixPath]) -> int:
    """How many leading folders all paths share."""
    parents = [path.parts[:-1] for path in paths]
    levels = zip(*parents, strict=False)
    return len(list(takewhile(lambda names: len(set(names)) == 1, levels)))
