"""The only reader of images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin
from PIL.Image import Transpose

from instseg.core.errors import InputError
from instseg.core.options import checks_types
from instseg.files.depth import over_white, strips, to_uint8, white_of
from instseg.files.image_kinds import HEAD_BYTES, NEEDS, kind_of_image, opener_of
from instseg.files.quiet import quiet_decoders
from instseg.files.tiff import EXTRA_SAMPLES, has_alpha, rgb8_of_page
from instseg.system.memory import memory_bytes, memory_limit_bytes, size_in_words
from instseg.system.regular import require_regular_file

MAX_PIXELS = 250_000_000
"""Images of datasets with more are refused; the largest phone photos have 200 million."""

UNCHECKED_PIXELS = 64_000_000  # images of no more fit into any memory
NEEDED_BYTES = 7.5  # of a pixel, with the copy of the decoder

_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_FROM_THE_END = (3, 4, 6, 7)  # orientations whose first row becomes the last row or column
# TIFF tags; EXIF uses the same numbers
_BITS, _PHOTOMETRIC, _ORIENTATION, _PLANAR, _SAMPLE_FORMAT = 258, 262, 274, 284, 339


@checks_types
def read_image(
    path: str | Path, *, max_pixels: int | None = None, upright: bool = True
) -> NDArray[np.uint8]:
    """Read a JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC or AVIF file as RGB.

    The first page or frame is read, the EXIF orientation applied, transparency blended with white,
    and grey, palette, CMYK, 16-bit and float images converted (see `depth.to_rgb8`). A TIFF's
    further band is alpha only where its ExtraSamples tag says so. Safe in threads.

    Args:
        path: The file; its content, not its suffix, determines the format.
        max_pixels: Refuse an image whose header announces more than this; None: more than the
            memory holds that is free.
        upright: Apply the EXIF orientation; else the pixels come as they are stored.

    Returns:
        uint8 (H, W, 3), RGB, 0..255, contiguous and writable.

    Raises:
        InputError: The file is missing, unreadable, damaged, too large or not an image.
    """
    path = Path(path)
    require_regular_file(path)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the name") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; give an image file in it") from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be opened ({error.strerror}); check its permissions"
        ) from error
    except ValueError as error:  # a null byte, or half of a character
        raise InputError(f"{str(path)!r}: is no name of a file ({error}); correct it") from error
    with file:
        return _decoded(file, path, max_pixels, upright)


def decode_image(content: bytes, name: str, *, max_pixels: int | None = None) -> NDArray[np.uint8]:
    """As `read_image`, from the bytes of a file.

    Args:
        content: The whole file.
        name: How errors name it.
        max_pixels: As `read_image`.

    Raises:
        InputError: It is damaged, too large or not an image.
    """
    return _decoded(BytesIO(content), Path(name), max_pixels, True)


def _decoded(
    file: BinaryIO, path: Path, max_pixels: int | None, upright: bool
) -> NDArray[np.uint8]:
    with quiet_decoders:
        try:
            return _decode(file, path, max_pixels, upright)
        except (InputError, MemoryError):
            raise
        except Image.DecompressionBombError as error:  # of frames and tiles; ours speaks of images
            raise InputError(
                f"{path}: one of its frames or tiles has too many pixels; save it as PNG"
            ) from error
        except Exception as error:  # decoders raise all kinds of errors on damaged data
            words = str(error).split()
            reason = " ".join(words) if len(words) > 1 else type(error).__name__
            raise InputError(
                f"{path}: damaged, cut off or of an unknown kind ({reason}); "
                "copy it again or save it as PNG"
            ) from error


def _decode(file: BinaryIO, path: Path, max_pixels: int | None, upright: bool) -> NDArray[np.uint8]:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if not head:
        raise InputError(f"{path}: the file is empty; copy it again")
    kind = kind_of_image(head)
    if kind is None:
        raise InputError(
            f"{path}: not an image; "
            "JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC and AVIF files can be read"
        )
    opener = opener_of(kind)
    if opener is None:
        raise InputError(f"{path}: {NEEDS[kind]}")
    try:
        image = opener(file)
    except SyntaxError:
        if kind != "TIFF":
            raise
        return _decode_tiff(file, path, max_pixels, upright)
    _check_size(path, image.width, image.height, max_pixels)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tags = image.tag_v2
        if tags.get(_PLANAR) == 2 and max(tags[_BITS]) > 8:  # Pillow reads these wrongly
            return _decode_tiff(file, path, max_pixels, upright)
        _check_whole(file, tags)
    image.load()
    orientation = _orientation(image) if upright else 1
    return _assembled(_rgb8_strips(image), (image.height, image.width), orientation)


def _check_whole(file: BinaryIO, tags: Mapping[int, Any]) -> None:
    """Detect a truncated TIFF here, because libtiff would print an error to stderr."""
    offsets, counts = (273, 279) if 273 in tags else (324, 325)
    end = max(map(sum, zip(tags[offsets], tags.get(counts, ()), strict=False)), default=0)
    if end > file.seek(0, SEEK_END):
        raise EOFError("the file is truncated")


def _check_size(path: Path, width: int, height: int, max_pixels: int | None) -> None:
    if max_pixels is None and width * height > UNCHECKED_PIXELS:
        limit = memory_limit_bytes()
        needed = int(NEEDED_BYTES * width * height) + memory_bytes()
        if limit is None:
            max_pixels = MAX_PIXELS
        elif needed > limit:
            raise InputError(
                f"{path}: {width} x {height} pixels need {size_in_words(needed)} of memory, and "
                f"the limit is {size_in_words(limit)}; make the image smaller, or read a TIFF in "
                "windows (TiffWindows)"
            )
    if max_pixels is not None and width * height > max_pixels:
        raise InputError(
            f"{path}: {width} x {height} pixels are more than the limit of {max_pixels:,}; "
            "make the image smaller or raise max_pixels"
        )


def _decode_tiff(
    file: BinaryIO, path: Path, max_pixels: int | None, upright: bool
) -> NDArray[np.uint8]:
    """Read the kinds of TIFF that Pillow does not know, such as float RGB."""
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages.first
        _check_size(path, page.imagewidth, page.imagelength, max_pixels)
        if page.samplesperpixel > 4:
            raise InputError(
                f"{path}: {page.samplesperpixel} channels; save 1 to 4 of them as an image"
            )
        orientation = page.tags.valueof(_ORIENTATION, 1) if upright else 1
        size_hw = page.imagelength, page.imagewidth
        return _assembled(rgb8_of_page(page, file), size_hw, orientation)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged metadata says nothing about the pixels
        return 1


def _assembled(
    pieces: Iterable[tuple[int, NDArray[np.uint8]]], size_hw: tuple[int, int], orientation: int
) -> NDArray[np.uint8]:
    """Join strips to an upright image.

    Args:
        pieces: The first row of each strip, and its pixels (h, W, 3).
        size_hw: Height and width before the orientation is applied.
        orientation: As EXIF has it.
    """
    height, width = size_hw
    method = _UPRIGHT.get(orientation)
    lies = method is not None and orientation >= 5
    rgb = np.empty((width, height, 3) if lies else (height, width, 3), np.uint8)
    for top, pixels in pieces:
        span = slice(top, top + len(pixels))
        if orientation in _FROM_THE_END:
            span = slice(height - span.stop, height - span.start)
        if method is not None:
            pixels = np.asarray(Image.fromarray(pixels).transpose(method))
        rgb[(slice(None), span) if lies else span] = pixels
    return rgb


def _rgb8_strips(image: Image.Image) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """The first row and the pixels, uint8 (h, W, 3), of each strip of a loaded image."""
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})  # of a TIFF
    size_hw = image.height, image.width

    def strip(rows: slice) -> Image.Image:
        return image.crop((0, rows.start, image.width, rows.stop))

    if image.mode.startswith("I") or image.mode == "F":
        white = white_of(_deep_grey(np.asarray(strip(rows)), tags) for rows in strips(*size_hw))
        for rows in strips(*size_hw):
            values = _deep_grey(np.asarray(strip(rows)), tags)
            yield rows.start, to_uint8(values, white)[..., None].repeat(3, axis=2)
        return
    for rows in strips(*size_hw):
        yield rows.start, np.asarray(_in_rgb(strip(rows), tags))


def _in_rgb(image: Image.Image, tags: Mapping[int, Any]) -> Image.Image:
    """An image of 8 bits in RGB."""
    if tags and not has_alpha(tags.get(EXTRA_SAMPLES, ())):
        return image.convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        return over_white(image.convert("RGBA"))
    return image if image.mode == "RGB" else image.convert("RGB")


def _deep_grey(array: NDArray[Any], tags: Mapping[int, Any]) -> NDArray[Any]:
    """Convert values that Pillow leaves as stored in a TIFF of more than 8 bits."""
    if tags.get(_BITS) == (12,):
        array = array << 4
    if tags.get(_BITS) == (32,) and tags.get(_SAMPLE_FORMAT, (1,)) == (1,):
        array = array.view(np.uint32)
    return ~array if tags.get(_PHOTOMETRIC) == 0 and array.dtype.kind == "u" else array
