"""The photo of a request, received within limits of bytes and time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import PurePosixPath

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from instseg.core.wording import printable
from instseg.serving.messages import RefusedError
from instseg.system.memory import size_in_words

LONGEST_NAME = 100  # characters
NOT_ONE = "send one photo: as the body, or as the only part of a form, with a file name"
DISCARD_S = 2.0  # for the rest of a request that was refused


class _FormParser(MultiPartParser):
    spool_max_size = 2**40  # in memory, whose size is limited already


async def received(request: Request, most_bytes: int, timeout_s: float) -> tuple[bytes, str]:
    """The photo, and how errors name it.

    Raises:
        RefusedError: It is too large, too slow, or not one photo.
    """
    too_large = RefusedError(
        413, f"the request is larger than the limit of {size_in_words(most_bytes)}"
    )
    if int(request.headers.get("content-length", 0)) > most_bytes:
        raise too_large
    try:
        async with asyncio.timeout(timeout_s):
            return await _photo(request, _limited(request, most_bytes, too_large))
    except TimeoutError:
        raise RefusedError(408, f"the photo has not arrived within {timeout_s:g} s") from None


async def discard(request: Request, most_bytes: int) -> None:
    """Read on for a moment, as clients that still send would not see the answer.

    A client that waits to be told to send is answered without.
    """
    if "100-continue" in request.headers.get("expect", "").lower():
        return
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(DISCARD_S):
            read_bytes = 0
            async for chunk in request.stream():
                read_bytes += len(chunk)
                if read_bytes > 2 * most_bytes:
                    return


async def _limited(
    request: Request, most_bytes: int, too_large: RefusedError
) -> AsyncGenerator[bytes, None]:
    left = most_bytes
    async for chunk in request.stream():
        left -= len(chunk)
        if left < 0:
            raise too_large
        yield chunk


async def _photo(request: Request, chunks: AsyncGenerator[bytes, None]) -> tuple[bytes, str]:
    if not request.headers.get("content-type", "").lower().startswith("multipart/"):
        content = bytearray()
        async for chunk in chunks:
            content += chunk
        return bytes(content), "photo"
    parser = _FormParser(request.headers, chunks, max_files=1, max_fields=0)
    try:
        form = await parser.parse()
    except MultiPartException:
        raise RefusedError(422, NOT_ONE) from None
    try:
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                return await part.read(), _shown(part.filename)
    finally:
        await form.close()
    raise RefusedError(422, NOT_ONE)


def _shown(file_name: str | None) -> str:
    """A file name of a client, without folders, as messages show it."""
    name = PurePosixPath((file_name or "").replace("\\", "/")).name
    return printable(name)[:LONGEST_NAME] or "photo"
