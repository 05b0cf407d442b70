"""The only reader and writer of images."""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin
from PIL.Image import Transpose
from PIL.PngImagePlugin import PngInfo

from instseg.core.errors import InputError
from instseg.core.options import checks_types
from instseg.files.image_kinds import HEAD_BYTES, NEEDS, kind_of_image, opener_of
from instseg.files.quiet import quiet_decoders
from instseg.system.atomic import replacing
from instseg.system.regular import require_regular_file

MAX_PIXELS = 250_000_000
"""Larger images are refused before they are decoded; the largest phone photos have 200 million."""

_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
# TIFF tags; EXIF uses the same numbers
_BITS, _PHOTOMETRIC, _ORIENTATION, _PLANAR, _SAMPLE_FORMAT = 258, 262, 274, 284, 339
_EXTRA_SAMPLES, _ASSOCIATED, _UNASSOCIATED = 338, 1, 2
_CMYK = 5


@checks_types
def read_image(
    path: str | Path, *, max_pixels: int = MAX_PIXELS, upright: bool = True
) -> NDArray[np.uint8]:
    """Read a JPEG, PNG, WebP, TIFF, BMP, GIF, HEIC or AVIF file as RGB.

    The first page or frame is read, the EXIF orientation applied, transparency blended with white,
    and grey, palette, CMYK, 16-bit and float images converted (see `to_rgb8`). A TIFF's further
    band is alpha only where its ExtraSamples tag says so. Safe in threads.

    Args:
        path: The file; its content, not its suffix, determines the format.
        max_pixels: Refuse an image whose header announces more than this.
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
    with file, quiet_decoders:
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


def _decode(file: BinaryIO, path: Path, max_pixels: int, upright: bool) -> NDArray[np.uint8]:
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
    rgb = _to_rgb8(image)
    orientation = _orientation(image) if upright else 1
    return _upright(rgb, orientation)


def _has_alpha(extra_samples: Sequence[int]) -> bool:
    """Whether the first band beyond the colours is alpha."""
    return tuple(extra_samples)[:1] in ((_ASSOCIATED,), (_UNASSOCIATED,))


def _check_whole(file: BinaryIO, tags: Mapping[int, Any]) -> None:
    """Detect a truncated TIFF here, because libtiff would print an error to stderr."""
    offsets, counts = (273, 279) if 273 in tags else (324, 325)
    end = max(map(sum, zip(tags[offsets], tags.get(counts, ()), strict=False)), default=0)
    if end > Path(file.name).stat().st_size:
        raise EOFError("the file is truncated")


def _check_size(path: Path, width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise InputError(
            f"{path}: {width} x {height} pixels are more than the limit of {max_pixels:,}; "
            "make the image smaller or raise max_pixels"
        )


def _decode_tiff(file: BinaryIO, path: Path, max_pixels: int, upright: bool) -> NDArray[np.uint8]:
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
        array = page.asarray()
        if page.axes == "SYX":
            array = np.moveaxis(array, 0, -1)
        if page.photometric == 0 and array.dtype.kind == "u":  # 0 is white
            array = ~array
        rgb = _tiff_to_rgb8(array, page.photometric, page.extrasamples)
        orientation = page.tags.valueof(_ORIENTATION, 1) if upright else 1
    return _upright(rgb, orientation)


def _tiff_to_rgb8(
    array: NDArray[np.generic], photometric: int, extra_samples: Sequence[int]
) -> NDArray[np.uint8]:
    """Convert bands of a TIFF, (H, W) or (H, W, C), to RGB; alpha is blended with white.

    Args:
        array: As stored.
        photometric: Meaning of its colours.
        extra_samples: Meaning of the further bands.
    """
    channels = array.shape[2] if array.ndim == 3 else 1
    if photometric == _CMYK and channels == 4:
        return np.array(Image.fromarray(_to_uint8(array), "CMYK").convert("RGB"))
    colours = 3 if channels > 2 else 1
    if channels == colours or not _has_alpha(extra_samples):
        return to_rgb8(array[..., :colours] if array.ndim == 3 else array)
    if extra_samples[0] == _UNASSOCIATED:
        return to_rgb8(array)
    pixels = _to_uint8(array).astype(np.int16)  # the colours are multiplied by alpha already
    whitened = pixels[..., :colours] + 255 - pixels[..., colours:]
    return to_rgb8(whitened.clip(0, 255).astype(np.uint8))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged metadata says nothing about the pixels
        return 1


def _upright(rgb: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    method = _UPRIGHT.get(orientation)
    return np.array(Image.fromarray(rgb).transpose(method)) if method is not None else rgb


def _to_rgb8(image: Image.Image) -> NDArray[np.uint8]:
    """Convert a loaded image of any mode to uint8 (H, W, 3), writable."""
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})  # of a TIFF
    if image.mode.startswith("I") or image.mode == "F":
        return np.array(to_rgb8(_deep_grey(np.asarray(image), tags)))
    if tags and not _has_alpha(tags.get(_EXTRA_SAMPLES, ())):
        return np.array(image.convert("RGB"))
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        return np.array(_over_white(image.convert("RGBA")))
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _deep_grey(array: NDArray[Any], tags: Mapping[int, Any]) -> NDArray[Any]:
    """Convert values that Pillow leaves as stored in a TIFF of more than 8 bits."""
    if tags.get(_BITS) == (12,):
        array = array << 4
    if tags.get(_BITS) == (32,) and tags.get(_SAMPLE_FORMAT, (1,)) == (1,):
        array = array.view(np.uint32)
    return ~array if tags.get(_PHOTOMETRIC) == 0 and array.dtype.kind == "u" else array


def _over_white(image: Image.Image) -> Image.Image:
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas


def to_rgb8(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Convert pixels of any depth to 8-bit RGB.

    Bool, 8-bit and 16-bit unsigned numbers are scaled by their depth. Other numbers have no agreed
    white: it is the smallest of 1, 255 and 65535 that no pixel exceeds, else the brightest pixel.
    Negative and non-finite numbers become 0.

    Args:
        array: (H, W) or (H, W, C); C is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha).

    Returns:
        uint8 (H, W, 3), 0..255, contiguous, alpha blended with white; the array itself if no
        conversion is needed.

    Raises:
        ValueError: The shape is another, or the array is not numeric.
    """
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 2, 3, 4) or array.dtype.kind not in "buif":
        raise ValueError(
            "expected numbers of shape (H, W) or (H, W, 1 to 4), "
            f"got {array.dtype} of shape {array.shape}"
        )
    pixels = _to_uint8(array).reshape(*array.shape[:2], channels)
    if channels in (2, 4):
        rgba = pixels[..., [0, 0, 0, 1]] if channels == 2 else pixels
        return np.array(_over_white(Image.fromarray(np.ascontiguousarray(rgba))))
    if channels == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.ascontiguousarray(pixels)


def _to_uint8(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array.astype(np.uint8, copy=False)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return (array.astype(np.uint16, copy=False) >> 8).astype(np.uint8)
    with np.errstate(invalid="ignore", over="ignore"):  # broken floats: NaN that "signals"
        numbers = array.astype(np.float64)
    values = np.nan_to_num(numbers, nan=0.0, posinf=0.0, neginf=0.0)
    brightest = values.max(initial=0.0)
    white = next((white for white in (1.0, 255.0, 65535.0) if brightest <= white), brightest)
    return np.rint(values.clip(min=0.0) * (255.0 / white)).astype(np.uint8)


@checks_types
def write_image(
    path: str | Path,
    image: NDArray[np.uint8],
    *,
    comment: str | None = None,
    photo: bool = False,
) -> None:
    """Write a PNG, or a JPEG of quality 95, atomically; folders are made as needed.

    Args:
        path: The file; its suffix (.png, .jpg, .jpeg) chooses the format.
        image: uint8 (H, W, 3) RGB or (H, W) grey; for PNG also (H, W, 4) RGB and alpha.
        comment: Text for the file's metadata: `Comment` of a PNG, the comment of a JPEG.
        photo: Compress a PNG as suits photos: as small in two thirds of the time. Drawings with
            repeating parts become larger.

    Raises:
        InputError: Another suffix, or the file cannot be written.
    """
    path = Path(path)
    formats = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
    file_format = formats.get(path.suffix.lower())
    if file_format is None:
        raise InputError(f"{path}: images are written as .png or .jpg; change the suffix")
    # Each format takes its own options; full colour resolution keeps thin coloured lines crisp.
    options: dict[str, Any] = {"quality": 95, "subsampling": 0, "compress_level": 3}
    if photo:
        options["compress_type"] = zlib.Z_RLE
    if comment is not None:
        told = PngInfo()
        told.add_text("Comment", comment)
        options |= {"pnginfo": told, "comment": comment}
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, file_format, **options)


def write_indexed_png(
    path: str | Path, labels: NDArray[np.uint8], palette: NDArray[np.uint8]
) -> None:
    """Write a semantic map as a palette PNG: its values are the labels, shown in colour.

    Args:
        path: The file.
        labels: uint8 (H, W), 0..K-1, or 255, which is white unless the palette defines it.
        palette: uint8 (K, 3) RGB, the colour of each label; K is at most 256.

    Raises:
        ValueError: A label without a colour.
        InputError: The file cannot be written.
    """
    highest = labels.max(initial=0, where=labels < 255)
    if highest >= len(palette):
        raise ValueError(f"label {highest} has no colour in a palette of {len(palette)}")
    colors = np.full((256, 3), 255, dtype=np.uint8)
    colors[: len(palette)] = palette
    image = Image.fromarray(labels)
    image.putpalette(colors.tobytes())
    with replacing(Path(path)) as temporary:
        image.save(temporary, format="PNG")
