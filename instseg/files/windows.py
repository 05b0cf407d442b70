"""Parts of images that are too large for the memory: windows of TIFF files, read when needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import InputError
from instseg.core.windows import Window, whole_window
from instseg.files.image_kinds import HEAD_BYTES, kind_of_image
from instseg.files.quiet import quiet_decoders
from instseg.files.tiff_level import Level
from instseg.system.regular import require_regular_file

SHRUNK_ROWS, SHRUNK_COLUMNS = 512, 4096  # pixels of a level that are shrunk at once
_ORIENTATION = 274


class Windows(Protocol):
    """An image of which any part can be read."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""

    def read(self, window: Window, shrink: int = 1) -> NDArray[np.uint8]:
        """Read a part of the image.

        Args:
            window: Rows and columns, inside the image.
            shrink: Take the mean of squares of so many pixels a side; the window begins at a
                multiple of it, and squares at its end may be cut.

        Returns:
            uint8 RGB (h, w, 3), contiguous and writable: a pixel for each square.

        Raises:
            InputError: The file is damaged.
        """


class ArrayWindows:
    """An image in memory as `Windows`.

    Args:
        image: uint8 RGB (H, W, 3).
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.image = image

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]

    def read(self, window: Window, shrink: int = 1) -> NDArray[np.uint8]:
        """As `Windows.read`."""
        return np.ascontiguousarray(shrunk(self.image[window], shrink))


class TiffWindows:
    """A TIFF file, also BigTIFF, OME-TIFF or GeoTIFF, as `Windows`: the first page.

    Tiles and strips are decoded when they are needed, and some kept. For `shrink`, a pyramid's
    smaller levels are read. The pixels are those of `read_image`, but for rounding where libtiff's
    JPEG decoder differs. Numbers without an agreed white are searched for it once.
    Threads may use it together.

    Args:
        path: The file.

    Raises:
        InputError: Not a TIFF, damaged, or of a kind that cannot be read in windows.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        require_regular_file(self.path)
        if not is_tiff(self.path):
            raise InputError(f"{path}: only TIFF files are read in windows; save it as a tiled one")
        try:
            with quiet_decoders:
                self.levels = _levels(self.path)
        except (InputError, MemoryError):
            raise
        except Exception as error:  # of damaged files
            raise _damaged(self.path, error) from error
        self._kept: tuple[int, NDArray[np.uint8]] | None = None

    def __repr__(self) -> str:
        height, width = self.size_hw
        return f"TiffWindows({str(self.path)!r}, {width} x {height})"

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.levels[0].size_hw

    def read(self, window: Window, shrink: int = 1) -> NDArray[np.uint8]:
        """As `Windows.read`."""
        rows, columns = (
            slice(*part.indices(side)[:2]) for part, side in zip(window, self.size_hw, strict=True)
        )
        try:
            with quiet_decoders:
                return self._read((rows, columns), shrink)
        except (InputError, MemoryError):
            raise
        except Exception as error:  # decoders raise all kinds of errors on damaged data
            raise _damaged(self.path, error) from error

    def whole(self, shrink: int) -> NDArray[np.uint8]:
        """The whole image, as `read` gives it; the last one is kept."""
        if self._kept is None or self._kept[0] != shrink:
            self._kept = shrink, self.read(whole_window(self.size_hw), shrink)
        return self._kept[1]

    def _read(self, window: Window, shrink: int) -> NDArray[np.uint8]:
        factor, level = 1, self.levels[0]
        for each in self.levels:
            own = round(self.size_hw[0] / each.size_hw[0])
            if shrink % own == 0 and own > factor:
                factor, level = own, each
        if shrink == 1:
            return level.read(window)
        sides = [-(-(part.stop - part.start) // shrink) for part in window]
        result = np.empty((*sides, 3), np.uint8)
        rest = shrink // factor
        steps = [max(most // rest, 1) for most in (SHRUNK_ROWS, SHRUNK_COLUMNS)]
        start, stop = zip(
            *(
                (part.start // factor, min(-(-part.stop // factor), side))
                for part, side in zip(window, level.size_hw, strict=True)
            ),
            strict=True,
        )
        for top in range(0, sides[0], steps[0]):
            for left in range(0, sides[1], steps[1]):
                place = np.s_[top : top + steps[0], left : left + steps[1]]
                part_y, part_x = (
                    slice(
                        min(first + at * rest, last - 1),
                        min(first + (at + step) * rest, last),
                    )
                    for first, last, at, step in zip(start, stop, (top, left), steps, strict=True)
                )
                piece = shrunk(level.read((part_y, part_x)), rest)
                result[place] = _reaching(piece, result[place].shape[:2])
        return result


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF does; False if it cannot be opened, or is a pipe."""
    if not path.is_file():  # opening a pipe would wait for whoever writes into it
        return False
    try:
        with path.open("rb") as file:
            return kind_of_image(file.read(HEAD_BYTES)) == "TIFF"
    except OSError:
        return False


def shrunk(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """The mean of squares of pixels, rounded; those at the right and lower edge may be cut.

    Args:
        image: uint8 (H, W, C).
        factor: Side of a square in pixels.

    Returns:
        uint8 (ceil(H / factor), ceil(W / factor), C).
    """
    if factor == 1:
        return image
    height, width, channels = image.shape
    tops, lefts = np.arange(0, height, factor), np.arange(0, width, factor)
    means = np.empty((len(tops), len(lefts), channels), np.uint8)
    across = np.diff(lefts, append=width)
    step = max(2**22 // max(width * factor, 1), 1)  # rows of squares at once
    for first in range(0, len(tops), step):
        strip = image[first * factor : (first + step) * factor]
        starts = np.arange(0, len(strip), factor)
        sums = np.add.reduceat(strip, starts, axis=0, dtype=np.uint32)
        sums = np.add.reduceat(sums, lefts, axis=1)
        counts = np.outer(np.diff(starts, append=len(strip)), across)[..., None]
        means[first : first + step] = (sums + counts // 2) // counts
    return means


def _reaching(piece: NDArray[np.uint8], size_hw: tuple[int, ...]) -> NDArray[np.uint8]:
    """A piece, its edge repeated: a level may leave out the last, incomplete square."""
    missing = [(0, want - have) for want, have in zip(size_hw, piece.shape[:2], strict=True)]
    return np.pad(piece, [*missing, (0, 0)], mode="edge") if any(map(any, missing)) else piece


def _levels(path: Path) -> list[Level]:
    """The first page of a file and its smaller copies, largest first."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        if page.tags.valueof(_ORIENTATION, 1) != 1:
            raise InputError(
                f"{path}: is stored rotated or mirrored, and cannot be read in windows; save it "
                "upright"
            )
        first = Level(path, page)
        return [first, *_smaller(path, tiff, page, first)]


def _smaller(path: Path, tiff: Any, page: Any, first: Level) -> list[Level]:
    try:
        others = [level.keyframe for level in tiff.series[0].levels[1:]]
    except Exception:  # metadata of microscopes may be broken, where the pixels are not
        return []
    found = []
    for other in others:
        height, width = other.imagelength, other.imagewidth
        factor = round(page.imagelength / height)
        fits = all(
            abs(whole / factor - part) < 1
            for whole, part in zip(first.size_hw, (height, width), strict=True)
        )
        alike = (other.samplesperpixel, other.dtype, other.photometric)
        if fits and alike == (page.samplesperpixel, page.dtype, page.photometric):
            found.append(Level(path, other, like=first))
    return found


def _damaged(path: Path, error: Exception) -> InputError:
    words = str(error).split()
    reason = " ".join(words) if len(words) > 1 else type(error).__name__
    return InputError(f"{path}: damaged or cut off ({reason}); copy it again")
