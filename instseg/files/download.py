"""Downloads that resume after an interruption and are verified before they get their name."""

import fcntl
import hashlib
import http.client
import logging
import os
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from instseg.core.errors import InputError
from instseg.system.atomic import naming_file

OnBytes = Callable[[int, int], None]
"""Called with the bytes done and the total bytes (0 if the server does not say)."""

MAX_BYTES = 4 * 2**30  # many times the largest weights

_TRIES = 3
_CHUNK = 1 << 20
_LEAST_BYTES = 1 << 14  # within the time-out; less is a stall

_log = logging.getLogger(__name__)


class UnreachableError(InputError):
    """The server cannot be reached, refuses, or breaks off."""


class _CutOffError(Exception):
    """The connection ended, or stalled, before the file was complete."""


def fetch(
    url: str,
    target: Path,
    *,
    sha256_prefix: str,
    progress: OnBytes | None = None,
    timeout_s: float = 30.0,
    max_bytes: int = MAX_BYTES,
) -> str:
    """Download a file to ``target``, which appears complete and verified or not at all.

    An interrupted or stalled transfer is retried, with three attempts in all. It continues where it
    stopped, also in a later run: until then the data is kept beside ``target`` in a `.part` file.
    Several processes may fetch the same file at once.

    Args:
        url: http, https or file address.
        target: Where the file goes; folders are made as needed.
        sha256_prefix: Beginning of the file's SHA-256 in hexadecimal, or all of it.
        progress: Called with the bytes done and in all.
        timeout_s: Give up when the server sends next to nothing for this long.
        max_bytes: Refuse a larger file.

    Returns:
        The SHA-256 of the file, which is also logged.

    Raises:
        InputError: No network, no such file, cut off, too large, wrong hash, or no place to write.
    """
    with _part_of(target) as part, naming_file(target):
        had_bytes = part.stat().st_size
        digest = sha256_of(part)
        if not had_bytes or not digest.startswith(sha256_prefix):
            digest = _try_to_transfer(url, part, progress, timeout_s, max_bytes)
        if had_bytes and not digest.startswith(
            sha256_prefix
        ):  # the partial download was of another file
            os.truncate(part, 0)
            digest = _try_to_transfer(url, part, progress, timeout_s, max_bytes)
        if not digest.startswith(sha256_prefix):
            part.unlink()
            raise InputError(
                f"{url}: not the expected file (SHA-256 {digest}, expected {sha256_prefix}...); "
                "check the address"
            )
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(target)
    _log.info("%s: SHA-256 %s", target, digest)
    return digest


@contextmanager
def _part_of(target: Path) -> Iterator[Path]:
    """The partial file for a download of `target`: an existing one if no process writes to it."""
    part = target.with_name(f".{target.name}.part")
    with naming_file(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(part, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_mine = part.exists() and os.path.samestat(os.fstat(handle), part.stat())
        except OSError:
            is_mine = False
        if not is_mine:  # another process writes to it
            part = target.with_name(f".instseg-{os.getpid()}-{secrets.token_hex(8)}.tmp")
            part.touch()
        try:
            yield part
        finally:
            with suppress(OSError):
                if not is_mine or not part.stat().st_size:
                    part.unlink()
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _try_to_transfer(
    url: str, part: Path, progress: OnBytes | None, timeout_s: float, max_bytes: int
) -> str:
    reason = ""
    for _ in range(_TRIES):
        try:
            _transfer(url, part, progress, timeout_s, max_bytes)
            return sha256_of(part)
        except _CutOffError as error:
            reason = str(error)
    raise UnreachableError(f"{url}: cut off {_TRIES} times ({reason}); try again later")


def _transfer(
    url: str, part: Path, progress: OnBytes | None, timeout_s: float, max_bytes: int
) -> None:
    """Download the missing rest of `url` to `part`."""
    done = part.stat().st_size
    with _open(url, done, timeout_s) as response, part.open("rb+") as file:
        if done and response.status != http.client.PARTIAL_CONTENT:  # it sends all of it
            done = 0
        file.truncate(done)
        file.seek(done)
        rest = response.headers.get("Content-Length", "")
        total = done + int(rest) if rest.isdecimal() else 0
        stall = _Stall(timeout_s)
        while total <= max_bytes and done <= max_bytes:
            chunk = _read(response)
            if not chunk:
                break
            file.write(chunk)
            done += len(chunk)
            stall.check(len(chunk))
            if progress:
                progress(done, total)
    if max(done, total) > max_bytes:
        os.truncate(part, 0)
        raise InputError(f"{url}: is larger than {max_bytes:,} bytes; check the address")
    if total and done != total:
        raise _CutOffError(f"received {done} of {total} bytes")


class _Stall:
    """Detects a server that sends almost nothing."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s, self.begin_s, self.came = timeout_s, time.monotonic(), 0

    def check(self, count: int) -> None:
        """Raise _CutOffError if too little was received within the time-out."""
        self.came += count
        if time.monotonic() - self.begin_s > self.timeout_s:
            if self.came < _LEAST_BYTES:
                raise _CutOffError(f"{self.came} bytes in {self.timeout_s:g} s")
            self.begin_s, self.came = time.monotonic(), 0


def _open(url: str, done: int, timeout_s: float) -> http.client.HTTPResponse:
    """Request the data after the first `done` bytes; the server may send the whole file instead."""
    try:
        request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        if done and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _open(url, 0, timeout_s)  # nothing is left to send: start again
        raise UnreachableError(
            f"{url}: the server answered {error.code} {error.reason}; check the address"
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UnreachableError(f"{url}: cannot be reached ({reason}); check the network") from error
    return response


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(_CHUNK)  # the available data: `read` would wait for a whole chunk
    except (OSError, http.client.HTTPException) as error:
        raise _CutOffError(str(error) or type(error).__name__) from error
