"""Reads LabelMe files, of all its versions, and of tools that write them too."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import told
from instseg.files.coco_json import read_document
from instseg.files.coco_records import score_of
from instseg.files.listing import IMAGE_SUFFIXES
from instseg.files.near_names import files_under
from instseg.files.photo_header import header_of, open_photo, photo_size
from instseg.formats.drawn import Drawn, add_objects
from instseg.formats.format import Reading
from instseg.formats.found_photos import find_photos, plain_name
from instseg.formats.labels import Builder, Labels
from instseg.formats.notes import Notes
from instseg.formats.rings import Loop, ellipse
from instseg.formats.splits import split_in

CLASSES = "labels.txt"

NO_CLASSES = ("__ignore__", "_background_")
_NO_OBJECTS = {"point": 1, "points": 1, "line": 2, "linestrip": 2}
_INSTANCE = re.compile(r"(.+)-(\d+)")
_SCORE_LINE = re.compile(r"score [\d.e-]+")
_MOST_MASK_PIXELS = 2**30


def read(path: Path, reading: Reading) -> Labels:
    """Read a file, or all of a folder and its folders, whose names then tell the splits.

    Raises:
        InputError: There is no label file, or the size of no photo is known.
    """
    root = path if path.is_dir() else path.parent
    notes = Notes()
    files = {
        file: document
        for file in told(_files(path), reading.on_event, "reading labels")
        if (document := _document(root / file, notes, only=path.is_file())) is not None
    }
    if not files:
        raise InputError(f"{path}: has no LabelMe file; give the folder of its .json files")
    photos = reading.images or root
    found = _photos(photos, files)
    builder = Builder(photos=photos if found else reading.images, notes=notes)
    for label in _classes(root / CLASSES):
        builder.category(label)
    for file, document in files.items():
        name = found.get(file)
        size = _stated(document) or (name and photo_size(photos, name)) or _embedded(document)
        if not size:
            notes.add("label files without the size of their photo, or the photo: left out", file)
            continue
        if name is None and document["imageData"]:
            notes.add("photos that are only embedded in their label files", file)
        split = split_in(str(PurePosixPath(file).parent))
        image = builder.image(name or _named(file, document), size, split=split)
        add_objects(builder, image, _drawn(document, notes, file), file)
    if not builder.labels().images:
        raise ArgumentError(
            f"{path}: the sizes of its photos are not known; give their folder as {{images}}"
        )
    if path.is_dir() and found:
        _tell_unlabelled(notes, photos, set(found.values()))
    return builder.labels()


def _files(path: Path) -> list[str]:
    if path.is_file():
        return [path.name]
    return [
        file
        for file in files_under(path)
        if file.lower().endswith(".json") and not PurePosixPath(file).name.startswith(".")
    ]


def _document(file: Path, notes: Notes, *, only: bool) -> dict[str, Any] | None:
    """What a file holds, of the photo in it only the beginning; None for another file."""
    try:
        document = read_document(file)
    except InputError:
        if only:
            raise
        notes.add("files that are not JSON: left out", file.name)
        return None
    if not isinstance(document, dict) or not isinstance(document.get("shapes"), list):
        notes.add("JSON files that are not LabelMe's: left out", file.name)
        return None
    data = document.get("imageData")
    if _stated(document):
        data = bool(data)  # the photo itself may be large
    return {**document, "imageData": data}


def _photos(root: Path, files: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """The photo of each label file: the one that it names, else the one of its own name."""
    named = {file: _named(file, document) for file, document in files.items()}
    found = find_photos(root, named.values())
    own = {file: PurePosixPath(file).with_suffix("").as_posix() for file in files}
    beside = find_photos(root, [own[file] for file in files if named[file] not in found])
    return {
        file: photo
        for file in files
        if (photo := found.get(named[file]) or beside.get(own[file])) is not None
    }


def _named(file: str, document: Mapping[str, Any]) -> str:
    """The photo that a label file names, relative to the same folder as `file`."""
    name = document.get("imagePath")
    if not isinstance(name, str) or not plain_name(name):
        return PurePosixPath(file).with_suffix("").as_posix()
    return plain_name(f"{PurePosixPath(file).parent}/{name}".replace("\\", "/"))


def _stated(document: Mapping[str, Any]) -> tuple[int, int] | None:
    size = document.get("imageWidth"), document.get("imageHeight")
    if all(isinstance(side, int | float) and 0 < side < 1e6 for side in size):
        return int(size[0]), int(size[1])  # type: ignore[arg-type]
    return None


def _embedded(document: Mapping[str, Any]) -> tuple[int, int] | None:
    """The size of the photo that is in the label file itself."""
    data = document["imageData"]
    if not isinstance(data, str):
        return None
    try:
        with open_photo(BytesIO(base64.b64decode(data))) as image:
            return header_of(image).upright_wh
    except Exception:  # decoders raise all kinds of errors on damaged data
        return None


def _classes(file: Path) -> list[str]:
    """The classes in labels.txt, in its order; [] without it."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines() if file.is_file() else []
    except (OSError, UnicodeError):
        lines = []
    return [name for line in lines if (name := line.strip()) and name not in NO_CLASSES]


def _tell_unlabelled(notes: Notes, photos: Path, labelled: set[str]) -> None:
    rest = [
        file
        for file in files_under(photos)
        if file.lower().endswith(IMAGE_SUFFIXES) and file not in labelled
    ]
    if rest:
        notes.add("photos without a label file, so not labelled yet: left out", rest[0], len(rest))


def _drawn(document: Mapping[str, Any], notes: Notes, file: str) -> list[Drawn]:
    """The shapes of a file; what is no object, and what is broken, is noted."""
    numbered = str(document.get("version") or "").startswith(("2.", "3."))
    found = []
    for shape in document["shapes"]:
        try:
            found.append(_one(shape, notes, file, numbered=numbered))
        except (ValueError, TypeError, OverflowError) as problem:
            notes.add(f"{_words(problem)}: left out", file)
    return found


def _words(problem: Exception) -> str:
    return str(problem) if type(problem) is ValueError else "shapes that are broken"


def _one(shape: Any, notes: Notes, file: str, *, numbered: bool) -> Drawn:
    """One shape.

    Raises:
        ValueError: It is none, in the plural; other errors for what is broken in another way.
    """
    if not isinstance(shape, dict) or shape.get("label") in (None, ""):
        raise ValueError("shapes without a label")
    label, group = str(shape["label"]), shape.get("group_id")
    if label in NO_CLASSES:
        raise ValueError(f"shapes labelled {label}")
    if numbered and "group_id" not in shape and (match := _INSTANCE.fullmatch(label)):
        label, group = match[1], match[2]
        notes.add("labels with a number, as LabelMe 3 tells objects apart: read without it", file)
    group = group if isinstance(group, int | str) and group != "" else None
    return Drawn(label=label, group=group, more=_more(shape), **_geometry(shape))


def _geometry(shape: Mapping[str, Any]) -> dict[str, Any]:
    """The box, ring or mask of a shape."""
    kind = shape.get("shape_type") or "polygon"
    if kind in _NO_OBJECTS:
        raise ValueError("points and lines, which are no objects")
    points = _points(shape.get("points"))
    if kind == "mask":
        return {"mask": _mask(shape.get("mask"), points)}
    if kind == "rectangle" and len(points) in (2, 4):
        return {"box": (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())}
    if kind == "circle" and len(points) == 2:
        radius = math.dist(points[0], points[1])
        center = points[0].tolist()
        return {"ring": ellipse((center[0], center[1]), (radius, radius))}
    if kind in ("polygon", "rotation", "oriented_rectangle") and len(points) > 2:
        return {"ring": points}
    if kind in ("polygon", "rectangle", "circle", "rotation", "oriented_rectangle"):
        raise ValueError(f"shapes with the wrong number of points for a {kind}")
    raise ValueError(f"shapes of a type that is not known, {str(kind)[:40]!r}")


def _points(values: Any) -> Loop:
    points = np.array(values, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise ValueError("shapes whose points are not pairs of numbers")
    return points


def _mask(text: Any, points: Loop) -> tuple[Any, tuple[int, int]]:
    """The crop of a mask and its place, which is its first point."""
    try:
        with Image.open(BytesIO(base64.b64decode(text)), formats=["PNG"]) as image:
            if image.width * image.height > _MOST_MASK_PIXELS:
                raise ValueError
            crop = np.asarray(image) != 0
    except Exception:  # decoders raise all kinds of errors on damaged data
        raise ValueError("masks that cannot be decoded") from None
    if crop.ndim == 3:  # with an alpha channel, which does not count
        crop = crop[..., : 3 if crop.shape[2] > 2 else 1].any(axis=2)
    left, top = np.rint(points[0]).astype(int).tolist()
    return crop, (top, left)


def _more(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Score, track and attributes of a shape."""
    own = shape.get("attributes")
    attributes = {
        **(shape["flags"] if isinstance(shape.get("flags"), dict) else {}),
        **(own if isinstance(own, dict) else {}),
    }
    score = score_of(shape.get("score"))
    lines = str(shape.get("description") or "").splitlines()
    if score is not None and lines and _SCORE_LINE.fullmatch(lines[-1]):
        lines.pop()
    if lines:
        attributes["description"] = "\n".join(lines)
    track = shape.get("track_id")
    return {
        "score": score,
        "track_id": track if isinstance(track, int) else None,
        "attributes": attributes or None,
    }
