"""Files of other machines by their address: S3, Google Cloud Storage, Azure and what fsspec knows.

Credentials, regions and servers come from the environment, as each of these services has it.
"""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from instseg.core.errors import InputError
from instseg.system.atomic import replacing

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/{1,2}(?=[^/])")  # a `Path` keeps one slash only
_OF_PYARROW = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs")
ATTEMPTS = 3  # at what the network may have lost


def as_address(path: str | Path) -> str:
    """A path or address as text: `s3://bucket/photos` also if it was a `Path` meanwhile."""
    return _ADDRESS.sub(r"\1://", str(path), count=1) if is_remote(path) else str(path)


def is_remote(path: str | Path) -> bool:
    """Whether it is an address, such as `s3://bucket/photos`, rather than a path."""
    return _ADDRESS.match(str(path)) is not None


def open_store(address: str) -> tuple[Any, str]:
    """The file system of pyarrow that an address belongs to, and the path in it.

    Raises:
        InputError: pyarrow, or what fsspec needs for this kind of address, is not installed; or
            the service does not answer.
    """
    require_pyarrow(address)
    scheme, _, rest = as_address(address).partition("://")
    bucket, _, inner = rest.partition("/")
    try:
        filesystem, base = _filesystem(scheme, bucket)
    except ImportError as error:
        raise InputError(f"{address}: {error}") from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{address}: cannot be reached ({_in_words(error)}); check the address, and the "
            "credentials in the environment"
        ) from error
    return filesystem, f"{base}/{inner}".rstrip("/")


def require_pyarrow(name: str | Path) -> None:
    """Raise InputError, which says how to install it, if pyarrow is missing."""
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise InputError(f"{name}: needs pyarrow: pip install 'instseg[scale]'") from error


@lru_cache(maxsize=64)
def _filesystem(scheme: str, bucket: str) -> tuple[Any, str]:
    from pyarrow import fs

    server = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if scheme == "s3" and server:  # else Amazon is asked for the region of the bucket
        parts = urlsplit(server)
        return fs.S3FileSystem(endpoint_override=parts.netloc, scheme=parts.scheme), bucket
    if scheme in _OF_PYARROW:
        found: tuple[Any, str] = fs.FileSystem.from_uri(f"{scheme}://{quote(bucket, safe='@:')}")
        return found
    import fsspec

    return fs.PyFileSystem(fs.FSSpecHandler(fsspec.filesystem(scheme))), bucket


def read_bytes(address: str) -> bytes:
    """The content of a file by its path or address; tries again if the network fails.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    if not is_remote(address):
        try:
            return Path(address).read_bytes()
        except OSError as error:
            raise InputError(
                f"{address}: cannot be read ({error.strerror}); check the path"
            ) from error
    filesystem, path = open_store(address)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with filesystem.open_input_file(path) as file:
                content: bytes = file.read()
            return content
        except FileNotFoundError:
            raise InputError(f"{address}: no such file; check the name") from None
        except OSError as error:
            if attempt == ATTEMPTS:
                raise InputError(
                    f"{address}: cannot be read ({_in_words(error)}); check the address, and the "
                    "credentials in the environment"
                ) from error
            time.sleep(attempt)
    raise AssertionError("the last attempt returns or raises")


def write_bytes(address: str, content: bytes) -> None:
    """Write a file by its path or address; it appears complete or not at all.

    Raises:
        InputError: It cannot be written.
    """
    if not is_remote(address):
        with replacing(Path(address)) as temporary:
            temporary.write_bytes(content)
        return
    filesystem, path = open_store(address)
    try:
        with filesystem.open_output_stream(path) as file:
            file.write(content)
    except OSError as error:
        raise InputError(
            f"{address}: cannot be written ({_in_words(error)}); check the address, and the "
            "credentials in the environment"
        ) from error


def names_in(folder: str) -> list[str]:
    """The names of the files of a folder, sorted; none if there is no such folder."""
    if not is_remote(folder):
        path = Path(folder)
        return sorted(each.name for each in path.iterdir()) if path.is_dir() else []
    from pyarrow import fs

    filesystem, path_there = open_store(folder)
    selector = fs.FileSelector(path_there, allow_not_found=True)
    try:
        found = filesystem.get_file_info(selector)
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({_in_words(error)})") from error
    return sorted(each.base_name for each in found if each.type == fs.FileType.File)


def has_magic(address: str) -> bool:
    """Whether it is a glob."""
    return any(sign in address for sign in "*?[")


def find_files(address: str, *, recursive: bool) -> list[str]:
    """The addresses of the files of a remote folder or glob; none if there is no such folder.

    Raises:
        InputError: The service does not answer, or refuses.
    """
    filesystem, path = open_store(address)
    from pyarrow import fs

    try:
        if has_magic(path):
            found = [str(each) for each in _of_fsspec(filesystem).glob(path)]
        else:
            selector = fs.FileSelector(path, recursive=recursive, allow_not_found=True)
            is_folder = filesystem.get_file_info(path).type == fs.FileType.Directory
            infos = filesystem.get_file_info(selector) if is_folder else []
            found = [each.path for each in infos if each.type == fs.FileType.File]
    except (OSError, ValueError) as error:  # also of a pattern
        raise InputError(
            f"{address}: cannot be listed ({_in_words(error)}); check the address, and the "
            "credentials in the environment"
        ) from error
    scheme, _, rest = as_address(address).partition("://")
    bucket = rest.partition("/")[0]
    base = _filesystem(scheme, bucket)[1].strip("/")
    inner = (each.lstrip("/").removeprefix(base).lstrip("/") for each in found)
    return [f"{scheme}://{bucket}/{each}" for each in inner]


def _of_fsspec(filesystem: Any) -> Any:
    from fsspec.implementations.arrow import ArrowFSWrapper
    from pyarrow import fs

    if isinstance(filesystem, fs.PyFileSystem):
        return filesystem.handler.fs
    return ArrowFSWrapper(filesystem)


def _in_words(error: Exception) -> str:
    return " ".join(str(error).split())
