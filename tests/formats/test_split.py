"""`instseg.split`."""

import json
import random
import shutil

import numpy as np
import pytest
from boxed_photos import document, read, write_dataset, write_photo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from instseg import InputError, make_scenes, split
from instseg.formats.convert import read_labels

MANY = {f"{n:02}.jpg": ["cat"] * (n % 3) + ["dog"] * (n % 2) for n in range(40)}
VIDEOS = {f"v{n % 5}/{n:02}.jpg": ["cat"] for n in range(40)}


def parted(folder):
    """The photos of each split."""
    return {name: set(own) for name, own in read(folder).items()}


def test_the_splits_share_all_photos_with_their_objects(tmp_path):
    source = write_dataset(tmp_path / "a.json", MANY)
    told = []
    done = split(source, tmp_path / "out", on_event=told.append)
    found = read(tmp_path / "out")
    assert [*found] == ["test", "train", "val"]
    assert {k: v for own in found.values() for k, v in own.items()} == {
        name: sorted(own) for name, own in MANY.items()
    }
    assert done.images == {"train": 32, "val": 4, "test": 4}
    assert done.objects["dog"] == {"train": 16, "val": 2, "test": 2}
    words = "train 32 images, val 4 images, test 4 images; 2 classes"
    assert repr(done) == f"DatasetSplit('{tmp_path / 'out'}': {words})"
    assert "<td>16</td><td>2</td><td>2</td>" in done._repr_html_()
    assert done.classes_csv.is_file()
    assert any("40 photos not found" in getattr(event, "text", "") for event in told)


def test_the_order_of_the_file_does_not_matter_and_the_seed_does(tmp_path):
    content = document(MANY)
    results = []
    for number, seed in enumerate((0, 0, 1)):
        random.Random(number).shuffle(content["images"])
        random.Random(number).shuffle(content["annotations"])
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(content))
        split(path, tmp_path / str(number), seed=seed)
        results.append(parted(tmp_path / str(number)))
    assert results[0] == results[1] != results[2]


def test_classes_of_drawn_scenes_have_their_shares(tmp_path):
    scenes = make_scenes(out=tmp_path / "scenes", images=60, size=64)
    done = split(scenes.coco_json, tmp_path / "out", val=0.25, test=0)
    assert done.images == {"train": 45, "val": 15}
    for name, own in done.objects.items():
        number = sum(own.values())
        assert number < 8 or abs(own["val"] / number - 0.25) < 0.15, (name, own)
        assert number < 2 or own["train"], (name, own)


def test_photos_of_a_group_stay_together(tmp_path):
    folders = write_dataset(tmp_path / "a.json", VIDEOS)
    ids = {name: int(name[1]) for name in VIDEOS if name[1] != "4"}
    fields = write_dataset(tmp_path / "b.json", VIDEOS, video_id=ids, day=ids)
    for number, (source, options, alone) in enumerate(
        [
            (folders, {"by": "group"}, 0),
            (folders, {"by": "group", "group_pattern": r"^v(\d)"}, 0),
            (folders, {"by": "group", "group_pattern": "v[0-3]"}, 8),
            (fields, {"by": "group", "group_field": "day"}, 8),
            (fields, {"by": "video"}, 8),
        ]
    ):
        told = []
        out = tmp_path / f"out{number}"
        done = split(source, out, val=0.2, test=0, copies=False, on_event=told.append, **options)
        splits = [{name[:2] for name in own} for own in parted(out).values()]
        shared = set.intersection(*splits)
        assert shared <= ({"v4"} if alone else set()), options
        assert done.together == 40 - alone
        words = f"{alone} photos in no {options['by']}, each by itself"
        assert any(words in getattr(event, "text", "") for event in told) == bool(alone)
        assert done.images == {"train": 32, "val": 8}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": -1}, "seed=-1 must be at least 0"),
        ({"by": "video"}, "no photo has the field video_id, neither v0/00.jpg"),
        ({"by": "group", "group_field": "day"}, "no photo has the field day"),
        ({"by": "group", "group_pattern": r"(\d{4})"}, "no photo has a name that group_pattern"),
        ({"by": "group", "group_pattern": "("}, "must be a regular expression"),
        ({"group_pattern": "v"}, "group_pattern needs by group"),
        ({"by": "group", "group_pattern": "v", "group_field": "day"}, "not both"),
        ({"val": 0.5, "test": 0.5}, "must leave photos for training"),
        ({"val": 0, "test": 0}, "must leave photos for training"),
        ({"val": 2}, "must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, options, words):
    source = write_dataset(tmp_path / "a.json", VIDEOS)
    with pytest.raises(InputError, match=words.replace("(", r"\(")):
        split(source, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_copies_and_photos_that_look_alike_stay_together(tmp_path):
    names = [f"{n:02}.png" for n in range(12)]
    for number, name in enumerate(names):
        write_photo(tmp_path / "images" / name, number)
    shutil.copy(tmp_path / "images" / "00.png", tmp_path / "images" / "copy.png")
    with Image.open(tmp_path / "images" / "01.png") as photo:
        photo.save(tmp_path / "images" / "again.jpg", quality=80)
    own = {name: ["cat"] for name in [*names, "copy.png", "again.jpg"]}
    source = write_dataset(tmp_path / "a.json", own)
    for seed in range(6):
        done = split(source, tmp_path / f"out{seed}", val=0.4, test=0, seed=seed)
        assert done.together == 4
        for photos in parted(tmp_path / f"out{seed}").values():
            assert ("00.png" in photos) == ("copy.png" in photos)
            assert ("01.png" in photos) == ("again.jpg" in photos)
    assert split(source, tmp_path / "apart", copies=False).together == 0


def test_splits_that_are_there_are_kept_unless_asked(tmp_path):
    for name, start in (("train", 0), ("val", 30)):
        write_dataset(tmp_path / "set" / f"{name}.json", dict([*MANY.items()][start : start + 30]))
    with pytest.raises(InputError, match=r"is split already \(train 30 photos, val 10 photos\)"):
        split(tmp_path / "set", tmp_path / "out")
    assert split(tmp_path / "set", tmp_path / "out", again=True).images["train"] == 32
    one = split(tmp_path / "set" / "train.json", tmp_path / "one", test=0)
    assert one.images == {"train": 27, "val": 3}


def test_other_formats_are_read_and_written(tmp_path):
    for name in MANY:
        write_photo(tmp_path / "images" / name, int(name[:2]))
    source = write_dataset(tmp_path / "a.json", MANY)
    split(source, tmp_path / "yolo", to="yolo", copy_photos=True)
    assert len([*(tmp_path / "yolo" / "images" / "val").iterdir()]) == 4
    again = split(tmp_path / "yolo", tmp_path / "coco", again=True, val=0.5, test=0)
    assert (again.source_format, again.images) == ("yolo", {"train": 20, "val": 20})
    labels, _ = read_labels(tmp_path / "coco", again.photos)
    assert labels.splits == ["train", "val"]
    assert all((labels.photos / image["file_name"]).is_file() for image in labels.images)


def test_a_file_is_not_enough_for_several_splits(tmp_path):
    source = write_dataset(tmp_path / "a.json", MANY)
    with pytest.raises(InputError, match=r"out.json: the splits are several files; name a folder"):
        split(source, tmp_path / "out.json")
    one = write_dataset(tmp_path / "b.json", {"a.jpg": ["cat"]})
    with pytest.raises(InputError, match="has 1 photo, nothing to split"):
        split(one, tmp_path / "out")


def test_what_a_split_lacks_is_told(tmp_path):
    source = write_dataset(tmp_path / "a.json", MANY | {"one.jpg": ["owl"], "two.jpg": ["owl"]})
    told = []
    done = split(source, tmp_path / "out", on_event=told.append)
    assert done.objects["owl"] == {"train": 1, "val": 1, "test": 0}
    words = "test has no objects of 1 class, which too few photos show: owl"
    assert words in [getattr(event, "text", "") for event in told]
    two = write_dataset(tmp_path / "b.json", {"a.jpg": ["cat"], "b.jpg": ["cat"]})
    split(two, tmp_path / "two", on_event=told.append)
    words = "test has no photo: there are too few photos or groups, as train keeps"
    assert f"{words} a photo of each class" in [getattr(event, "text", "") for event in told]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(
    st.dictionaries(
        st.from_regex(r"[ab]/[0-9]{1,2}\.jpg", fullmatch=True),
        st.lists(st.sampled_from(["cat", "dog", "owl"]), max_size=4),
        min_size=2,
        max_size=25,
    ),
    st.integers(0, 9),
)
def test_every_photo_is_in_one_split_and_train_has_every_class(tmp_path_factory, photos, seed):
    folder = tmp_path_factory.mktemp("drawn")
    source = write_dataset(folder / "a.json", photos, ["cat", "dog", "owl"])
    done = split(source, folder / "out", seed=seed, copies=False)
    own = [name for names in parted(folder / "out").values() for name in names]
    assert sorted(own) == sorted(photos)
    for objects in done.objects.values():
        assert objects["train"] or not any(objects.values())


def test_real_photos(photos_dir, tmp_path):
    source = photos_dir / "annotations" / "instances_val2017.json"
    done = split(source, tmp_path / "out", val=0.2, test=0)
    assert sum(done.images.values()) == 79
    assert 14 <= done.images["val"] <= 24
    content = json.loads(source.read_text())
    counts = np.array([[own["train"], own["val"]] for own in done.objects.values()])
    assert counts.sum() == sum(not each["iscrowd"] for each in content["annotations"])
    assert (counts[:, 0] > 0).sum() == (counts.sum(axis=1) > 0).sum()
