"""The photos of a job: local ones as `infer` lists them, and those of other machines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from instseg.core.errors import InputError
from instseg.core.events import Notice, OnEvent
from instseg.core.wording import count
from instseg.files.listing import IMAGE_SUFFIXES, lines_of_list, list_images
from instseg.files.storage import find_files, has_magic, is_remote
from instseg.predict.photos import OWN_FOLDERS, name_photos


@dataclass(frozen=True)
class ListedPhoto:
    """A photo of a job.

    Attributes:
        name: Its name in the results; unique.
        address: Its absolute path, or its address.
    """

    name: str
    address: str

    @property
    def readable(self) -> str:
        """The address; bytes that are not UTF-8 in hexadecimal."""
        return os.fsencode(self.address).decode("utf-8", "backslashreplace")


def list_photos(
    inputs: Sequence[str | Path], *, recursive: bool, on_event: OnEvent
) -> list[ListedPhoto]:
    """List the photos of files, folders, globs and lists, which may be addresses.

    Names are those of `name_photos`: relative to the folder that contains all photos.

    Raises:
        InputError: A folder, glob or list has no image, or cannot be reached.
    """
    entries = list(_entries(inputs))
    if not any(is_remote(entry) for entry in entries):
        named = name_photos(list_images(inputs, recursive=recursive, on_event=on_event))
        return [ListedPhoto(each.name, os.path.abspath(each.path)) for each in named]  # noqa: PTH100
    found: dict[str, None] = {}
    for entry in entries:
        if is_remote(entry):
            found |= dict.fromkeys(_remote(str(entry), recursive, on_event))
        else:
            local = list_images([entry], recursive=recursive, on_event=on_event)
            found |= dict.fromkeys(os.path.abspath(path) for path in local)  # noqa: PTH100
    return list(_named(list(found)))


def _entries(inputs: Iterable[str | Path]) -> Iterator[str | Path]:
    """The inputs, with the lines of lists in their place."""
    for item in inputs:
        if not str(item).startswith("@"):
            yield item
            continue
        path = Path(str(item)[1:])
        for line in lines_of_list(path):
            yield line if is_remote(line) else path.parent / line


def _remote(address: str, recursive: bool, on_event: OnEvent) -> list[str]:
    """The addresses of the photos of a folder, a glob or a photo."""
    files = find_files(address, recursive=recursive)
    if not files and _suffix(address) in IMAGE_SUFFIXES and not has_magic(address):
        return [address]  # a photo; if there is none, reading it reports it
    seen = [each for each in files if not PurePosixPath(each).name.startswith(".")]
    images = sorted(each for each in seen if _suffix(each) in IMAGE_SUFFIXES)
    if others := len(seen) - len(images):
        left = f"{count(others, 'file')} left out, no images by their names"
        on_event(Notice(text=f"{address}: {left}"))
    if images:
        return images
    if has_magic(address):
        raise InputError(f"{address}: no images match; check the pattern")
    mend = "" if recursive else "; look into its folders too?"
    raise InputError(f"{address}: no images in this folder{mend}")


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _named(addresses: list[str]) -> Iterator[ListedPhoto]:
    """Names relative to the deepest folder that contains all; without lists of parts, for many."""
    places = [each.partition("://")[2] if is_remote(each) else each for each in addresses]
    if len({each.partition("://")[0] for each in addresses if is_remote(each)}) > 1:
        places = [each.replace("://", "/") for each in addresses]
    shared = os.path.commonprefix([min(places), max(places)])  # noqa: RUF071 - is cut at a slash
    common = shared.rpartition("/")[0]
    names = [each[len(common) :].lstrip("/") for each in places]
    if any(name.split("/", 1)[0] in OWN_FOLDERS for name in names):
        root = PurePosixPath(common).name or "root"
        names = [f"{root}/{name}" for name in names]
    return map(ListedPhoto, names, addresses)
