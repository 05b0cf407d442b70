"""Image formats, recognised by their first bytes, and the classes that open them.

`Image.open` of Pillow has limits of its own, so the class of each format is called.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import BinaryIO

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

Opener = Callable[[BinaryIO], ImageFile.ImageFile]

HEAD_BYTES = 64  # enough to recognise the format
NEEDS = {
    "HEIC": "HEIC photos are read where pillow-heif is installed: pip install 'instseg[images]'",
    "AVIF": "AVIF photos are read by Pillow 11.3 or newer: pip install 'instseg[images]'",
}

_OPENERS: dict[str, Opener] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
}
_BEGINNINGS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"RIFF", "WebP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"BM", "BMP"),
    (b"GIF8", "GIF"),
)
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}


def kind_of_image(head: bytes) -> str | None:
    """`JPEG`, `PNG`, `WebP`, `TIFF`, `BMP`, `GIF`, `HEIC` or `AVIF`; None for anything else.

    Args:
        head: The first `HEAD_BYTES` of the file.
    """
    if head[4:8] == b"ftyp":
        end = min(int.from_bytes(head[:4], "big"), len(head))
        brands = {head[at : at + 4] for at in range(8, end, 4)}
        return "AVIF" if brands & _AVIF_BRANDS else "HEIC" if brands & _HEIC_BRANDS else None
    return next((kind for magic, kind in _BEGINNINGS if head.startswith(magic)), None)


def opener_of(kind: str) -> Opener | None:
    """The function that opens images of a format; None if it is not supported here."""
    return _plugin(kind) if kind in NEEDS else _OPENERS[kind]


def can_read(kind: str) -> bool:
    """Whether images of a kind can be read here."""
    return opener_of(kind) is not None


@cache
def _plugin(kind: str) -> Opener | None:
    try:
        if kind == "HEIC":
            from pillow_heif import HeifImageFile

            return HeifImageFile  # type: ignore[no-any-return]
        from PIL import AvifImagePlugin
    except ImportError:
        return None
    return AvifImagePlugin.AvifImageFile if AvifImagePlugin.SUPPORTED else None
