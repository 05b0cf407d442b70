"""Windows of TIFF files: the pixels of `read_image`, whatever the file looks like inside."""

import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from instseg.core.errors import InputError
from instseg.core.windows import whole_window
from instseg.files.image import read_image
from instseg.files.windows import ArrayWindows, TiffWindows, shrunk
from instseg.scenes.scene import SceneConfig, draw_scene

SCENE = draw_scene(4, SceneConfig(size_hw=(300, 400))).image
GREY = SCENE[..., 0]
RGBA = np.dstack([SCENE, GREY])
PART = np.s_[33:201, 70:333]
TILES = {"tile": (64, 64)}
KINDS = {
    "plain": (SCENE, {}),
    "plain planes": (np.moveaxis(SCENE, 2, 0), {"planarconfig": "separate"}),
    "strips": (SCENE, {"rowsperstrip": 17, "compression": "zlib"}),
    "tiles": (SCENE, TILES),
    "zlib tiles": (SCENE, {**TILES, "compression": "zlib", "predictor": True}),
    "planes in tiles": (np.moveaxis(SCENE, 2, 0), {**TILES, "planarconfig": "separate"}),
    "BigTIFF": (SCENE, {**TILES, "bigtiff": True}),
    "OME": (SCENE, {**TILES, "ome": True}),
    "grey": (GREY, {**TILES, "photometric": "minisblack"}),
    "0 is white": (GREY, {**TILES, "photometric": "miniswhite"}),
    "alpha": (RGBA, {**TILES, "extrasamples": ["unassalpha"]}),
    "alpha in plain": (RGBA, {"extrasamples": ["unassalpha"]}),
    "further band": (RGBA, {**TILES, "extrasamples": ["unspecified"]}),
    "16 bits": (SCENE.astype(np.uint16) * 257, {**TILES, "compression": "zlib"}),
    "16 bits plain": (SCENE.astype(np.uint16) * 251, {"byteorder": ">"}),
    "16 bits grey": (GREY.astype(np.uint16) * 257, {**TILES, "photometric": "minisblack"}),
    "floats": (SCENE.astype(np.float32) / 255, {**TILES, "compression": "zlib"}),
    "floats plain": (SCENE.astype(np.float32) * 3.7, {}),
    "32 bits": (GREY.astype(np.uint32) * 9999, {**TILES, "photometric": "minisblack"}),
    "CMYK": (255 - RGBA, {**TILES, "photometric": "separated"}),
    "palette": (
        GREY,
        {
            **TILES,
            "photometric": "palette",
            "colormap": np.stack(
                [np.arange(256), np.arange(256)[::-1], np.arange(256) // 2]
            ).astype(np.uint16)
            * 256,
        },
    ),
}


def write(path: Path, image: np.ndarray, options: dict) -> Path:
    tifffile.imwrite(path, image, **{"photometric": "rgb", **options})
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_the_pixels_of_the_normal_reader(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "photo.tif", *KINDS[kind])
    expected = read_image(path)
    windows = TiffWindows(path)
    assert windows.size_hw == (300, 400)
    np.testing.assert_array_equal(windows.read(whole_window((300, 400))), expected)
    part = windows.read(PART)
    np.testing.assert_array_equal(part, expected[PART])
    assert part.flags.c_contiguous
    assert part.flags.writeable
    small = windows.read((slice(8, 300), slice(0, 397)), 8)
    np.testing.assert_array_equal(small, shrunk(expected[8:, :397], 8))
    np.testing.assert_array_equal(small, ArrayWindows(expected).read(np.s_[8:300, :397], 8))


@pytest.mark.parametrize("compression", ["jpeg", "lzw", "zstd"])
def test_compressions_of_the_extra(tmp_path: Path, compression: str) -> None:
    pytest.importorskip("imagecodecs", reason="needs the extra slides")
    options = {**TILES, "compression": compression}
    path = write(tmp_path / "photo.tif", SCENE, options)
    expected = read_image(path)
    found = TiffWindows(path).read(PART)
    assert np.abs(found.astype(int) - expected[PART]).max() <= (2 if compression == "jpeg" else 0)


def test_without_the_extra_a_line_names_it(tmp_path: Path) -> None:
    pytest.importorskip("imagecodecs", reason="needs the extra slides to write the file")
    path = write(tmp_path / "photo.tif", SCENE, {**TILES, "compression": "lzw"})
    plain = write(tmp_path / "plain.tif", SCENE, {**TILES, "compression": "zlib"})
    program = (
        "import sys; sys.modules['imagecodecs'] = None\n"
        "from instseg.files.windows import TiffWindows\n"
        f"TiffWindows({str(plain)!r}).read((slice(0, 9), slice(0, 9)))\n"
        f"TiffWindows({str(path)!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith(
        "photo.tif: its compression, LZW, is read in windows where imagecodecs is installed: "
        "pip install 'instseg[slides]'"
    )


def write_pyramid(path: Path, image: np.ndarray, levels: int = 3) -> None:
    """A pyramid of which each level is 100 darker than the one before, to tell them apart."""
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        options = {"photometric": "rgb", **TILES}
        writer.write(image, subifds=levels - 1, **options)
        for level in range(1, levels):
            smaller = image[:: 2**level, :: 2**level][: 300 >> level, : 400 >> level]
            writer.write(smaller // 2**level, subfiletype=1, **options)


@pytest.mark.parametrize(("shrink", "darker"), [(1, 1), (2, 2), (4, 4), (8, 4)])
def test_small_copies_come_from_the_pyramid(tmp_path: Path, shrink: int, darker: int) -> None:
    image = np.full((300, 400, 3), 200, np.uint8)
    write_pyramid(tmp_path / "slide.tif", image)
    windows = TiffWindows(tmp_path / "slide.tif")
    small = windows.read(whole_window((300, 400)), shrink)
    assert small.shape == (-(-300 // shrink), -(-400 // shrink), 3)
    assert (small == 200 // darker).all()
    small = windows.read((slice(64, 128), slice(128, 256)), shrink)
    assert small.shape == (64 // shrink, 128 // shrink, 3)


def test_tiles_that_are_not_stored_are_black(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "sparse.tif",
        iter([zlib.compress(SCENE[:64, :64].tobytes()), *[b""] * 34]),
        shape=(300, 400, 3),
        dtype=np.uint8,
        photometric="rgb",
        compression="zlib",
        **TILES,
    )
    found = TiffWindows(tmp_path / "sparse.tif").read(np.s_[:70, :140])
    assert not found[:, 64:].any()
    assert not found[64:].any()
    np.testing.assert_array_equal(found[:64, :64], SCENE[:64, :64])


def test_decoded_tiles_that_are_kept_have_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from instseg.files import tiff_level

    monkeypatch.setattr(tiff_level, "CACHE_BYTES", 5 * 64 * 64 * 3)
    path = write(tmp_path / "photo.tif", SCENE, {**TILES, "compression": "zlib"})
    windows = TiffWindows(path)
    np.testing.assert_array_equal(windows.read(whole_window((300, 400))), SCENE)
    np.testing.assert_array_equal(windows.read(PART), SCENE[PART])
    assert len(windows.levels[0]._cache) == 5


def test_what_cannot_be_read_in_windows_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"photo\.png: only TIFF files are read in windows"):
        TiffWindows(tmp_path / "photo.png")
    turned = [(274, "H", 1, 6, True)]
    write(tmp_path / "turned.tif", SCENE, {**TILES, "extratags": turned})
    with pytest.raises(InputError, match=r"turned\.tif: is stored rotated or mirrored"):
        TiffWindows(tmp_path / "turned.tif")
    bands = np.zeros((64, 64, 7), np.uint8)
    write(tmp_path / "bands.tif", bands, {"photometric": "minisblack", "planarconfig": "contig"})
    with pytest.raises(InputError, match=r"bands\.tif: 7 channels"):
        TiffWindows(tmp_path / "bands.tif")
    path = write(tmp_path / "short.tif", SCENE, {**TILES, "compression": "zlib"})
    path.write_bytes(path.read_bytes()[:-40_000])
    with pytest.raises(InputError, match=r"short\.tif: damaged or cut off"):
        TiffWindows(path).read(whole_window((300, 400)))


def test_shrinking_takes_the_mean_of_squares() -> None:
    image = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    small = shrunk(image, 4)
    assert small.shape == (2, 2, 3)
    for (y, x), value in np.ndenumerate(small[..., 1]):
        square = image[4 * y : 4 * y + 4, 4 * x : 4 * x + 4, 1]
        assert value == int(square.mean() + 0.5)
