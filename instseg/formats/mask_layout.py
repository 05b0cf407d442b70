"""Folders of masks, one for each photo: which files are masks, and the photo of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.events import told
from instseg.files.near_names import files_under
from instseg.files.stored_values import Stored, read_stored
from instseg.formats.class_tables import packed
from instseg.formats.format import Reading
from instseg.formats.labels import Builder, Record
from instseg.formats.photo_index import is_photo, key_of
from instseg.formats.photo_names import is_size_of
from instseg.formats.splits import split_in

MASKS, PHOTOS = "masks", "images"  # the folders that are written
_MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif")
_WORDS = "masks?|labels?|seg|segmentations?|gt|ground_?truth|annotations?|annot"
_FOLDER = re.compile(rf"{_WORDS}|SegmentationClass(Raw)?|labelIds", re.IGNORECASE)
_AFFIX = re.compile(rf"[_.-](cp_)?({_WORDS})$|^({_WORDS})[_-]", re.IGNORECASE)
_PHOTO_FOLDERS = ("images", "image", "imgs", "img", "photos", "jpegimages", "annot")
_LOOKED_AT = 3  # masks, to recognise what they hold
_SMOOTH = 0.8  # share of the pixels of a mask, at least, whose right neighbour is the same


@dataclass(frozen=True, kw_only=True)
class MaskFile:
    """A mask.

    Attributes:
        file: Relative to the dataset.
        photo: Relative to the folder of the photos; None if it is missing.
        name: Of the photo, which is that of the mask where the photo is missing.
    """

    file: str
    photo: str | None
    name: str


def mask_files(root: Path, images: Path | None = None) -> list[MaskFile]:
    """The masks of a folder, and their photos in it or in another."""
    files = [f for f in files_under(root) if not PurePosixPath(f).name.startswith(".")]
    candidates = [file for file in files if file.lower().endswith(_MASK_SUFFIXES)]
    masks = _masks(candidates, files if images is None else [])
    chosen = {*masks}
    photos = files_under(images) if images is not None else [f for f in files if f not in chosen]
    photos = [photo for photo in photos if is_photo(photo)]
    by_path = {key_of(photo): photo for photo in photos}
    by_key = {_plain(photo): photo for photo in photos}
    by_name: dict[str, list[str]] = {}
    for key, photo in by_key.items():
        by_name.setdefault(key.rpartition("/")[2], []).append(photo)
    found = []
    tops = (f"{PHOTOS}/", "") if images is None else ("", f"{PHOTOS}/")
    for file in masks:
        key = _plain(file)
        own = by_name.get(key.rpartition("/")[2], [])
        beside = [by_path.get(f"{top}{_below_masks(file)}") for top in tops]
        same = next(filter(None, beside), None) or by_key.get(key)
        same = same or (own[0] if len(own) == 1 else None)
        found.append(MaskFile(file=file, photo=same, name=same or _without_words(file)))
    return found


def is_converted(root: Path) -> bool:
    """Whether a folder has the masks, and the table of classes, that `convert` writes."""
    table = root / "classes.csv"
    if not (root / MASKS).is_dir() or not table.is_file():
        return False
    with table.open("rb") as file:
        return file.readline(100).strip() == b"source_id,name,id"


def stored_masks(
    root: Path, builder: Builder, reading: Reading
) -> Iterator[tuple[Record, Path, Stored]]:
    """Add the photos of all masks that can be read, and give each with its mask."""
    masks = mask_files(root, reading.images)
    if not any(mask.photo for mask in masks):
        builder.photos = None
    for mask in told(masks, reading.on_event, "reading masks"):
        try:
            stored = read_stored(root / mask.file)
        except InputError as error:
            builder.note("masks that cannot be read: left out with their photos", error)
            continue
        size = (stored.values.shape[1], stored.values.shape[0])
        if mask.photo and builder.photos and not is_size_of(builder.photos, mask.photo, size):
            words = "masks of another size than their photo: left out with it"
            builder.note(words, f"{mask.file}, {size[0]} x {size[1]} pixels")
            continue
        if mask.photo is None:
            builder.note("masks without a photo, which is called like the mask", mask.file)
        split = split_in(PurePosixPath(mask.file).parent.as_posix())
        yield builder.image(mask.name, size, split=split), root / mask.file, stored


def first_masks(root: Path) -> list[tuple[str, Stored]]:
    """The first masks of a folder; none if they are no masks by what they hold."""
    found = []
    certain = is_converted(root)
    for mask in mask_files(root)[:_LOOKED_AT]:
        stored = read_stored(root / mask.file)
        if not certain and not _is_smooth(numbers_of(stored)):
            return []
        found.append((PurePosixPath(mask.file).stem, stored))
    return found


def numbers_of(stored: Stored) -> NDArray[np.integer[Any]]:
    """The number of each pixel (H, W): of a colour, of 24 bits.

    Raises:
        InputError: There are fractions.
    """
    values: NDArray[Any] = stored.values
    if values.ndim == 3:
        return packed(values) if values.shape[2] > 2 else values[..., 0]
    if values.dtype.kind == "f" and (values != np.floor(values)).any():
        raise InputError("masks hold fractions, not numbers of objects or classes")
    return values if values.dtype.kind in "ui" else values.astype(np.int32)


def _masks(candidates: list[str], files: Iterable[str]) -> list[str]:
    """Those in folders of masks, else those called so, else those beside a photo, else all."""
    in_folder = [f for f in candidates if any(map(_is_word, PurePosixPath(f).parent.parts))]
    if in_folder:
        return [f for f in in_folder if not _is_below_photos(f)] or in_folder
    if named := [f for f in candidates if _AFFIX.search(PurePosixPath(f).stem)]:
        return named
    photos = {key_of(file) for file in files if is_photo(file) and file not in {*candidates}}
    return [f for f in candidates if key_of(f) in photos] or ([] if photos else candidates)


def _is_word(folder: str) -> bool:
    return bool(_FOLDER.fullmatch(folder)) or folder.lower().endswith("annot")


def _is_below_photos(file: str) -> bool:
    """Whether the first folder that says what it holds is one of photos."""
    told = (f for f in PurePosixPath(file).parent.parts if _is_word(f) or _holds_photos(f))
    return _holds_photos(next(told, ""))


def _holds_photos(folder: str) -> bool:
    return folder.lower() in _PHOTO_FOLDERS and not _is_word(folder)


def _below_masks(file: str) -> str:
    """The key of a mask below masks/, which its photo has below images/; "" for another mask."""
    top, _, rest = file.partition("/")
    return key_of(rest) if top == MASKS else ""


def _plain(file: str) -> str:
    """What a photo and its mask have in common."""
    return key_of(_without_words(file))


def _without_words(file: str) -> str:
    """A path without the words that say mask, or photo."""
    path = PurePosixPath(file)
    folders = [
        part[: -len("annot")] if part.lower().endswith("annot") else part
        for part in path.parent.parts
        if part.lower() not in _PHOTO_FOLDERS and not _FOLDER.fullmatch(part)
    ]
    return "/".join([*folders, f"{_AFFIX.sub('', path.stem)}{path.suffix}"])


def _is_smooth(numbers: NDArray[np.integer[Any]]) -> bool:
    same = numbers[:, 1:] == numbers[:, :-1]
    return bool(same.size and same.mean() >= _SMOOTH)
