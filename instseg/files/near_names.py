"""File names that almost match: other slashes, %20, case, composed letters, other folders."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

Parts = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class NearNames:
    """Files that nearly match names without a file.

    Attributes:
        found: By name, the only file that nearly matches it.
        ambiguous: Names that several files nearly match, or whose file matches another name too;
            with these files.
    """

    found: Mapping[str, str] = field(default_factory=dict)
    ambiguous: Mapping[str, Sequence[str]] = field(default_factory=dict)


def near_names(
    wanted: Iterable[str], there: Iterable[str], *, any_folder: bool = False
) -> NearNames:
    """Find the files of names that are spelled slightly differently.

    Kinds of slashes, URL encoding such as %20, Unicode normalisation, case, and leading folders
    that only one of the two names has are ignored. Names with a folder ".." never match.

    Args:
        wanted: All names, also those with an exact file: such a file does not match another name.
        there: The files, with / between folders.
        any_folder: Whether folders may differ, if the file name is unique on both sides.
    """
    files = list(there)
    exact = set(files)
    names = dict.fromkeys(wanted)
    missing = [name for name in names if name not in exact]
    found: dict[str, str] = {}
    ambiguous: dict[str, Sequence[str]] = {}
    if not missing:
        return NearNames()
    for same in (_as_written, _decoded, _folded):
        files_of = _by_base(files, same)
        for name in missing:
            if name in found or name in ambiguous:
                continue
            parts = same(name)
            candidates = files_of.get(parts[-1], ()) if parts and ".." not in parts else ()
            best = _best(parts, [(file, same(file)) for file in candidates], any_folder)
            if len(best) == 1:
                found[name] = best[0]
            elif best:
                ambiguous[name] = best
    owned = {name for name in names if name in exact}
    takers: dict[str, list[str]] = {}
    for name, file in found.items():
        takers.setdefault(file, []).append(name)
    for file, several in takers.items():
        if len(several) > 1 or file in owned:
            for name in several:
                ambiguous[name] = [found.pop(name)]
    return NearNames(found=found, ambiguous=ambiguous)


def files_under(folder: Path) -> list[str]:
    """All files in a folder and its subfolders, relative to it, with / between folders.

    Links to folders elsewhere are followed once, but not those to a folder above.
    """
    names = []
    root = folder.resolve()
    seen = {root, *root.parents}
    for path, folders, files in os.walk(folder, followlinks=True):
        kept = []
        for name in sorted(folders):
            if (place := Path(path, name)).is_symlink():
                target = place.resolve()
                if target in seen or root in target.parents:
                    continue
                seen.add(target)
            kept.append(name)
        folders[:] = kept
        inside = Path(path).relative_to(folder).as_posix()
        names += [name if inside == "." else f"{inside}/{name}" for name in sorted(files)]
    return [name for name in names if name.isprintable() or _is_text(name)]


def _is_text(name: str) -> bool:
    """Whether a name can be written to a file as UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def same_stem(name: str) -> str:
    """A key that is equal for names that almost match."""
    return "/".join(_folded(name))


def _as_written(name: str) -> Parts:
    text = unicodedata.normalize("NFC", name.replace("\\", "/"))
    return tuple(part for part in text.split("/") if part not in ("", "."))


def _decoded(name: str) -> Parts:
    return _as_written(unquote(name))


def _folded(name: str) -> Parts:
    return tuple(part.casefold() for part in _decoded(name))


def _by_base(files: Iterable[str], same: Callable[[str], Parts]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file in files:
        if parts := same(file):
            found.setdefault(parts[-1], []).append(file)
    return found


def _best(parts: Parts, files: Sequence[tuple[str, Parts]], any_folder: bool) -> list[str]:
    """The files whose path ends as the wanted one does, or the other way round, the longest."""
    lengths = {}
    for file, own in files:
        shared = _shared_end(parts, own)
        if shared == min(len(parts), len(own)) or any_folder:
            lengths[file] = shared
    longest = max(lengths.values(), default=0)
    return [file for file, shared in lengths.items() if shared == longest]


def _shared_end(one: Parts, other: Parts) -> int:
    shared = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        shared += 1
    return shared
