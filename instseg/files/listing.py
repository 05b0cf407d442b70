"""Which files a user means: folders, globs and lists become the paths of images."""

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from instseg.core.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")


def list_images(inputs: Sequence[str | Path], *, recursive: bool = False) -> list[Path]:
    """List the images that files, folders, globs and lists stand for, in order, each once.

    A folder or glob stands for its files with an image suffix, sorted; hidden files are left out.
    ``@list.txt`` stands for the lines of that file, each a file, folder or glob relative to the
    list's own folder; blank lines and those that begin with # are skipped. A file that does not
    exist stays in the list, so that reading it reports it.

    Args:
        inputs: Files, folders, globs and lists.
        recursive: Look into the folders of folders as well.

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
            found.update(dict.fromkeys(_expand(entry, recursive)))
    return list(found)


def _read_list(path: Path) -> list[Path]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: the list cannot be read ({error}); give a text file with a path a line"
        ) from error
    entries = [path.parent / line for line in lines if line and not line.startswith("#")]
    if not entries:
        raise InputError(f"{path}: the list is empty; write a path on each line")
    return entries


def _expand(entry: Path, recursive: bool) -> Iterator[Path]:
    if entry.is_dir():
        candidates = sorted(entry.rglob("*") if recursive else entry.iterdir())
        mend = "no images in this folder" + ("" if recursive else "; look into its folders too?")
    elif not entry.exists() and glob.has_magic(str(entry)):
        candidates = sorted(map(Path, glob.glob(str(entry), recursive=True)))  # noqa: PTH207
        mend = "no images match; check the pattern"
    else:
        yield entry
        return
    images = [path for path in candidates if _looks_like_image(path)]
    if not images:
        raise InputError(f"{entry}: {mend}")
    yield from images


def _looks_like_image(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.suffix.lower() in IMAGE_SUFFIXES and not hidden and path.is_file()
