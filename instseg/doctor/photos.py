"""Size, EXIF orientation and fingerprints of the photos of a dataset."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instseg.core.errors import InputError
from instseg.core.events import OnEvent, ignore, told
from instseg.files.coco_json import leads_out
from instseg.files.image import MAX_PIXELS, read_image
from instseg.files.photo_header import header_of, open_photo

_SIDE = 32  # pixels of the tiny picture that is hashed
_FLAT = 2.0  # grey levels of deviation below which a photo shows nothing to tell it by


@dataclass(frozen=True, kw_only=True)
class PhotoFacts:
    """One photo.

    Attributes:
        stored_wh: Width and height before the EXIF orientation is applied; None if unreadable.
        orientation: EXIF orientation 1..8; 1 is upright.
        problem: Why it cannot be read; "" if it can.
        digest: Hash of the file's bytes; None unless asked for.
        fingerprint: 64-bit perceptual hash; None unless asked for, or when it shows nothing.
    """

    stored_wh: tuple[int, int] | None = None
    orientation: int = 1
    problem: str = ""
    digest: bytes | None = None
    fingerprint: int | None = None

    @property
    def upright_wh(self) -> tuple[int, int] | None:
        """Width and height as instseg reads it, the EXIF orientation applied."""
        turned = self.stored_wh is not None and self.orientation >= 5
        return self.stored_wh[::-1] if turned else self.stored_wh  # type: ignore[index]


def inspect_photos(
    folder: Path,
    file_names: Sequence[str],
    *,
    decode: bool,
    on_event: OnEvent = ignore,
) -> dict[str, PhotoFacts]:
    """Read the photos that exist, in several threads.

    Args:
        folder: Where they are.
        file_names: Their names in it; those that lead out of it are not touched.
        decode: Read them whole, which finds damaged ones and gives digest and fingerprint;
            otherwise the headers only.
        on_event: Called with the progress of the photos done.

    Returns:
        The photos by file name, without those that are not there.
    """
    inside = [n for n in dict.fromkeys(file_names) if not leads_out(n)]
    there = [n for n in inside if os.path.isfile(folder / n)]  # noqa: PTH113  any name is fine
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        facts = pool.map(lambda name: inspect_photo(folder / name, decode=decode), there)
        seen = told(facts, on_event, "reading photos", total=len(there))
        return dict(zip(there, seen, strict=True))


def inspect_photo(path: Path, *, decode: bool) -> PhotoFacts:
    """Read one photo; errors are stored in its `problem`."""
    try:
        return _inspect(path, decode)
    except Exception:  # damaged, or of a kind that only `read_image` knows
        try:
            pixels = read_image(path)
        except InputError as error:
            return PhotoFacts(problem=str(error))
    fingerprint = perceptual_hash(Image.fromarray(pixels)) if decode else None
    digest = _digest(path.read_bytes()) if decode else None
    size_wh = (pixels.shape[1], pixels.shape[0])
    return PhotoFacts(stored_wh=size_wh, digest=digest, fingerprint=fingerprint)


def _inspect(path: Path, decode: bool) -> PhotoFacts:
    content = path.read_bytes() if decode else None
    with (
        path.open("rb") if content is None else BytesIO(content) as file,
        open_photo(file) as image,
    ):
        if image.width * image.height > MAX_PIXELS:
            raise ValueError(f"{image.size} is too large")  # `read_image` says it well
        header = header_of(image, thorough=decode)
        return PhotoFacts(
            stored_wh=header.stored_wh,
            orientation=header.orientation,
            digest=_digest(content) if content is not None else None,
            fingerprint=perceptual_hash(image) if decode else None,
        )


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def perceptual_hash(image: Image.Image) -> int | None:
    """A number whose bits change little when a photo is resized or compressed again.

    The signs, about their median, of the lowest 8 x 8 frequencies of a tiny grey copy, as in
    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010).

    Args:
        image: Any mode; a JPEG that is not loaded yet is decoded small.

    Returns:
        64 bits; None for a photo that shows nothing, whose bits would be noise.
    """
    image.draft("L", (4 * _SIDE, 4 * _SIDE))
    grey = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    pixels = np.asarray(grey, dtype=np.float64)
    if pixels.std() < _FLAT:
        return None
    waves = _cosines()
    low = waves @ pixels @ waves.T
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes())


@cache
def _cosines() -> NDArray[np.float64]:
    """The discrete cosine transform's waves 1 to 8: (8, _SIDE)."""
    k, x = np.arange(1, 9)[:, None], np.arange(_SIDE)
    waves: NDArray[np.float64] = np.cos(np.pi * k * (2 * x + 1) / (2 * _SIDE))
    return waves


def similar_pairs(fingerprints: NDArray[np.uint64], most_bits: int = 3) -> NDArray[np.int64]:
    """Pairs of fingerprints that differ in few bits, without comparing all with all.

    Of two numbers that differ in at most three bits, one of the four quarters is the same; only
    those that share a quarter are compared.

    Args:
        fingerprints: (N,).
        most_bits: 0..3.

    Returns:
        (M, 2) indices, the smaller first, each pair once; of equal fingerprints, each is paired
        with the first only.
    """
    values, first, which = np.unique(fingerprints, return_index=True, return_inverse=True)
    copies = np.flatnonzero(first[which] != np.arange(len(which)))
    pairs = [np.stack([first[which[copies]], copies], axis=1)]
    for quarter in range(4):
        part = (values >> np.uint64(16 * quarter)) & np.uint64(0xFFFF)
        order = np.argsort(part, kind="stable")
        ranked = part[order]
        for lag in range(1, len(ranked)):  # neighbours, next but one, ... of the sorted quarters
            near = np.flatnonzero(ranked[lag:] == ranked[:-lag])
            if not len(near):
                break
            one, other = order[near], order[near + lag]
            bits = np.unpackbits((values[one] ^ values[other])[:, None].view(np.uint8), axis=1)
            close = bits.sum(axis=1) <= most_bits
            pairs.append(np.stack([first[one[close]], first[other[close]]], axis=1))
    return np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0)
