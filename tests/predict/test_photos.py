"""How photos and their pictures are called."""

import os
from pathlib import Path

from instseg.predict.photos import name_photos, shorten


def test_names_mirror_the_folders_and_never_collide(tmp_path):
    files = [tmp_path / "x" / name for name in ("a/1.jpg", "a/2.jpg", "b/1.jpg", "b/1.png")]
    named = name_photos([*files, tmp_path / "x" / "b" / ".." / "a" / "1.jpg"])
    assert [photo.name for photo in named] == ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/1.png"]
    assert [photo.picture for photo in named] == ["a/1", "a/2", "b/1.jpg", "b/1.png"]
    assert name_photos(files[:1])[0].name == "1.jpg"
    own = name_photos([tmp_path / "x" / "labels" / "1.jpg", tmp_path / "x" / "1.jpg"])
    assert [photo.picture for photo in own] == ["x/labels/1", "x/1"]
    alike = [tmp_path / name for name in ("a.png", "a.jpg", "a.jpg.tif", "b.jpg")]
    for paths in (alike, alike[::-1]):
        pictures = {photo.name: photo.picture for photo in name_photos(paths)}
        assert pictures == {
            "a.png": "a.png",
            "a.jpg": "a.jpg",
            "a.jpg.tif": "a.jpg.tif",
            "b.jpg": "b",
        }


def test_no_picture_has_the_name_of_a_folder(tmp_path):
    named = name_photos([tmp_path / "a.jpg", tmp_path / "a.png" / "b.jpg"])
    assert [photo.picture for photo in named] == ["a.jpg", "a.png/b"]
    both = [tmp_path / name for name in ("a.jpg", "a.png/b.jpg", "a.jpg.png/b.jpg")]
    assert [photo.picture for photo in name_photos(both)] == ["a.jpg~", "a.png/b", "a.jpg.png/b"]


def test_pictures_names_are_short_enough_and_differ(tmp_path):
    (longer,) = name_photos([tmp_path / f"{'a' * 251}.jpg"])
    assert len(f"{longer.picture}.geojson") == 255
    stem = "\u00e4" * 123  # 246 bytes
    alone = name_photos([tmp_path / f"{stem}.jpg"])
    assert alone[0].picture == stem
    pair = name_photos([tmp_path / f"{stem}.jpg", tmp_path / f"{stem}.png"])
    pictures = {photo.picture for photo in pair}
    assert len(pictures) == 2
    assert all(len(f"{picture}.geojson".encode()) <= 255 for picture in pictures)
    assert [photo.name for photo in pair] == [f"{stem}.jpg", f"{stem}.png"]


def test_names_that_are_not_utf8(tmp_path):
    paths = [Path(os.fsdecode(os.fsencode(tmp_path) + name)) for name in (b"/\xe4.jpg", b"/b.jpg")]
    named = name_photos(paths)
    assert [photo.name for photo in named] == ["\\xe4.jpg", "b.jpg"]
    assert [photo.path for photo in named] == paths
    twin = tmp_path / "\\xe4.jpg"
    assert len({photo.name for photo in name_photos([*paths, twin])}) == 3


def test_shorten_cuts_between_letters_and_tells_names_apart():
    assert shorten("short", 10) == "short"
    one, other = (shorten("\u00e4" * 30 + end, 20) for end in "ab")
    assert one != other
    assert len(one.encode()) <= 20
    assert one.startswith("\u00e4" * 5)
