"""`instseg.select` as a Python user calls it."""

import csv

import pytest

import instseg
from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import Notice, PhotoFailed
from instseg.files.listing import list_images
from instseg.scenes.scene import SceneConfig, write_scenes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three labelled scenes, and five more."""
    folder = tmp_path_factory.mktemp("scenes")
    config = SceneConfig(size_hw=(64, 64), objects=(1, 3))
    write_scenes(folder, 8, config)
    write_scenes(folder, 3, config)  # annotations of the first alone
    return folder


@pytest.fixture
def select(folder, tiny_weights, tmp_path):
    def select(**options):
        usual = {
            "photos": folder / "images",
            "weights": tiny_weights,
            "count": 3,
            "coco_json": folder / "annotations.json",
            "images": folder / "images",
            "out": tmp_path / "out",
            "device": "cpu",
        }
        return instseg.select(**{**usual, **options})

    return select


def test_a_list_and_a_table_of_photos_without_labels(select, folder):
    told = []
    found = select(on_event=told.append, copy_photos=True)
    paths = [each.path for each in found.photos]
    assert len(set(paths)) == 3
    assert {path.name for path in paths} <= {f"{i:06d}.jpg" for i in range(3, 8)}
    assert (found.looked_at, found.labelled, found.failed) == (5, 3, ())
    assert list_images([f"@{found.list_file}"]) == paths
    rows = list(csv.DictReader(found.table.open()))
    assert [row["photo"] for row in rows] == list(map(str, paths))
    assert [float(row["score"]) for row in rows] == [each.score for each in found.photos]
    assert all(row["reason"] for row in rows)
    copied = [(found.copies / path.name).read_bytes() for path in paths]
    assert copied == [path.read_bytes() for path in paths]
    assert any(isinstance(e, Notice) and "3 of 8 photos are labelled" in e.text for e in told)
    assert repr(found) == f"Selection(3 of 5 photos: {found.table})"
    assert "<td>" in found._repr_html_()
    assert select(data=folder / "annotations.json", coco_json=None).photos == found.photos


def test_a_broken_photo_is_told_and_all_others_can_be_chosen(select, folder, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"broken")
    told = []
    photos = [folder / "images", broken]
    found = select(photos=photos, coco_json=None, images=None, count=100, on_event=told.append)
    assert len(found.photos) == found.looked_at == 8
    assert found.failed == (str(broken),)
    (failed,) = (each for each in told if isinstance(each, PhotoFailed))
    assert str(broken) in failed.text
    assert any(isinstance(each, Notice) and "only 8 photos" in each.text for each in told)
    with pytest.raises(InputError, match="as all photos, cannot be read"):
        select(photos=broken)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count": 0}, "--count must be at least 1"),
        ({"images": None}, "--coco-json needs --images"),
        ({"data": "x"}, "as --coco-json or as --data"),
    ],
)
def test_what_does_not_go_together_is_one_line(select, options, words):
    with pytest.raises(ArgumentError) as caught:
        select(**options)
    assert words in caught.value.as_options()


def test_nothing_to_choose_from_is_one_line(select, folder):
    with pytest.raises(ArgumentError, match="all photos are labelled"):
        select(photos=folder / "images" / "000001.jpg")
