"""COCO's JSON files: datasets and results, read fast and checked against their form."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from instseg.core.errors import InputError
from instseg.system.memory import no_garbage_collection
from instseg.system.regular import require_regular_file

Json = dict[str, Any]
Form = TypeVar("Form")

Id = Annotated[int, Meta(gt=-(2**53), lt=2**53)]  # which every program can hold, also as a float
Side = Annotated[int, Meta(gt=0, lt=2**31)]
Coordinate = Annotated[float, Meta(gt=-1e9, lt=1e9)]

_NULL = msgspec.Raw(b"null")


class ImageName(msgspec.Struct, gc=False, kw_only=True):
    """What a photo is called; `file_name` may hold folders."""

    id: Id
    file_name: str = ""


class Image(ImageName, gc=False, kw_only=True):
    """A photo of a dataset."""

    height: Side
    width: Side


class Category(msgspec.Struct, gc=False, kw_only=True):
    """A class of a dataset."""

    id: Id
    name: str


class Annotation(msgspec.Struct, gc=False, kw_only=True):
    """An object of an image.

    Its outline stays the bytes of the file until it is asked for: a large dataset is read many
    times faster so, in a third of the memory.
    """

    id: int = 0
    image_id: Id
    category_id: Id
    segmentation: msgspec.Raw = _NULL
    bbox: Annotated[list[Coordinate], Meta(min_length=4, max_length=4)] | None = None
    area: Annotated[float, Meta(ge=0, lt=1e10)] | None = None
    iscrowd: Annotated[int, Meta(ge=0, le=1)] | bool | None = 0

    def outline(self) -> Any:
        """Polygons (a list of flat [x0, y0, ...]), or RLE (a dict), or None."""
        return msgspec.json.decode(self.segmentation)


class Dataset(msgspec.Struct, gc=False, kw_only=True):
    """A COCO dataset."""

    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]


class Found(msgspec.Struct, gc=False, kw_only=True):
    """What a program has found: a list of results, and what its ids mean if the file says so.

    Attributes:
        results: image_id, category_id, score, and bbox or segmentation or both.
        images: Of a document as `infer` writes it; else None.
        categories: Likewise.
    """

    results: list[Json]
    images: list[ImageName] | None = None
    categories: list[Category] | None = None


class _Images(msgspec.Struct):
    images: list[ImageName]


class _Document(msgspec.Struct):
    images: list[ImageName]
    annotations: list[Json]
    categories: list[Category]


def read_dataset(path: Path) -> Dataset:
    """Read a COCO dataset.

    Raises:
        InputError: The file is missing, no JSON, or not of COCO's form; says where.
    """
    return _decode(_read(path), path, Dataset)


def read_image_ids(path: Path) -> dict[str, int]:
    """Read the id of each `file_name` of a COCO dataset, which need not have annotations.

    Raises:
        InputError: As `read_dataset`.
    """
    return {image.file_name: image.id for image in _decode(_read(path), path, _Images).images}


def read_results(path: Path) -> Found:
    """Read results: the bare list of the COCO API, or the document that `infer` writes.

    Raises:
        InputError: As `read_dataset`.
    """
    content = _read(path)
    if content.lstrip()[:1] == b"[":
        return Found(results=_decode(content, path, list[Json]))
    document = _decode(content, path, _Document)
    return Found(
        results=document.annotations, images=document.images, categories=document.categories
    )


def _read(path: Path) -> bytes:
    """The content as UTF-8, also of a file that begins with a byte order mark."""
    require_regular_file(path)
    try:
        content = path.read_bytes()
        encoding = json.detect_encoding(content)
        return content if encoding == "utf-8" else content.decode(encoding).encode()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeError as error:
        raise InputError(f"{path}: not JSON text ({error}); export it again") from error


def _decode(content: bytes, path: Path, form: type[Form]) -> Form:
    try:
        with no_garbage_collection():
            return msgspec.json.decode(content, type=form, strict=False)
    except msgspec.ValidationError as error:
        mend = "`instseg doctor` lists all that is wrong"
        if form not in (Dataset, _Images):
            mend = "results are a list, or a document with images, annotations and categories"
        raise InputError(f"{path}: not of COCO's form: {error}; {mend}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        place = _place(content) or error
        raise InputError(f"{path}: not valid JSON: {place}; export it again") from error


def _place(content: bytes) -> str | None:
    """What is wrong, and in which line and column, which msgspec does not tell."""
    try:
        json.loads(content, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError) as error:
        return str(error)
    return None


def _refuse(constant: str) -> None:
    raise ValueError(f"it holds {constant}, which is no JSON number")


def leads_out(file_name: str) -> bool:
    """Whether a file name of a dataset leads out of the folder of photos, on any system."""
    if ".." not in file_name and ":" not in file_name and file_name[:1] not in ("/", "\\"):
        return False  # as nearly all do, and pathlib is slow
    path = PureWindowsPath(file_name)  # knows both kinds of slashes, and drives
    return bool(path.anchor) or Path(os.path.normpath(path.as_posix())).parts[:1] == ("..",)


def match_image_ids(ids: Mapping[str, int], file_names: Iterable[str]) -> dict[str, int]:
    """Find the ids of files whose folders may be written otherwise than in the dataset.

    Args:
        ids: The id of each `file_name` of the dataset.
        file_names: Names of files.

    Returns:
        The id of each that has the same name there, or else the same name after the last slash,
        if only one file on either side has that.
    """
    wanted = list(file_names)
    bases = Counter(PurePosixPath(name).name for name in wanted)
    known_bases = Counter(PurePosixPath(name).name for name in ids)
    by_base = {PurePosixPath(name).name: number for name, number in ids.items()}
    found = {}
    for name in wanted:
        base = PurePosixPath(name).name
        if name in ids:
            found[name] = ids[name]
        elif bases[base] == 1 == known_bases[base]:
            found[name] = by_base[base]
    return found
