"""The size and EXIF orientation of a photo, from its header, without decoding."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile

from instseg.core.errors import InputError
from instseg.files.coco_json import leads_out
from instseg.files.image import read_image
from instseg.files.image_kinds import HEAD_BYTES, kind_of_image, opener_of
from instseg.files.quiet import quiet_decoders
from instseg.system.regular import require_regular_file

_ORIENTATION = 274
DECODER_BYTES = 4.5  # Pillow decodes to 4 bytes a pixel, which are copied in strips
_DECODERS = {"WEBP": 14.5, "AVIF": 7.0, "HEIF": 7.0}  # these decode to another copy first
_PROGRESSIVE = 7.0  # bytes a pixel: a JPEG all of whose coefficients are in memory


@dataclass(frozen=True, kw_only=True)
class PhotoHeader:
    """The size and orientation of a photo.

    Attributes:
        stored_wh: Width and height before the EXIF orientation is applied.
        orientation: EXIF orientation 1..8; 1 is upright.
        decoder_bytes: Bytes of each pixel that are needed while it is read, beside its pixels.
    """

    stored_wh: tuple[int, int]
    orientation: int = 1
    decoder_bytes: float = DECODER_BYTES

    @property
    def upright_wh(self) -> tuple[int, int]:
        """Width and height as instseg reads it, the EXIF orientation applied."""
        width, height = self.stored_wh
        return (height, width) if self.orientation >= 5 else (width, height)


def read_header(path: Path) -> PhotoHeader:
    """Read the header of a photo.

    Raises:
        ValueError: The file is missing, not a photo, or of a format that only `read_image` reads.
    """
    try:
        require_regular_file(path)
        with quiet_decoders, path.open("rb") as file, open_photo(file) as image:
            return header_of(image)
    except Exception as error:  # decoders raise all kinds of errors on damaged data
        raise ValueError(f"{path}: no header can be read ({error})") from error


def photo_size(folder: Path, file_name: str) -> tuple[int, int] | None:
    """Width and height of an upright photo of a dataset; None if it is missing or unreadable."""
    if leads_out(file_name):
        return None
    try:
        return read_header(folder / file_name).upright_wh
    except ValueError:
        pass
    try:
        height, width, _ = read_image(folder / file_name).shape
    except (InputError, ValueError):
        return None
    return (width, height)


def open_photo(file: BinaryIO) -> ImageFile.ImageFile:
    """Open a photo without decoding it; `Image.open` would apply its own size limit.

    Raises:
        InputError: Not a photo of a common format; decoders raise other errors for damaged ones.
    """
    kind = kind_of_image(file.read(HEAD_BYTES))
    opener = opener_of(kind) if kind else None
    file.seek(0)
    if opener is None:
        raise InputError("not a photo of a common format")
    return opener(file)


def header_of(image: Image.Image, *, thorough: bool = False) -> PhotoHeader:
    """The header of an opened photo.

    Args:
        image: As `open_photo` gives it.
        thorough: Decode a PNG to find metadata after the pixels, which is rare.
    """
    orientation = 1
    if thorough or image.format != "PNG" or "exif" in image.info:
        orientation = int(image.getexif().get(_ORIENTATION, 1))
    decoder = _DECODERS.get(image.format or "", DECODER_BYTES)
    if image.info.get("progressive"):
        decoder = _PROGRESSIVE
    return PhotoHeader(
        stored_wh=image.size,
        orientation=orientation if orientation in range(1, 9) else 1,
        decoder_bytes=decoder,
    )
