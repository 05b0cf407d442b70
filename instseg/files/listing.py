"""Expands folders, globs and lists to the paths of images."""

import glob
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from instseg.core.errors import InputError
from instseg.core.events import Notice, OnEvent, Warned, ignore
from instseg.core.wording import count
from instseg.files.image_kinds import HEAD_BYTES, NEEDS, can_read, kind_of_image
from instseg.files.video_source import VIDEO_SUFFIXES
from instseg.system.regular import require_regular_file

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif"),
    *(".heic", ".heif", ".avif"),
)


def list_images(
    inputs: Sequence[str | Path], *, recursive: bool = False, on_event: OnEvent = ignore
) -> list[Path]:
    """List the images of files, folders, globs and lists, in order, each once.

    A folder or glob gives its files with an image suffix, and those without any suffix whose
    content is an image, sorted; hidden files are left out.
    ``@list.txt`` gives the lines of that file, each a file, folder or glob relative to the
    list's own folder; blank lines and those that begin with # are skipped. A file that does not
    exist stays in the list, so that reading it reports it.

    Args:
        inputs: Files, folders, globs and lists.
        recursive: Search subfolders too.
        on_event: Called with the number of files of a folder or glob that are left out because they
            are videos, no images, or not readable here.

    Returns:
        The files.

    Raises:
        InputError: A folder, glob or list has no image.
    """
    found: dict[Path, None] = {}
    for item in inputs:
        is_list = str(item).startswith("@")
        entries = _read_list(Path(str(item)[1:])) if is_list else [Path(item)]
        for entry in entries:
            found.update(dict.fromkeys(_expand(entry, recursive, on_event)))
    return list(found)


def _read_list(path: Path) -> list[Path]:
    return [path.parent / line for line in lines_of_list(path)]


def lines_of_list(path: Path) -> list[str]:
    """The lines of a list of photos that are neither blank nor begin with #.

    Raises:
        InputError: It cannot be read, or has none.
    """
    require_regular_file(path)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: the list cannot be read ({error}); give a text file with one path per line"
        ) from error
    entries = [line for line in lines if line and not line.startswith("#")]
    if not entries:
        raise InputError(f"{path}: the list is empty; write a path on each line")
    return entries


def _expand(entry: Path, recursive: bool, on_event: OnEvent) -> list[Path]:
    if entry.is_dir():
        candidates = sorted(entry.rglob("*") if recursive else entry.iterdir())
        mend = "no images in this folder"
        if not recursive and any(path.is_dir() for path in candidates):
            mend += "; look into its folders too?"
    elif not entry.exists() and glob.has_magic(str(entry)):
        candidates = sorted(map(Path, glob.glob(str(entry), recursive=True)))  # noqa: PTH207
        mend = "no images match; check the pattern"
    else:
        return [entry]
    files = [path for path in candidates if not path.name.startswith(".") and _is_listed(path)]
    images = [path for path in files if _looks_like_image(path)]
    unreadable = Counter(kind for path in images if (kind := _unreadable_kind(path)))
    for kind, number in unreadable.items():
        on_event(Warned(text=f"{entry}: {_are(number, 'file')} left out: {NEEDS[kind]}"))
    readable = [path for path in images if not unreadable or not _unreadable_kind(path)]
    videos = sum(path.suffix.lower() in VIDEO_SUFFIXES for path in files)
    if videos and not images:
        raise InputError(f"{entry}: {count(videos, 'video')}, no images; name each video itself")
    if videos:
        on_event(Notice(text=f"{entry}: {_are(videos, 'video')} left out; name each video itself"))
    if others := len(files) - len(images) - videos:
        on_event(Notice(text=f"{entry}: {_are(others, 'file')} left out, no images by their names"))
    if not readable:
        raise InputError(f"{entry}: {mend}")
    return readable


def _are(number: int, what: str) -> str:
    return f"{count(number, what)} {'is' if number == 1 else 'are'}"


def _is_listed(path: Path) -> bool:
    """Whether it is a file, or a link to nothing, which fails with its name where it is read."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _looks_like_image(path: Path) -> bool:
    if path.suffix:
        return path.suffix.lower() in IMAGE_SUFFIXES
    try:
        with path.open("rb") as file:
            return kind_of_image(file.read(HEAD_BYTES)) is not None
    except OSError:
        return False


def _unreadable_kind(path: Path) -> str | None:
    """HEIC or AVIF, by suffix, if the library that reads it is not installed."""
    kind = {".heic": "HEIC", ".heif": "HEIC", ".avif": "AVIF"}.get(path.suffix.lower())
    return kind if kind and not can_read(kind) else None
