import os
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from instseg.core.errors import InputError
from instseg.files.depth import to_rgb8
from instseg.files.image import read_image
from instseg.files.image_kinds import can_read
from instseg.files.listing import list_images

# Six flat blocks of 16 x 16, which even JPEG keeps: no two corners alike, higher than wide.
BLOCKS = np.array(
    [[[250, 20, 30], [20, 200, 40]], [[30, 60, 220], [240, 230, 50]], [[90, 90, 90], [10, 10, 60]]],
    np.uint8,
)
PHOTO = BLOCKS.repeat(16, axis=0).repeat(16, axis=1)
GREY = PHOTO[..., 1].copy()
GREY_RGB = GREY[..., None].repeat(3, axis=2)
ALPHA = np.full_like(GREY, 255)
ALPHA[:16] = 0
ALPHA[16:32] = 51
OVER_WHITE = np.rint(
    PHOTO * (ALPHA[..., None] / 255) + 255.0 * (1 - ALPHA[..., None] / 255)
).astype(np.uint8)
GREY_OVER_WHITE = np.rint(GREY_RGB * (ALPHA[..., None] / 255) + 255.0 - ALPHA[..., None])


def saved(array: np.ndarray, mode: str = "", **options: object) -> Callable[[Path], None]:
    image = Image.fromarray(array)
    image = image.convert(mode) if mode else image
    return lambda path: image.save(path, **options)


def tiff(array: np.ndarray, **options: object) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(path, array, **options)


def without_extra_samples(array: np.ndarray) -> Callable[[Path], None]:
    """A TIFF of four bands that does not say what the fourth is."""

    def write(path: Path) -> None:
        tifffile.imwrite(path, array, photometric="rgb", extrasamples=["unassalpha"])
        data = path.read_bytes()
        entry = data.index(struct.pack("<HHI", 338, 3, 1))  # made a private tag, which none reads
        path.write_bytes(data[:entry] + struct.pack("<H", 60000) + data[entry + 2 :])

    return write


def palette_with_transparency(path: Path) -> None:
    image = Image.fromarray(GREY // 64)
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    image.save(path, transparency=bytes([255, 0, 255, 255]))


def twelve_bit_tiff(path: Path) -> None:
    """Two pixels of 12 bits, 0xFFF and 0x800, packed into three bytes."""
    tags = [(256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 134), (277, 1), (278, 1)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in [*tags, (279, 3)])
    head = b"II*\0" + struct.pack("<IH", 8, 9) + entries
    path.write_bytes(head.ljust(134, b"\0") + bytes([0xFF, 0xF8, 0x00]))


def deep_png(array: np.ndarray, colour_type: int) -> Callable[[Path], None]:
    """A 16-bit PNG, which Pillow can't write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    height, width = array.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + data) and None


def frames(path: Path) -> None:
    others = [Image.fromarray(255 - PHOTO)] * 2
    Image.fromarray(PHOTO).save(path, save_all=True, append_images=others)


WIDE = PHOTO.astype(np.uint16) * 257
RGBA = np.dstack([PHOTO, ALPHA])
DEEP_RGBA = RGBA.astype(np.uint16) * 257
PREMULTIPLIED = np.dstack([np.rint(PHOTO * (ALPHA[..., None] / 255)), ALPHA]).astype(np.uint8)
UNIT = PHOTO.astype(np.float32) / 255
BINARY = GREY > 100
KINDS = {
    "rgb.jpg": (saved(PHOTO, quality=95, subsampling=0), PHOTO),
    "progressive.jpg": (saved(PHOTO, quality=95, subsampling=0, progressive=True), PHOTO),
    "grey.jpg": (saved(GREY, quality=95, subsampling=0), GREY_RGB),
    "cmyk_adobe.jpg": (saved(PHOTO, "CMYK", quality=95, subsampling=0), PHOTO),
    "rgb.png": (saved(PHOTO), PHOTO),
    "rgba.png": (saved(RGBA), OVER_WHITE),
    "grey.png": (saved(GREY), GREY_RGB),
    "grey_alpha.png": (saved(np.dstack([GREY, ALPHA])), GREY_OVER_WHITE),
    "palette.png": (
        saved(PHOTO, "P"),
        np.asarray(Image.fromarray(PHOTO).convert("P").convert("RGB")),
    ),
    "one_bit.png": (saved(BINARY), np.where(BINARY[..., None], 255, 0).repeat(3, axis=2)),
    "grey16.png": (deep_png(WIDE[..., 1], 0), GREY_RGB),
    "rgb16.png": (deep_png(WIDE, 2), PHOTO),
    "rgba16.png": (deep_png(np.dstack([WIDE, ALPHA.astype(np.uint16) * 257]), 6), OVER_WHITE),
    "lossless.webp": (saved(PHOTO, lossless=True), PHOTO),
    "alpha.webp": (saved(RGBA, lossless=True, exact=True), OVER_WHITE),
    "rgb.bmp": (saved(PHOTO), PHOTO),
    "one_bit.bmp": (saved(BINARY), np.where(BINARY[..., None], 255, 0).repeat(3, axis=2)),
    "frames.gif": (frames, PHOTO),
    "rgb.tif": (tiff(PHOTO, photometric="rgb"), PHOTO),
    "lzw.tif": (saved(PHOTO, compression="tiff_lzw"), PHOTO),
    "cmyk.tif": (saved(PHOTO, "CMYK"), PHOTO),
    "big.tif": (tiff(PHOTO, photometric="rgb", bigtiff=True), PHOTO),
    "pages.tif": (frames, PHOTO),
    "rgba.tif": (tiff(RGBA, photometric="rgb", extrasamples=["unassalpha"]), OVER_WHITE),
    "grey16.tif": (tiff(WIDE[..., 1]), GREY_RGB),
    "grey16_big_endian.tif": (tiff(WIDE[..., 1].astype(">u2"), byteorder=">"), GREY_RGB),
    "white_is_zero16.tif": (tiff(~WIDE[..., 1], photometric="miniswhite"), GREY_RGB),
    "white_is_zero16_big_endian.tif": (
        tiff(~WIDE[..., 1].astype(">u2"), photometric="miniswhite", byteorder=">"),
        GREY_RGB,
    ),
    "rgb16.tif": (tiff(WIDE, photometric="rgb"), PHOTO),
    "planes16.tif": (
        tiff(np.moveaxis(WIDE, -1, 0).copy(), photometric="rgb", planarconfig="separate"),
        PHOTO,
    ),
    "twelve_bit.tif": (twelve_bit_tiff, np.array([[[255] * 3, [128] * 3]])),
    "unsigned32.tif": (tiff(GREY.astype(np.uint32) << 24), np.rint(GREY_RGB * (255 / 230))),
    "float01.tif": (tiff(UNIT[..., 1]), GREY_RGB),
    "float01_rgb.tif": (tiff(UNIT, photometric="rgb"), PHOTO),
    "half01_rgb.tif": (tiff(UNIT.astype(np.float16), photometric="rgb"), PHOTO),
    "float255_rgb.tif": (tiff(PHOTO.astype(np.float32), photometric="rgb"), PHOTO),
    "rgbx.tif": (tiff(RGBA, photometric="rgb", extrasamples=["unspecified"]), PHOTO),
    "rgb_and_band.tif": (without_extra_samples(RGBA), PHOTO),
    "rgb_and_band16.tif": (without_extra_samples(DEEP_RGBA), PHOTO),
    "rgbx16_planes.tif": (
        tiff(
            np.moveaxis(DEEP_RGBA, -1, 0).copy(),
            photometric="rgb",
            planarconfig="separate",
            extrasamples=["unspecified"],
        ),
        PHOTO,
    ),
    "rgba16_planes.tif": (
        tiff(
            np.moveaxis(DEEP_RGBA, -1, 0).copy(),
            photometric="rgb",
            planarconfig="separate",
            extrasamples=["unassalpha"],
        ),
        OVER_WHITE,
    ),
    "rgbx_float.tif": (
        tiff(RGBA / np.float32(255), photometric="rgb", extrasamples=["unspecified"]),
        PHOTO,
    ),
    "rgba_float.tif": (
        tiff(RGBA / np.float32(255), photometric="rgb", extrasamples=["unassalpha"]),
        OVER_WHITE,
    ),
    "premultiplied_float.tif": (
        tiff(PREMULTIPLIED / np.float32(255), photometric="rgb", extrasamples=["assocalpha"]),
        OVER_WHITE,
    ),
    "premultiplied.tif": (
        tiff(PREMULTIPLIED, photometric="rgb", extrasamples=["assocalpha"]),
        OVER_WHITE,
    ),
    "four_bands.tif": (tiff(RGBA, photometric="minisblack", planarconfig="contig"), PHOTO),
    "grey_and_band.tif": (
        tiff(RGBA[..., [1, 3]], photometric="minisblack", extrasamples=["unspecified"]),
        GREY_RGB,
    ),
    "grey_and_band16.tif": (
        tiff(DEEP_RGBA[..., [1, 3]], photometric="minisblack", extrasamples=["unspecified"]),
        GREY_RGB,
    ),
    "grey_alpha.tif": (
        tiff(RGBA[..., [1, 3]], photometric="minisblack", extrasamples=["unassalpha"]),
        GREY_OVER_WHITE,
    ),
    "cmyk16.tif": (
        tiff(
            np.dstack([65535 - WIDE, np.zeros_like(WIDE[..., 0])]),
            photometric="separated",
            planarconfig="contig",
        ),
        PHOTO,
    ),
    "float_deflate.tif": (tiff(UNIT, photometric="rgb", compression="zlib"), PHOTO),
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_image_becomes_rgb(name: str, tmp_path: Path) -> None:
    write, expected = KINDS[name]
    write(tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable
    tolerance = 4 if name.endswith(".jpg") else 1
    np.testing.assert_allclose(image.astype(int), expected, atol=tolerance)


def test_cmyk_photo_carries_the_adobe_marker(tmp_path: Path) -> None:
    KINDS["cmyk_adobe.jpg"][0](tmp_path / "a.jpg")
    assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()


def test_transparent_palette_entries_become_white(tmp_path: Path) -> None:
    palette_with_transparency(tmp_path / "a.png")
    colours = np.array([[255, 0, 0], [255, 255, 255], [0, 0, 255], [9, 9, 9]])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), colours[GREY // 64])


def stored_as(upright: np.ndarray, orientation: int) -> np.ndarray:
    """The pixels a camera would have stored with this EXIF orientation."""
    transposed = upright.transpose(1, 0, 2)
    return np.ascontiguousarray(
        {
            1: upright,
            2: upright[:, ::-1],
            3: upright[::-1, ::-1],
            4: upright[::-1],
            5: transposed,
            6: np.rot90(upright, 1),
            7: transposed[::-1, ::-1],
            8: np.rot90(upright, -1),
        }[orientation]
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "lzw.tif", "float.tif"])
def test_all_eight_orientations_give_the_same_picture(
    suffix: str, orientation: int, tmp_path: Path
) -> None:
    path = tmp_path / f"photo.{suffix}"
    stored = stored_as(PHOTO, orientation)
    exif = Image.Exif()
    exif[274] = orientation
    if suffix == "float.tif":
        tag = (274, "H", 1, orientation, True)
        tifffile.imwrite(path, stored / np.float32(255), photometric="rgb", extratags=[tag])
    elif suffix == "lzw.tif":
        Image.fromarray(stored).save(path, exif=exif, compression="tiff_lzw")
    else:
        Image.fromarray(stored).save(path, exif=exif, quality=95, subsampling=0, lossless=True)
    image = read_image(path)
    assert image.flags.c_contiguous
    np.testing.assert_allclose(image.astype(int), PHOTO, atol=4 if suffix == "jpg" else 1)


def png_header(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n\0\0\0\r" + header + struct.pack(">II", zlib.crc32(header), 9) + b"IDAT"
    )


def bad_files(folder: Path) -> dict[str, str]:
    """Write one file of each bad kind; say which words its message must have."""
    for name in ("cut.jpg", "cut.png", "cut.webp", "cut.tif", "cut.gif", "cut.bmp"):
        noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / name)
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) * 2 // 3])
    noise = np.random.default_rng(0).random((64, 64, 3), dtype=np.float32)
    tifffile.imwrite(folder / "cut_float.tif", noise, photometric="rgb")
    os.truncate(folder / "cut_float.tif", 9000)
    Image.fromarray(PHOTO).save(folder / "cut_lzw.tif", compression="tiff_lzw")
    os.truncate(folder / "cut_lzw.tif", 60)
    tifffile.imwrite(folder / "cut_deflate.tif", noise[..., 0] > 0.5, compression="zlib")
    os.truncate(folder / "cut_deflate.tif", (folder / "cut_deflate.tif").stat().st_size - 40)
    tifffile.imwrite(
        folder / "channels.tif",
        np.zeros((8, 8, 7), np.uint8),
        photometric="minisblack",
        planarconfig="contig",
    )
    (folder / "folder.jpg").mkdir()
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("<html>404 Not Found</html>")
    (folder / "huge.png").write_bytes(png_header(2_000_000, 2_000_000))
    (folder / "large.png").write_bytes(png_header(9_500, 9_500))
    (folder / "movie.webp").write_bytes(b"RIFF\0\0\0\0AVI LIST")
    return {
        "missing.jpg": "no such file",
        "folder.jpg": "folder",
        "empty.jpg": "empty",
        "text.jpg": "not an image",
        "movie.webp": "unknown kind",
        "huge.png": "2000000 x 2000000 pixels need",
        "large.png": "cut off",  # larger than Pillow likes, smaller than our limit
        "channels.tif": "7 channels",
        **{path.name: "cut off" for path in folder.glob("cut*")},
    }


def test_bad_files_get_one_line_that_names_them(tmp_path: Path) -> None:
    for name, words in bad_files(tmp_path).items():
        with warnings.catch_warnings(), pytest.raises(InputError) as caught:
            warnings.simplefilter("error")
            read_image(tmp_path / name)
        message = str(caught.value)
        assert message.startswith(f"{tmp_path / name}: ")
        assert words in message
        assert "\n" not in message


def test_nothing_is_printed_about_bad_files_and_bad_metadata(tmp_path: Path) -> None:
    bad_files(tmp_path)
    exif = b"Exif\0\0II*\0\x08\0\0\0\x02\0" + struct.pack("<HHII", 274, 3, 1, 6) + b"cut"
    Image.fromarray(PHOTO).save(tmp_path / "odd.png", exif=exif[6:])
    Image.fromarray(PHOTO).save(tmp_path / "odd.jpg", exif=exif)
    code = """
import pathlib, sys
from instseg.core.errors import InputError
from instseg.files.image import read_image
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        read_image(path)
    except InputError:
        continue
    print(path.name)
"""
    command = [sys.executable, "-W", "always", "-c", code, str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.split() == ["odd.jpg", "odd.png"]
    assert done.stderr == ""


def test_libtiff_and_pillow_are_only_quiet_while_a_photo_is_read(tmp_path: Path) -> None:
    """What libtiff says of damaged strips goes to the terminal by itself, from C."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.tif", compression="tiff_lzw")
    data = bytearray((tmp_path / "a.tif").read_bytes())
    for i in range(200, 700):
        data[i] = (data[i] * 7 + 13) % 256
    (tmp_path / "a.tif").write_bytes(bytes(data))
    code = """
import sys, warnings
from PIL import Image
from instseg.core.errors import InputError
from instseg.files.image import read_image
before = list(warnings.filters)
try:
    read_image(sys.argv[1])
except InputError as error:
    print(error)
print(warnings.filters == before)
print("now Pillow itself:", file=sys.stderr, flush=True)
try:
    Image.open(sys.argv[1]).load()
except OSError:
    pass
"""
    command = [sys.executable, "-c", code, str(tmp_path / "a.tif")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert "a.tif: damaged" in done.stdout
    assert done.stdout.endswith("\nTrue\n")
    assert done.stderr.startswith("now Pillow itself:\n")
    assert "not yet in table" in done.stderr


def test_pipes_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(InputError, match=r"pipe\.jpg: is a pipe or a device"):
        read_image(tmp_path / "pipe.jpg")


def test_a_gif_larger_than_pillows_limit_but_within_ours(tmp_path: Path) -> None:
    Image.new("P", (14_000, 13_000)).save(tmp_path / "large.gif")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(tmp_path / "large.gif").shape == (13_000, 14_000, 3)


@pytest.mark.skipif(not can_read("AVIF"), reason="this Pillow reads no AVIF")
@pytest.mark.parametrize("orientation", [1, 6])
def test_avif(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(stored_as(PHOTO, orientation))
    stored.save(tmp_path / "a.avif", quality=100, exif=exif, subsampling="4:4:4")
    np.testing.assert_allclose(read_image(tmp_path / "a.avif").astype(int), PHOTO, atol=8)
    assert list_images([tmp_path]) == [tmp_path / "a.avif"]


def test_heic_where_the_plugin_is_installed(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.fromarray(PHOTO)).save(tmp_path / "a.heic", quality=-1)
    np.testing.assert_allclose(read_image(tmp_path / "a.heic").astype(int), PHOTO, atol=8)


def test_heic_without_the_plugin_says_what_to_install(tmp_path: Path) -> None:
    if can_read("HEIC"):
        pytest.skip("the plugin is installed")
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
    with pytest.raises(InputError, match=r"a\.heic: HEIC .* pip install 'instseg\[images\]'"):
        read_image(tmp_path / "a.heic")


def test_complex_numbers_are_no_photo(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "radar.tif", np.ones((8, 9), np.complex64))
    with pytest.raises(InputError, match=r"radar.tif: .*complex numbers"):
        read_image(tmp_path / "radar.tif")


def test_bands_of_real_tiffs(shared_cases: Path) -> None:
    folder = shared_cases / "18b-tiff-bands"
    expected = read_image(folder / "rgb.png").astype(int)
    for path in sorted(folder.glob("*.tif")):
        np.testing.assert_allclose(read_image(path), expected, atol=1, err_msg=path.name)


def test_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "private.png"
    Image.fromarray(PHOTO).save(path)
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(InputError, match=r"private\.png: cannot be opened .*permission"):
            read_image(path)
    finally:
        os.seteuid(user)


def test_pixel_limit_holds_for_every_reader(tmp_path: Path) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "a.jpg")
    tifffile.imwrite(tmp_path / "a.tif", UNIT, photometric="rgb")
    for name in ("a.jpg", "a.tif"):
        assert read_image(tmp_path / name, max_pixels=48 * 32).shape == (48, 32, 3)
        with pytest.raises(InputError, match=r"32 x 48 pixels .* limit of 1,535"):
            read_image(tmp_path / name, max_pixels=48 * 32 - 1)


def test_threads_read_the_same_pixels(tmp_path: Path) -> None:
    for name, (write, _) in KINDS.items():
        write(tmp_path / name)
    paths = [tmp_path / name for name in KINDS]
    alone = [read_image(path) for path in paths]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(read_image, paths * 4))
    for one, other in zip(alone * 4, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_real_photos_equal_plain_pillow(coco_dir: Path) -> None:
    for path in sorted(coco_dir.glob("val2017/*.jpg"))[:10]:
        with Image.open(path) as image:
            expected = np.array(image.convert("RGB"))
        np.testing.assert_array_equal(read_image(path), expected)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[False, True]]), [0, 255]),
        (np.array([[7, 200]], np.uint8), [7, 200]),
        (np.array([[256, 65535]], np.uint16), [1, 255]),
        (np.array([[0.2, 1.0]]), [51, 255]),
        (np.array([[0.0, 0.5]]), [0, 128]),
        (np.array([[51.0, 200.0]]), [51, 200]),
        (np.array([[257.0, 65535.0]]), [1, 255]),
        (np.array([[20000.0, 100000.0]]), [51, 255]),
        (np.array([[np.nan, 1.0]]), [0, 255]),
        (np.array([[-3, 100]], np.int32), [0, 100]),
        (np.array([[-4.0, -1.0]]), [0, 0]),
    ],
)
def test_numbers_are_scaled_by_depth(array: np.ndarray, expected: list[int]) -> None:
    np.testing.assert_array_equal(to_rgb8(array)[0], np.array(expected)[:, None].repeat(3, axis=1))


@pytest.mark.filterwarnings("error")
def test_broken_floats_are_dark_and_say_nothing() -> None:
    bits = np.array([[0x7F800001, 0x7F800000, 0x3F800000]], dtype=np.uint32)  # NaN, infinity, 1
    assert to_rgb8(bits.view(np.float32))[0, :, 0].tolist() == [0, 0, 255]


def test_array_layouts() -> None:
    np.testing.assert_array_equal(to_rgb8(GREY[..., None]), GREY_RGB)
    np.testing.assert_allclose(to_rgb8(RGBA).astype(int), OVER_WHITE, atol=1)
    np.testing.assert_allclose(
        to_rgb8(np.dstack([GREY, ALPHA])).astype(int), GREY_OVER_WHITE, atol=1
    )
    assert to_rgb8(np.zeros((0, 5), np.float32)).shape == (0, 5, 3)
    for shape in ((4,), (4, 4, 5), (2, 4, 4, 3)):
        with pytest.raises(ValueError, match="expected numbers of shape"):
            to_rgb8(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("name", ["a\0b.jpg", "\ud800.jpg"])
def test_what_no_file_can_be_called_is_one_line(name):
    with pytest.raises(InputError, match="is no name of a file") as caught:
        read_image(name)
    assert str(caught.value).isprintable()
    assert repr(name)[1:-1] in str(caught.value)
