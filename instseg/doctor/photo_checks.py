"""What is wrong between a dataset and its photos: missing, of another size, the same twice."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from instseg.doctor.examination import Surroundings
from instseg.doctor.exif_votes import drawn_on_stored
from instseg.doctor.findings import Finding, finding
from instseg.doctor.photos import PhotoFacts, similar_pairs
from instseg.doctor.table import Table, short
from instseg.files.coco_json import leads_out
from instseg.files.image import MAX_PIXELS

_UNUSUAL_SIDE_PX = (32, 10_000)
_UNUSUAL_RATIO = 8

Photos = Mapping[str, PhotoFacts]


def check_file_names(table: Table, around: Surroundings) -> list[Finding]:
    """Find images whose file leads out of the folder, is called a little otherwise, or missing."""
    out, renamed, unclear, missing = [], [], [], []
    for row, record in _images(table):
        name = record["file_name"]
        if name in around.near.found:
            renamed.append((row, f"{short(name)} is {short(around.near.found[name])}"))
        elif leads_out(name):
            out.append((row, short(name)))
        elif name in around.near.ambiguous:
            files = ", ".join(map(short, around.near.ambiguous[name][:5]))
            unclear.append((row, f"{short(name)} may be {files}"))
        elif around.folder and name not in around.there:
            missing.append((row, short(name)))
    if missing and len(missing) + len(out) == len(table.images):
        words = f"{missing[0][1]} and all others; is {around.folder} their folder?"
        missing[0] = (missing[0][0], words)
    return [
        *_found(table, "file-outside-folder", out),
        *_found(table, "photo-renamed", renamed),
        *_found(table, "photo-ambiguous", unclear),
        *_found(table, "photo-missing", missing),
    ]


def is_photo(folder: Path, name: str) -> bool:
    """Whether a file of that name lies in the folder of photos."""
    return not leads_out(name) and os.path.isfile(folder / name)  # noqa: PTH113  takes any name


def check_stated_sizes(table: Table) -> list[Finding]:
    """Find images that are too large to read, or oddly small, large or narrow."""
    large, odd = [], []
    for row, record in _images(table):
        width, height = record["width"], record["height"]
        shorter, longer = sorted((width, height))
        words = f"{short(record['file_name'])} is {width} x {height}"
        if width * height > MAX_PIXELS:
            large.append((row, words))
        elif (
            shorter < _UNUSUAL_SIDE_PX[0]
            or longer > _UNUSUAL_SIDE_PX[1]
            or longer > _UNUSUAL_RATIO * shorter
        ):
            odd.append((row, words))
    return _found(table, "image-too-large", large) + _found(table, "image-size-unusual", odd)


def check_photos(table: Table, photos: Photos) -> list[Finding]:
    """Find photos that cannot be read or are of another size than stated."""
    cases: dict[str, list[tuple[int, str]]] = {}
    for row, record in _images(table):
        photo = photos.get(record["file_name"])
        code = photo and _trouble(record, photo)
        if photo and code:
            stated = f"{record['width']} x {record['height']}"
            size = " x ".join(map(str, photo.stored_wh or ()))
            words = f"{short(record['file_name'])} is {size}, stated {stated}"
            cases.setdefault(code, []).append((row, photo.problem or words))
    by_code = [each for code, found in cases.items() for each in _found(table, code, found)]
    return by_code + _found(table, "exif-stored", _drawn_unturned(table, photos))


def _drawn_unturned(table: Table, photos: Photos) -> list[tuple[int, str]]:
    """Photos that EXIF turns without a change of size, in a set drawn on the stored pixels.

    Of one that is turned by a quarter, the stated size tells; if all of those are stated as they
    are stored, so were the others annotated.
    """
    quarter, same = {}, []
    for row, record in _images(table):
        photo = photos.get(record["file_name"])
        stated = (record["width"], record["height"])
        if photo is None or photo.orientation == 1 or photo.problem:
            continue
        if photo.stored_wh == photo.upright_wh == stated:
            same.append((row, short(record["file_name"])))
        elif photo.upright_wh == stated:
            return []
        elif photo.stored_wh == stated:
            quarter[record["id"]] = row
    return same if quarter and drawn_on_stored(table, quarter) else []


def _trouble(record: Mapping[str, Any], photo: PhotoFacts) -> str | None:
    stated = (record["width"], record["height"])
    if photo.problem:
        return "photo-unreadable"
    if stated == photo.upright_wh:
        return "exif-rotation" if photo.orientation > 1 else None
    if stated == photo.stored_wh:
        return "size-exif"
    return "size-swapped" if stated[::-1] == photo.upright_wh else "size-other"


def check_copies(table: Table, photos: Photos) -> list[Finding]:
    """Find photos that are another photo of the set, or look like one."""
    images = [(row, record["file_name"]) for row, record in _images(table)]
    same, similar = copies([photos.get(name) for _, name in images])
    pairs = [(images[one], images[first]) for one, first in same]
    twice = [  # one file in two records is a finding of its own
        (row, f"{short(name)} is {short(first)}")
        for (row, name), (_, first) in pairs
        if name != first
    ]
    alike = {}
    for one, other in similar:
        alike[images[other][0]] = f"{short(images[other][1])} and {short(images[one][1])}"
    return _found(table, "photo-twice", twice) + _found(table, "photo-similar", alike.items())


def copies(
    photos: Sequence[PhotoFacts | None],
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Photos that are the same, byte for byte, and photos that look alike.

    Args:
        photos: Read whole; None, and those that cannot be read, are like no other.

    Returns:
        Places in the list of a photo and of the first that it is a copy of; then pairs of first
        ones that look alike, the earlier first.
    """
    first: dict[bytes, int] = {}
    same, kept = [], []
    for place, photo in enumerate(photos):
        if photo is None or photo.digest is None:
            continue
        early = first.setdefault(photo.digest, place)
        if early == place:
            kept.append(place)
        else:
            same.append((place, early))
    prints = [each.fingerprint for place in kept if (each := photos[place])]
    return same, [(kept[one], kept[other]) for one, other in _similar(prints)]


def check_leaks(table: Table, photos: Photos, val: Table, val_photos: Photos) -> list[Finding]:
    """Find photos of the training set that are in the validation set, or look like one of it."""
    theirs = {
        val_photos[r["file_name"]].digest: r["file_name"]
        for _, r in _images(val)
        if r["file_name"] in val_photos
    }
    same, rest = [], []
    for row, record in _images(table):
        name = record["file_name"]
        digest = photos[name].digest if name in photos else None
        if digest is not None and digest in theirs:
            same.append((row, f"{short(name)} is {short(theirs[digest])}"))
        elif digest is not None:
            rest.append((row, name))
    names = list(dict.fromkeys(theirs.values()))
    prints = [photos[name].fingerprint for _, name in rest]
    prints += [val_photos[name].fingerprint for name in names]
    alike = {}
    for one, other in _similar(prints):
        if one < len(rest) <= other:
            row, name = rest[one]
            alike[row] = f"{short(name)} and {short(names[other - len(rest)])}"
    return _found(table, "photo-in-val", same) + _found(table, "photo-like-val", alike.items())


def _similar(fingerprints: list[int | None]) -> list[list[int]]:
    """Pairs of places in the list, the earlier first."""
    known = np.array([i for i, bits in enumerate(fingerprints) if bits is not None], dtype=np.int64)
    bits = np.array([fingerprints[i] for i in known], dtype=np.uint64)
    pairs: list[list[int]] = known[similar_pairs(bits)].tolist()
    return pairs


def _images(table: Table) -> list[tuple[int, Any]]:
    return [(row, table.document["images"][row]) for row in table.images.values()]


def _found(table: Table, code: str, cases: Any) -> list[Finding]:
    """A finding on images from (row, example) pairs, if there are any."""
    cases = list(cases)
    rows = [row for row, _ in cases]
    return [finding(code, table.document, "images", rows, cases[0][1])] if cases else []
