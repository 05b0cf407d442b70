"""Pairs images and semantic maps: by equal stems, or by a rule that matches all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from instseg.core.errors import ArgumentError, InputError
from instseg.core.wording import count
from instseg.files.listing import IMAGE_SUFFIXES
from instseg.files.near_names import same_stem

MASK_SUFFIXES = (".png", ".npy", ".gif", ".tif", ".tiff", ".bmp")

_WORDS = ("mask", "label", "labels", "seg", "segmentation", "gt", "groundtruth", "annotation")
_TEMPLATES = (
    *(f"{{}}{mark}{word}" for word in _WORDS for mark in ("_", "-", "_1_", ".")),
    *(f"{word}{mark}{{}}" for word in _WORDS for mark in ("_", "-")),
)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """An image and its semantic map.

    Attributes:
        name: Name of the image.
        image: Its file; None if only the semantic map exists.
        mask: The file of the semantic map; None if it is missing.
        row: Index of both in arrays of many; None for single files.
    """

    name: str
    image: Path | None
    mask: Path | None
    row: int | None = None


def pair_folders(
    images: Path, masks: Path, mask_name: str | None = None
) -> tuple[tuple[Pair, ...], str]:
    """List the pairs of two folders.

    Args:
        images: Folder of images.
        masks: Folder of semantic maps.
        mask_name: Pattern of the names of masks, such as "segm_{}.npy", where {} is the stem of the
            image or the part of it after the last underscore. None for equal stems or, if not all
            are equal, a rule that pairs each image with one semantic map: stems that differ in case
            or accents, a word such as _mask, or the part after the last underscore.

    Returns:
        The pairs, in the order of their names, and a description of the rule; "" for equal stems.

    Raises:
        InputError: A folder is missing or empty, two files have one stem, or `mask_name` does not
            pair them.
    """
    image_of = _by_stem(images, (*IMAGE_SUFFIXES, ".npy"))
    mask_of = _by_stem(masks, MASK_SUFFIXES)
    if mask_name is not None:
        found = _by_template(image_of, mask_of, mask_name)
        if found is None:
            raise InputError(
                f"{masks}: masks called {mask_name} do not pair {count(len(image_of), 'image')} "
                f"and {count(len(mask_of), 'mask')} one to one; {{}} stands for the image's name "
                "without its suffix, or the part after the last underscore"
            )
        return _pairs(image_of, found), f"masks are called {mask_name}"
    if image_of.keys() != mask_of.keys() and len(image_of) == len(mask_of):
        for words, keys in _ways(image_of, mask_of):
            if (paired := _one_to_one(image_of, mask_of, *keys)) is not None:
                return _pairs(image_of, paired), words
    _check_pairs(image_of, mask_of, masks)
    return _pairs(image_of, mask_of), ""


def _check_pairs(image_of: dict[str, Path], mask_of: dict[str, Path], masks: Path) -> None:
    """Raise InputError if fewer than half of the images have a mask; others are reported later."""
    both = len(image_of.keys() & mask_of.keys())
    if 2 * both >= len(image_of):
        return
    examples = [
        next(files[stem].name for stem in files if stem not in others)
        for files, others in ((image_of, mask_of), (mask_of, image_of))
        if files.keys() - others.keys()
    ]
    numbers = count(len(image_of), "image"), count(len(mask_of), "mask")
    raise ArgumentError(
        f"{masks}: {count(both, 'pair')} of one name among {' and '.join(numbers)}; "
        f"{' and '.join(examples)} have no counterpart; say how masks are called with {{mask_name}}"
        ", such as {}_mask.png"
    )


def _pairs(image_of: dict[str, Path], mask_of: dict[str, Path]) -> tuple[Pair, ...]:
    names = sorted((mask_of | image_of).items())
    return tuple(
        Pair(name=path.name, image=image_of.get(stem), mask=mask_of.get(stem))
        for stem, path in names
    )


Key = Callable[[str], str | None]


def _ways(
    image_of: dict[str, Path], mask_of: dict[str, Path]
) -> Iterator[tuple[str, tuple[Key, Key]]]:
    """Ways to pair files: a description, and what must be equal for an image and a semantic map."""
    yield "stems are compared without regard to case, accents and %20", (same_stem, same_stem)
    for template in _TEMPLATES:
        middle = _middle_of(template)
        yield f"masks are called {template}", (same_stem, middle)
    yield "names are compared by what follows the last underscore", (_last_part, _last_part)


def _middle_of(template: str) -> Key:
    """The part of a stem at {}, to be compared with stems; None if the pattern does not match."""
    front, _, back = template.partition("{}")

    def middle(stem: str) -> str | None:
        text = same_stem(stem)
        fits = text.startswith(front) and text.endswith(back) and len(text) > len(front + back)
        return text[len(front) : len(text) - len(back)] if fits else None

    return middle


def _last_part(stem: str) -> str | None:
    return same_stem(stem).rpartition("_")[2] or None


def _one_to_one(
    image_of: dict[str, Path], mask_of: dict[str, Path], image_key: Key, mask_key: Key
) -> dict[str, Path] | None:
    """The semantic map of each image's stem, if every file has exactly one counterpart."""
    stem_of = {image_key(stem): stem for stem in image_of}
    found = {mask_key(stem): path for stem, path in mask_of.items()}
    whole = len(stem_of) == len(image_of) and len(found) == len(mask_of)
    if not whole or None in found or stem_of.keys() != found.keys():
        return None
    return {stem: found[key] for key, stem in stem_of.items()}


def _by_template(
    image_of: dict[str, Path], mask_of: dict[str, Path], mask_name: str
) -> dict[str, Path] | None:
    """The semantic map of each image's stem, by the pattern of their names."""
    if mask_name.count("{}") != 1 or "/" in mask_name:
        raise InputError(f"mask_name {mask_name!r}: write {{}} once, such as segm_{{}}.npy")
    front, _, back = mask_name.partition("{}")
    found = {}
    for path in mask_of.values():
        name = path.name
        if name.startswith(front) and name.endswith(back) and len(name) > len(front + back):
            found[name[len(front) : len(name) - len(back)]] = path
    paired = {}
    for stem in image_of:
        mask = found.get(stem) or found.get(stem.rpartition("_")[2])
        if mask is not None:
            paired[stem] = mask
    whole = len(paired) == len(image_of) == len(found) == len(set(paired.values()))
    return paired if whole else None


def _by_stem(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    if folder.is_file():
        raise InputError(f"{folder}: a file; give two folders, or two .npy of many images")
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one of images and one of masks")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in suffixes and not path.name.startswith("."):
            if path.stem in found:
                raise InputError(f"{path}: has the stem of {found[path.stem].name}; remove one")
            found[path.stem] = path
    if not found:
        raise InputError(
            f"{folder}: no files of {', '.join(suffixes)}; give another folder"
            + ("" if ".jpg" in suffixes else ", and no masks as JPEG, which changes values")
        )
    return found
