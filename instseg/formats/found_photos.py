"""The photos that label files name, wherever they are within a folder."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from instseg.files.listing import IMAGE_SUFFIXES
from instseg.files.near_names import files_under, near_names


def find_photos(root: Path, names: Iterable[str]) -> dict[str, str]:
    r"""Find photos by their names, with either kind of slashes, and paths of other machines.

    Args:
        root: The folder; what is outside of it is not looked at.
        names: As in label files: `a.jpg`, `..\photos\a.jpg`, `C:\photos\a.jpg`, `frame_000000`.

    Returns:
        The file of each name that is found, relative to `root`. A file matches if its path is
        equal, else nearly so (see `near_names`), else if its name is, in any folder; else if only
        the suffix differs or is missing.
    """
    plain = {name: plain_name(name) for name in names}
    found = {name: file for name, file in plain.items() if file and (root / file).is_file()}
    if len(found) == len(plain):
        return found
    files = [file for file in files_under(root) if file.lower().endswith(IMAGE_SUFFIXES)]
    near = near_names(plain.values(), files, any_folder=True).found
    found |= {name: near[file] for name, file in plain.items() if file in near}
    missing = {name: _stem(file) for name, file in plain.items() if name not in found}
    if missing:
        taken = set(found.values())
        stems: dict[str, list[str]] = {}
        for file in files:
            if file not in taken:
                stems.setdefault(_stem(file), []).append(file)
        by_stem = near_names(missing.values(), stems, any_folder=True).found
        for name, stem in missing.items():
            candidates = stems.get(stem) or stems.get(by_stem.get(stem, ""), [])
            if len(candidates) == 1:
                found[name] = candidates[0]
    return found


def plain_name(name: str) -> str:
    """A name as a relative path with /, without a drive and what leads out."""
    text = posixpath.normpath(name.strip().replace("\\", "/").replace("\0", ""))
    return "/".join(
        part for part in text.split("/") if part not in ("", ".", "..") and ":" not in part
    )


def _stem(file: str) -> str:
    path = PurePosixPath(file)
    return (path.with_suffix("") if path.suffix.lower() in IMAGE_SUFFIXES else path).as_posix()
