"""File names that almost match."""

import unicodedata
from pathlib import Path

import pytest

from instseg.files.coco_json import match_image_ids
from instseg.files.near_names import files_under, near_names, same_stem

NFD = unicodedata.normalize("NFD", "été.jpg")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("images\\x.jpg", "x.jpg"),
        ("images\\x.jpg", "images/x.jpg"),
        ("a%20b%281%29.jpg", "a b(1).jpg"),
        ("x.JPG", "x.jpg"),
        ("X.jpg", "x.jpg"),
        ("été.jpg", NFD),
        (NFD, "été.jpg"),
        ("train/x.jpg", "x.jpg"),
        ("x.jpg", "train/x.jpg"),
        ("/home/me/data/train/x.jpg", "train/x.jpg"),
        ("C:\\data\\x.jpg", "x.jpg"),
        ("http://a.org/val/x.jpg", "x.jpg"),
        ("D:\\Photos\\%C3%A9t%C3%A9.JPG", "photos/" + NFD),
    ],
)
def test_the_near_match_is_found(name, file):
    near = near_names([name], [file, "other.jpg"])
    assert (near.found, near.ambiguous) == ({name: file}, {})


@pytest.mark.parametrize(
    ("names", "files", "ambiguous"),
    [
        (["x.jpg"], ["a/x.jpg", "b/x.jpg"], {"x.jpg": ["a/x.jpg", "b/x.jpg"]}),
        (["X.jpg"], ["x.jpg", "x.JPG"], {"X.jpg": ["x.jpg", "x.JPG"]}),
        (["a/x.jpg", "b/x.jpg"], ["x.jpg"], {"a/x.jpg": ["x.jpg"], "b/x.jpg": ["x.jpg"]}),
        (["x.jpg", "old/x.jpg"], ["x.jpg"], {"old/x.jpg": ["x.jpg"]}),
        (["val/x.jpg"], ["train/x.jpg"], {}),
        (["../x.jpg"], ["x.jpg"], {}),
        (["y.jpg", ""], ["x.jpg"], {}),
    ],
)
def test_what_is_ambiguous_is_not_guessed(names, files, ambiguous):
    near = near_names(names, files)
    assert (near.found, near.ambiguous) == ({}, ambiguous)


def test_the_longest_common_end_decides():
    near = near_names(["d/train/1.jpg"], ["x/d/train/1.jpg", "train/1.jpg", "1.jpg"])
    assert near.found == {"d/train/1.jpg": "x/d/train/1.jpg"}


def test_files_are_listed_with_their_folders(tmp_path):
    for name in ("b.jpg", "a/c.jpg", "a/d/e.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert files_under(tmp_path) == ["b.jpg", "a/c.jpg", "a/d/e.jpg"]


def test_stems_are_compared_without_capitals_and_accents():
    assert same_stem(NFD.upper()) == same_stem("%C3%A9t%C3%A9.jpg") != same_stem("ete.jpg")


def test_images_of_a_dataset_are_matched_by_near_names():
    ids = {"images\\a b.jpg": 1, "images\\été.JPG": 2, "c.jpg": 3}
    files = ["photos/a%20b.jpg", NFD, "C.JPG", "d.jpg"]
    assert match_image_ids(ids, files) == {files[0]: 1, NFD: 2, "C.JPG": 3}


def test_linked_folders_are_followed_once(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.jpg").touch()
    (elsewhere / "loop").symlink_to(elsewhere)
    root = tmp_path / "data"
    root.mkdir()
    (root / "images").symlink_to(elsewhere)
    (root / "above").symlink_to(tmp_path)
    (root / "again").symlink_to(root / "images")
    assert [Path(name).name for name in files_under(root)] == ["a.jpg"]
