"""COCO JSON files: datasets and results, read fast and validated."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from instseg.core.errors import InputError
from instseg.core.events import OnEvent, Warned, ignore
from instseg.core.json_types import Json
from instseg.core.wording import count
from instseg.files.coco_forms import SizeOf, as_read, whole
from instseg.files.coco_records import NULL, Annotation, Category, Dataset, ImageName, ImageRecord
from instseg.files.near_names import near_names
from instseg.files.storage import is_remote
from instseg.system.memory import no_garbage_collection
from instseg.system.regular import require_regular_file

if TYPE_CHECKING:
    from instseg.files.shards import Shards

Decoded = TypeVar("Decoded")


class _Boxes(msgspec.Struct, gc=False, kw_only=True):
    images: list[ImageName]
    annotations: list[Annotation]
    categories: list[Category]


class ResultsFile(msgspec.Struct, gc=False, kw_only=True):
    """Results of a model: a list of predictions, and the meaning of their ids if the file says so.

    Attributes:
        results: image_id, category_id, score, and bbox or segmentation or both.
        images: Images of a document as `infer` writes it; else None.
        categories: Its categories; else None.
    """

    results: list[Json]
    images: list[ImageName] | None = None
    categories: list[Category] | None = None


class _Images(msgspec.Struct):
    images: list[ImageName]


class _AnyId(msgspec.Struct):
    id: Any = None


class _AnyIds(msgspec.Struct):
    images: list[_AnyId]


class _Document(msgspec.Struct):
    images: list[ImageName]
    annotations: list[Json]
    categories: list[Category]


def read_document(path: Path) -> Any:
    """Read any JSON; values that are not JSON numbers, such as NaN, are read as None.

    Raises:
        InputError: The file cannot be read or is not JSON; with line and column.
    """
    return parse_document(read_content(path), path)


@no_garbage_collection()
def parse_document(content: bytes, path: Path) -> Any:
    """Parse the content of a JSON file, as `read_document` does.

    Args:
        content: What `read_content` has read.
        path: Of the file, for messages.
    """
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass  # the standard reader accepts NaN and large numbers, and gives the position of errors
    try:
        return json.loads(content, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(
            f"{path}: not valid JSON at {where}: {error.msg}; correct it there or export it again"
        ) from error
    except (ValueError, RecursionError) as error:  # no text, endless digits, endless brackets
        raise InputError(f"{path}: not JSON text ({error}); export it again") from error


def read_form(path: Path, form: type[Decoded]) -> Decoded:
    """Read a JSON file as a type; NaN and the like are None, as in `read_document`.

    Raises:
        InputError: The file cannot be read, is not JSON, or is of another form.
    """
    content = read_content(path)
    try:
        return msgspec.json.decode(content, type=form)
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: of another form: {error}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        document = parse_document(content, path)
    try:
        return msgspec.json.decode(msgspec.json.encode(document), type=form)
    except (msgspec.MsgspecError, OverflowError, UnicodeError, RecursionError) as error:
        raise InputError(f"{path}: of another form: {error}") from error


def parse_dataset(content: bytes, path: Path, size_of: SizeOf | None = None) -> Dataset:
    """Parse the content of a COCO dataset, also with the variations of other tools; see `as_read`.

    Args:
        content: What `read_content` has read.
        path: Of the file, for messages.
        size_of: Gives the sizes of photos that the file lacks.

    Raises:
        InputError: It is not JSON, or not in COCO format; says where.
    """
    dataset = _decode_any(content, path, Dataset, size_of)
    if all(image.file_name for image in dataset.images):
        return dataset
    return _decode_any(content, path, Dataset, size_of, as_it_is=False)


def read_boxes(path: Path) -> Dataset:
    """Read only the boxes of a COCO dataset, also if it lacks the sizes of photos.

    Returns:
        The dataset without segmentations; all photos have a height and width of 0.

    Raises:
        InputError: The file cannot be read; otherwise as `parse_dataset`.
    """
    found = _decode_any(read_content(path), path, _Boxes)
    for annotation in found.annotations:
        annotation.segmentation = NULL
    return Dataset(
        images=[
            ImageRecord(id=i.id, file_name=i.file_name, height=0, width=0) for i in found.images
        ],
        annotations=found.annotations,
        categories=found.categories,
    )


def read_image_ids(path: Path, on_event: OnEvent = ignore) -> dict[str, int]:
    """Read the id of each `file_name` of a COCO dataset; annotations may be missing.

    Args:
        path: The file.
        on_event: Called with a warning of ids that are read as other numbers.

    Raises:
        InputError: The file cannot be read; otherwise as `parse_dataset`.
    """
    content = read_content(path)
    images = _decode_any(content, path, _Images).images
    if not all(image.file_name for image in images):
        images = _decode_any(content, path, _Images, as_it_is=False).images
    if others := _renumbered(content, images):
        text = f"{path}: {count(others, 'image id')} are not whole numbers below 2^53, which JSON "
        text += "keeps exactly; they are numbered anew, as evaluate does"
        on_event(Warned(text=text))
    return {image.file_name: image.id for image in images}


def _renumbered(content: bytes, images: Sequence[ImageName]) -> int:
    """How many images have got another id than the file's."""
    try:
        written = msgspec.json.decode(content, type=_AnyIds).images
    except msgspec.MsgspecError:  # with NaN and the like
        return 0
    return sum(whole(old.id) != image.id for old, image in zip(written, images, strict=True))


def read_results(path: Path) -> ResultsFile:
    """Read results: the bare list of the COCO API, or the document or shards that `infer` writes.

    Raises:
        InputError: The file cannot be read; otherwise as `parse_dataset`.
    """
    if path.is_dir() or is_remote(path):
        from instseg.files.shards import Shards  # loads numpy

        return _of_shards(Shards(path))
    content = read_content(path)
    if content.lstrip()[:1] == b"[":
        return ResultsFile(results=_decode(content, path, list[Json]))
    document = _decode(content, path, _Document)
    return ResultsFile(
        results=document.annotations, images=document.images, categories=document.categories
    )


def _of_shards(shards: Shards) -> ResultsFile:
    records = list(shards.records())
    return ResultsFile(
        results=[each for record in records for each in record["annotations"]],
        images=[
            ImageName(id=each["image"]["id"], file_name=each["image"]["file_name"])
            for each in records
        ],
        categories=[Category(id=each["id"], name=each["name"]) for each in shards.categories],
    )


def read_content(path: Path) -> bytes:
    """A JSON file as UTF-8, also one that begins with a byte order mark.

    Raises:
        InputError: It cannot be read, or is not text.
    """
    require_regular_file(path)
    try:
        content = path.read_bytes()
        encoding = json.detect_encoding(content)
        return content if encoding == "utf-8" else content.decode(encoding).encode()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeError as error:
        raise InputError(f"{path}: not JSON text ({error}); export it again") from error


def _decode_any(
    content: bytes,
    path: Path,
    form: type[Decoded],
    size_of: SizeOf | None = None,
    *,
    as_it_is: bool = True,
) -> Decoded:
    """Decode a dataset, if necessary by its variations from the COCO format.

    Args:
        content: Content of the file.
        path: Path for errors.
        form: Type to decode.
        size_of: See `parse_dataset`.
        as_it_is: First try to decode it unchanged, which is many times faster.
    """
    try:
        if as_it_is:
            return _decode(content, path, form)
        problem = None
    except InputError as error:
        if not isinstance(error.__cause__, msgspec.ValidationError):
            raise
        problem = error
    try:
        with no_garbage_collection():
            read, forms = as_read(msgspec.json.decode(content), size_of)
            if forms or problem is None:
                return msgspec.json.decode(msgspec.json.encode(read), type=form, strict=False)
    except (msgspec.MsgspecError, OverflowError, ValueError, RecursionError):
        pass  # the error of the unchanged file is more helpful
    return _decode(content, path, form)


def _decode(content: bytes, path: Path, form: type[Decoded]) -> Decoded:
    try:
        with no_garbage_collection():
            return msgspec.json.decode(content, type=form, strict=False)
    except msgspec.ValidationError as error:
        mend = "`instseg doctor` lists all that is wrong"
        if form not in (Dataset, _Boxes, _Images):
            mend = "results are a list, or a document with images, annotations and categories"
        raise InputError(f"{path}: not of COCO's form: {error}; {mend}") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        place = _place(content) or error
        raise InputError(f"{path}: not valid JSON: {place}; export it again") from error


def _place(content: bytes) -> str | None:
    """The error with line and column, which msgspec does not give."""
    try:
        json.loads(content, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    except (ValueError, RecursionError) as error:
        return str(error)
    return None


def _refuse(constant: str) -> None:
    raise ValueError(f"it contains {constant}, which is not a JSON number")


def leads_out(file_name: str) -> bool:
    """Whether a file name of a dataset leads outside the folder of photos, on any system."""
    if ".." not in file_name and ":" not in file_name and file_name[:1] not in ("/", "\\"):
        return False  # as nearly all do, and pathlib is slow
    path = PureWindowsPath(file_name)  # knows both kinds of slashes, and drives
    return bool(path.anchor) or Path(os.path.normpath(path.as_posix())).parts[:1] == ("..",)


def match_image_ids(ids: Mapping[str, int], file_names: Iterable[str]) -> dict[str, int]:
    """Find the ids of files whose folders may differ from those in the dataset.

    Args:
        ids: The id of each `file_name` of the dataset.
        file_names: Names of the files.

    Returns:
        Ids by file name. A name matches if it is equal, else nearly equal (see `near_names`), else
        equal after the last slash; near matches must be unique on both sides.
    """
    wanted = list(file_names)
    near = near_names(wanted, ids, any_folder=True).found
    meant = {name: name if name in ids else near.get(name) for name in wanted}
    return {name: ids[file] for name, file in meant.items() if file is not None}
