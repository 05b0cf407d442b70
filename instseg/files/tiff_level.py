"""Windows of one page of a TIFF file."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.windows import Window, whole_window
from instseg.files.depth import has_white, strips, to_uint8, white_of
from instseg.files.tiff import bands_of

CACHE_BYTES = 200_000_000  # of decoded tiles or strips, which neighbouring windows share
LARGEST_SEGMENT = 2**28  # bytes of a decoded tile or strip
EXTRA = "pip install 'instseg[slides]'"
_PALETTE = 3
_PHOTOMETRICS = {0, 1, 2, _PALETTE, 5, 6}  # of 6, YCbCr, tifffile decodes what JPEG has
_JPEG = {6, 7, 33007, 34892}  # compressions that need tables of the page


class Level:
    """One page, from which windows are read.

    Args:
        path: The file.
        page: As `tifffile` opens it, while the file is open.
        like: Another copy of the image, with the same white.

    Attributes:
        size_hw: Height and width in pixels.

    Raises:
        InputError: A kind that cannot be read in windows.
    """

    def __init__(self, path: Path, page: Any, *, like: Level | None = None) -> None:
        self.path, self._page = path, page
        self.size_hw = int(page.imagelength), int(page.imagewidth)
        self._require_known()
        self._bands = bands_of(page)
        self._offsets, self._counts = page.dataoffsets, page.databytecounts
        self._colors = page.colormap if page.photometric == _PALETTE else None
        self._is_plain = page.is_contiguous and page.predictor == 1 and page.fillorder == 1
        self._tables: dict[str, Any] = {}
        if page.compression in _JPEG:
            self._tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
        self._like, self._known_white = like, None if not has_white(page.dtype) else 1.0
        height, width = self.size_hw
        self._chunk_hw = min(page.rowsperstrip or height, height), width
        if page.is_tiled:
            self._chunk_hw = page.tilelength, page.tilewidth
        self._grid = -(-height // self._chunk_hw[0]), -(-width // self._chunk_hw[1])
        self._cache: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._cached_bytes, self._lock = 0, threading.RLock()
        if not self._is_plain:
            self._require_decoder()

    def read(self, window: Window) -> NDArray[np.uint8]:
        """A part of the page: uint8 RGB (h, w, 3), contiguous and writable."""
        rows, columns = window
        shape = rows.stop - rows.start, columns.stop - columns.start, self._bands.used
        pixels = np.zeros(shape, np.uint8)
        with self.path.open("rb") as file:
            if self._is_plain:
                self._fill_plain(file, window, pixels)
            else:
                for index in self._segments_in(window):
                    self._fill(pixels, window, index, self._segment(file, index))
        if self._colors is not None:
            return np.ascontiguousarray((self._colors >> 8).astype(np.uint8).T[pixels[..., 0]])
        rgb = np.empty((*shape[:2], 3), np.uint8)
        for part in strips(*shape[:2]):
            rgb[part] = self._bands.in_rgb(pixels[part])
        return rgb

    def _require_known(self) -> None:
        page = self._page
        if page.samplesperpixel > 4:
            raise InputError(
                f"{self.path}: {page.samplesperpixel} channels; save 1 to 4 of them as an image"
            )
        is_volume = page.shaped[1] > 1
        bits = page.bitspersample
        is_odd = bits != 1 and (page.dtype is None or bits != 8 * page.dtype.itemsize)
        if is_volume or is_odd or page.photometric not in _PHOTOMETRICS or not page.dataoffsets:
            raise InputError(
                f"{self.path}: this kind of TIFF cannot be read in windows; save it as tiled RGB "
                "of 8 or 16 bits"
            )

    def _require_decoder(self) -> None:
        """Refuse what only other packages decode, and strips that are too large, at once."""
        page = self._page
        if np.prod(page.chunks) * page.dtype.itemsize > LARGEST_SEGMENT:
            raise InputError(
                f"{self.path}: is compressed in one piece, and cannot be read in windows; save it "
                "with tiles"
            )
        stored = [index for index, count in enumerate(self._counts) if count]
        if stored:
            with self.path.open("rb") as file:
                self._segment(file, stored[0])

    @property
    def _white(self) -> float:
        if self._like is not None:
            return self._like._white
        with self._lock:
            if self._known_white is None:
                with self.path.open("rb") as file:
                    self._known_white = white_of(self._all_values(file))
            return self._known_white

    def _all_values(self, file: BinaryIO) -> Iterator[NDArray[Any]]:
        """All that is stored of the needed bands, in pieces."""
        height, width = self.size_hw
        if self._is_plain:
            for band in range(self._bands.used if self._page.shaped[0] > 1 else 1):
                for rows in strips(height, width):
                    spans = range(rows.start, rows.stop)
                    values = np.stack([self._plain_row(file, band, y, (0, width)) for y in spans])
                    yield self._inverted(values[..., : self._bands.used])
            return
        for index in self._segments_in(whole_window(self.size_hw)):
            values, _, top, left = self._decoded(file, index)
            yield values[: height - top, : width - left]

    def _fill_plain(self, file: BinaryIO, window: Window, pixels: NDArray[np.uint8]) -> None:
        rows, columns = window
        samples = self._page.shaped[0]
        for band in range(self._bands.used if samples > 1 else 1):
            place = np.s_[band : band + 1] if samples > 1 else np.s_[:]
            for line, row in enumerate(range(rows.start, rows.stop)):
                values = self._plain_row(file, band, row, (columns.start, columns.stop))
                kept = self._inverted(values[..., : self._bands.used])
                pixels[line, :, place] = to_uint8(kept, self._white_for(kept))

    def _plain_row(
        self, file: BinaryIO, band: int, row: int, columns: tuple[int, int]
    ) -> NDArray[Any]:
        """A part of a row, as stored: (w, depth)."""
        page, (height, width) = self._page, self.size_hw
        depth = page.shaped[4]
        dtype = np.dtype(page.parent.byteorder + page.dtype.char)
        pixel = depth * dtype.itemsize
        file.seek(self._offsets[0] + ((band * height + row) * width + columns[0]) * pixel)
        size = (columns[1] - columns[0]) * pixel
        content = file.read(size)
        if len(content) < size:
            raise EOFError("the file is truncated")
        values = np.frombuffer(content, dtype).reshape(-1, depth)
        return values.astype(page.dtype, copy=False)

    def _segments_in(self, window: Window) -> Iterator[int]:
        """The numbers of the tiles or strips of the needed bands that lie in a window."""
        down, across = self._grid
        high, wide = self._chunk_hw
        rows, columns = window
        for band in range(self._bands.used if self._page.shaped[0] > 1 else 1):
            for y in range(rows.start // high, -(-rows.stop // high)):
                for x in range(columns.start // wide, -(-columns.stop // wide)):
                    yield (band * down + y) * across + x

    def _place(self, index: int) -> tuple[int, int, int]:
        """Band, first row and first column of a tile or strip."""
        down, across = self._grid
        high, wide = self._chunk_hw
        band, cell = divmod(index, down * across)
        y, x = divmod(cell, across)
        return band, y * high, x * wide

    def _segment(self, file: BinaryIO, index: int) -> NDArray[np.uint8]:
        """A tile or strip in 8 bits, decoded or kept: (h, w, bands)."""
        with self._lock:
            if index in self._cache:
                self._cache.move_to_end(index)
                return self._cache[index]
        values, *_ = self._decoded(file, index)
        pixels = to_uint8(values, self._white_for(values))
        with self._lock:
            if index not in self._cache:
                self._cache[index] = pixels
                self._cached_bytes += pixels.nbytes
            while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
                _, oldest = self._cache.popitem(last=False)
                self._cached_bytes -= oldest.nbytes
        return pixels

    def _decoded(self, file: BinaryIO, index: int) -> tuple[NDArray[Any], int, int, int]:
        """The values of a tile or strip, (h, w, bands), its band, first row and column."""
        page = self._page
        content = None
        if self._counts[index]:
            file.seek(self._offsets[index])
            content = file.read(self._counts[index])
            if len(content) < self._counts[index]:
                raise EOFError("the file is truncated")
        try:
            values, _, shape = page.decode(content, index, **self._tables)
        except (ValueError, ImportError) as error:
            if "imagecodecs" in str(error):
                raise InputError(
                    f"{self.path}: its compression, {page.compression.name}, is read in windows "
                    f"where imagecodecs is installed: {EXTRA}"
                ) from error
            raise
        if values is None:  # it is not stored
            values = np.full(shape, page.nodata, page.dtype)
        band, top, left = self._place(index)
        samples = page.shaped[0]
        kept = values[0][..., : 1 if samples > 1 else self._bands.used]
        return self._inverted(kept), band, top, left

    def _inverted(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values, turned around where 0 is white."""
        return ~values if self._page.photometric == 0 and values.dtype.kind in "ub" else values

    def _white_for(self, values: NDArray[Any]) -> float:
        return 1.0 if has_white(values.dtype) else self._white

    def _fill(
        self,
        pixels: NDArray[np.uint8],
        window: Window,
        index: int,
        segment: NDArray[np.uint8],
    ) -> None:
        """Copy the part of a tile or strip that lies in a window."""
        band, top, left = self._place(index)
        rows, columns = window
        y0, x0 = max(top, rows.start), max(left, columns.start)
        y1 = min(top + segment.shape[0], rows.stop)
        x1 = min(left + segment.shape[1], columns.stop)
        pixels[
            y0 - rows.start : y1 - rows.start,
            x0 - columns.start : x1 - columns.start,
            band : band + segment.shape[2],
        ] = segment[y0 - top : y1 - top, x0 - left : x1 - left]
