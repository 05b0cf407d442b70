"""The kinds of TIFF that Pillow does not know, such as float RGB, read piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instseg.files.depth import has_white, strips, to_rgb8, to_uint8, white_of

EXTRA_SAMPLES = 338  # tag of the meaning of bands beyond the colours
_ASSOCIATED, _UNASSOCIATED = 1, 2  # alpha, by which the colours are multiplied or not
_CMYK = 5
_ENCODED_BYTES = 2**24  # read from the file at once


class Piece(NamedTuple):
    """A part of an image.

    Attributes:
        band: Its first band.
        top: Its first row.
        left: Its first column.
        values: (h, w, bands), as stored.
    """

    band: int
    top: int
    left: int
    values: NDArray[Any]


def has_alpha(extra_samples: Sequence[int]) -> bool:
    """Whether the first band beyond the colours is alpha."""
    return tuple(extra_samples)[:1] in ((_ASSOCIATED,), (_UNASSOCIATED,))


def rgb8_of_page(page: Any, file: BinaryIO) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Decode a page of a TIFF.

    Besides the results, memory holds the bands in 8 bits and one strip or tile of the file.

    Args:
        page: As `tifffile` opens it, of 1 to 4 bands.
        file: That it lies in.

    Yields:
        The first row of a strip, and its pixels: uint8 (h, W, 3), transparency blended with white.
    """
    bands = bands_of(page)
    white = 1.0
    if not has_white(page.dtype):
        white = white_of(piece.values for piece in _pieces(page, file, bands.used))
    pixels = np.zeros((page.imagelength, page.imagewidth, bands.used), np.uint8)
    for band, top, left, values in _pieces(page, file, bands.used):
        height, width, depth = values.shape
        window = np.s_[top : top + height, left : left + width, band : band + depth]
        pixels[window] = to_uint8(values, white)
    for rows in strips(*pixels.shape[:2]):
        yield rows.start, bands.in_rgb(pixels[rows])


class Bands(NamedTuple):
    """What the bands of a page mean.

    Attributes:
        used: How many are needed, the first ones.
        is_cmyk: Whether they are inks.
        alpha: Kind of the last one, if it is alpha.
    """

    used: int
    is_cmyk: bool
    alpha: int | None

    def in_rgb(self, strip: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bands (h, w, used) as (h, w, 3), transparency blended with white."""
        if self.is_cmyk:
            strip = np.asarray(Image.fromarray(strip, "CMYK").convert("RGB"))
        elif self.alpha == _ASSOCIATED:  # the colours are multiplied by it already
            whitened = strip[..., :-1].astype(np.int16) + 255 - strip[..., -1:]
            strip = whitened.clip(0, 255).astype(np.uint8)
        return to_rgb8(strip)


def bands_of(page: Any) -> Bands:
    """What the bands of a page mean that `tifffile` has opened."""
    bands = page.samplesperpixel
    colours = 3 if bands > 2 else 1
    is_cmyk = page.photometric == _CMYK and bands == 4
    alpha = page.extrasamples[0] if bands > colours and has_alpha(page.extrasamples) else None
    used = bands if is_cmyk or alpha is not None else colours
    return Bands(used, is_cmyk, alpha)


def _pieces(page: Any, file: BinaryIO, bands: int) -> Iterator[Piece]:
    """The pieces of the first bands of a page."""
    samples, volumes, height, width, _ = page.shaped
    if volumes > 1 or page.dtype is None or not page.dataoffsets:
        raise ValueError("a volume, or without pixels")
    if page.dtype.kind == "c":
        raise ValueError("its pixels are complex numbers")
    for band, top, left, values in _stored_pieces(page, file):
        if band < bands and top < height and left < width:
            inside = values[: height - top, : width - left, : bands if samples == 1 else 1]
            inverted = page.photometric == 0 and inside.dtype.kind == "u"  # 0 is white
            yield Piece(band, top, left, ~inside if inverted else inside)


def _stored_pieces(page: Any, file: BinaryIO) -> Iterator[Piece]:
    samples, _, height, width, depth = page.shaped
    if page.is_contiguous and page.predictor == 1 and page.fillorder == 1:
        dtype = np.dtype(page.parent.byteorder + page.dtype.char)
        file.seek(page.dataoffsets[0])
        for band in range(samples):
            for rows in strips(height, width):
                count = (rows.stop - rows.start) * width * depth
                content = file.read(count * dtype.itemsize)
                if len(content) < count * dtype.itemsize:
                    raise EOFError("the file is truncated")
                values = np.frombuffer(content, dtype).reshape(-1, width, depth)
                yield Piece(band, rows.start, 0, values.astype(page.dtype, copy=False))
    elif page.is_contiguous or page.jpegheader is not None:
        for band, plane in enumerate(page.asarray(squeeze=False)):
            yield Piece(band, 0, 0, plane[0])
    else:
        segments = page.segments(maxworkers=1, buffersize=_ENCODED_BYTES)
        for values, (band, _, top, left, _), shape in segments:
            if values is None:  # it is not stored
                values = np.full(shape, page.nodata, page.dtype)
            yield Piece(band, top, left, values[0])
