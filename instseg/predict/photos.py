"""Names of photos in the results, and of their pictures on disk."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

LONGEST_NAME = 255  # bytes of a file name, on nearly every file system
LONGEST_SUFFIX = ".geojson"  # of the files that are named after a photo
OWN_FOLDERS = {"labels", "crops", "report_files"}  # folders of results


@dataclass(frozen=True, kw_only=True)
class NamedPhoto:
    """A photo and its name in the results.

    Attributes:
        path: The file.
        name: `folder/photo.jpg`, relative to the folder that contains all photos; unique. Bytes
            that are not UTF-8 are written in hexadecimal.
        picture: `folder/photo`, or `name` if that is not unique; shortened if it is too long for a
            file name.
    """

    path: Path
    name: str
    picture: str


def name_photos(paths: Iterable[Path]) -> list[NamedPhoto]:
    """Give every photo a unique name that mirrors the folders; the same file counts once."""
    absolute = {Path(os.path.abspath(path)): path for path in paths}  # noqa: PTH100
    root = Path(os.path.commonpath([path.parent for path in absolute]))
    names: dict[str, Path] = {}
    for path in absolute:
        name = _readable(path.relative_to(root).as_posix())
        while name in names:  # one is not UTF-8, and the other has the name that is written for it
            name += "~"
        names[name] = absolute[path]
    if {name.split("/")[0] for name in names} & OWN_FOLDERS:
        names = {f"{_readable(root.name) or 'root'}/{name}": path for name, path in names.items()}
    pictures = name_pictures(list(names))
    return [
        NamedPhoto(path=path, name=name, picture=pictures[name]) for name, path in names.items()
    ]


def _readable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def name_pictures(names: list[str]) -> dict[str, str]:
    """The `picture` of each of the names of photos."""
    stems = {name: PurePosixPath(name).with_suffix("").as_posix() for name in names}
    times = Counter([*stems.values(), *names])
    folders = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    pictures = {}
    for name in names:
        picture = stems[name] if times[stems[name]] == 1 else name
        if f"{picture}.png" in folders:
            picture = name
        while f"{picture}.png" in folders:
            picture += "~"
        folder, slash, base = picture.rpartition("/")
        pictures[name] = folder + slash + shorten(base, LONGEST_NAME - len(LONGEST_SUFFIX))
    return pictures


def shorten(name: str, longest: int) -> str:
    """A name of at most `longest` bytes; a shortened one ends in a checksum of the whole."""
    content = name.encode()
    if len(content) <= longest:
        return name
    checksum = "-" + hashlib.sha256(content).hexdigest()[:8]
    return content[: longest - len(checksum)].decode("utf-8", "ignore") + checksum
