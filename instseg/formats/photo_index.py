"""Finds the photo of a label file by folders, stems and names, in whatever suffix."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from instseg.files.listing import IMAGE_SUFFIXES
from instseg.files.near_names import same_stem


class PhotoIndex:
    """The photos of a folder.

    Args:
        files: Relative to the folder, with / between folders; others than photos are left out.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self._by_path: dict[str, str] = {}
        self._by_stem: dict[str, list[str]] = {}
        for file in files:
            if is_photo(file):
                key = key_of(file)
                self._by_path.setdefault(key, file)
                self._by_stem.setdefault(key.rpartition("/")[2], []).append(file)

    def find(self, paths: Iterable[str], names: Sequence[str] = ()) -> str | None:
        """The photo at one of some paths, else the only one that has one of some names.

        Args:
            paths: Without suffix, with folders.
            names: Without folders; a suffix is ignored, because labels often have a wrong one.
        """
        for path in paths:
            if (file := self._by_path.get(same_stem(path))) is not None:
                return file
        for name in names:
            found = self._by_stem.get(key_of(name), []) if is_photo(name) else []
            found = found or self._by_stem.get(same_stem(name), [])
            if len(found) == 1:
                return found[0]
        return None


def is_photo(file: str) -> bool:
    """Whether a file has the suffix of a photo."""
    return file.lower().endswith(IMAGE_SUFFIXES)


def key_of(file: str) -> str:
    """A key that is equal for files that differ in suffix, case and such alone."""
    return same_stem(stem_of(file))


def stem_of(file: str) -> str:
    """A path without its suffix."""
    return PurePosixPath(file).with_suffix("").as_posix() if file else ""
