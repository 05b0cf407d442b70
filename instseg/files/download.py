"""Downloads that are checked before they get their name."""

import hashlib
import http.client
import logging
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from instseg.core.errors import InputError
from instseg.system.atomic import replacing

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all (0 if the server does not tell)."""

_TRIES = 3
_CHUNK = 1 << 20

_log = logging.getLogger(__name__)


class _CutOffError(Exception):
    """The connection ended before the file did."""


def fetch(
    url: str,
    target: Path,
    *,
    sha256_prefix: str,
    progress: Progress | None = None,
    timeout_s: float = 30.0,
) -> str:
    """Download a file to ``target``, which appears whole and checked or not at all.

    A transfer that is cut off is tried again, three times in all. Several processes may fetch the
    same file at once.

    Args:
        url: http, https or file address.
        target: Where the file goes; folders are made as needed.
        sha256_prefix: How the file's SHA-256 must begin, in hexadecimal.
        progress: Told how far the download is.
        timeout_s: Give up when the server is silent for this long.

    Returns:
        The file's whole SHA-256, which is logged as well.

    Raises:
        InputError: No network, no such file, cut off, wrong hash, or no place to write.
    """
    with replacing(target, durable=True) as temporary:
        digest = _try_to_transfer(url, temporary, progress, timeout_s)
        if not digest.startswith(sha256_prefix):
            raise InputError(
                f"{url}: not the expected file (SHA-256 {digest}, expected {sha256_prefix}...); "
                "check the address"
            )
    _log.info("%s: SHA-256 %s", target, digest)
    return digest


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _try_to_transfer(url: str, temporary: Path, progress: Progress | None, timeout_s: float) -> str:
    reason = ""
    for _ in range(_TRIES):
        try:
            return _transfer(url, temporary, progress, timeout_s)
        except _CutOffError as error:
            reason = str(error)
    raise InputError(f"{url}: cut off {_TRIES} times ({reason}); try again later")


def _transfer(url: str, temporary: Path, progress: Progress | None, timeout_s: float) -> str:
    """Write what ``url`` sends to ``temporary`` and return its SHA-256."""
    digest = hashlib.sha256()
    done = 0
    with _open(url, timeout_s) as response, temporary.open("wb") as file:
        total = int(response.headers.get("Content-Length", 0))
        while chunk := _read(response):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if progress:
                progress(done, total)
    if total and done != total:
        raise _CutOffError(f"{done} of {total} bytes came")
    return digest.hexdigest()


def _open(url: str, timeout_s: float) -> http.client.HTTPResponse:
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(url, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        raise InputError(
            f"{url}: the server answered {error.code} {error.reason}; check the address"
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"{url}: cannot be reached ({reason}); check the network") from error
    return response


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _CutOffError(str(error) or type(error).__name__) from error
