"""Masks of instances, as scikit-image, cellpose and the Data Science Bowl have them."""

import json

import numpy as np
import pytest
import tifffile
from coco_documents import SIZE_HW, donut, sound, write_photos
from round_trip import assert_same

from instseg import InputError, convert
from instseg.files.image_writing import write_image
from instseg.formats.convert import read_labels
from instseg.formats.shapes import mask_of


def numbers(first=1, second=2):
    found = np.zeros(SIZE_HW, np.uint16)
    found[5:15, 5:15] = first
    found[donut()] = second
    return found


def dataset(root, pixels=None, *, photo="images/a.png", mask="masks/a.png"):
    write_image(root / photo, np.zeros((*SIZE_HW, 3), np.uint8))
    write_image(root / mask, numbers() if pixels is None else pixels)
    return root


def read(path, **options):
    return read_labels(path, **options)[0]


def named(labels):
    names = labels.class_names()
    return [names[each["category_id"]] for each in labels.annotations]


def test_numbers_alone_are_objects_of_one_class(tmp_path):
    labels, read_as = read_labels(dataset(tmp_path))
    assert read_as.name == "instance-png"
    assert named(labels) == ["object", "object"]
    assert (mask_of(labels.annotations[1], SIZE_HW).dense(0) == donut()).all()
    assert named(read(tmp_path, values="1=cell")) == ["cell", "cell"]


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_masks_of_cellpose(tmp_path, kind):
    write_image(tmp_path / "a 1.png", np.zeros((*SIZE_HW, 3), np.uint8))
    tifffile.imwrite(tmp_path / "a 1_cp_masks.tif", numbers().astype(kind), compression="zlib")
    labels, read_as = read_labels(tmp_path)
    assert read_as.name == "instance-png"
    assert labels.images[0]["file_name"] == "a 1.png"
    assert len(labels.annotations) == 2


def test_masks_of_8_bits_are_known_by_their_name(tmp_path):
    dataset(tmp_path, numbers().astype(np.uint8), photo="a.png", mask="a_masks.png")
    labels, read_as = read_labels(tmp_path)
    assert read_as.name == "instance-png"
    assert named(labels) == ["object", "object"]


def test_a_folder_for_each_photo(tmp_path):
    """The Data Science Bowl 2018: images/ with one photo, and masks/ with one for each object."""
    for name in ("0a1b", "ff00"):
        own = tmp_path / "stage1_train" / name
        write_image(own / "images" / f"{name}.png", np.zeros((*SIZE_HW, 4), np.uint8))
        (own / "masks").mkdir()
    for n in (1, 2):
        pixels = np.where(numbers() == n, 255, 0).astype(np.uint8)
        write_image(tmp_path / "stage1_train" / "0a1b" / "masks" / f"{n}{n}.png", pixels)
    write_image(tmp_path / "stage1_train" / "0a1b" / "masks" / "3.png", np.ones((3, 4), np.uint8))
    labels, read_as = read_labels(tmp_path)
    assert read_as.name == "instance-png"
    assert [image["split"] for image in labels.images] == ["train", "train"]
    assert named(labels) == ["object", "object"]
    assert (mask_of(labels.annotations[1], SIZE_HW).dense(0) == donut()).all()
    assert "masks of another size than their photo: left out (1;" in labels.notes[0]
    assert named(read(tmp_path, values="1=nucleus")) == ["nucleus", "nucleus"]


def test_classes_in_the_numbers(tmp_path):
    root = dataset(tmp_path, numbers(7_001, 12_000))
    assert named(read(root)) == ["class 7", "class 12"]
    assert named(read(root, values="7=cup,12=dog")) == ["cup", "dog"]
    crowds = dataset(tmp_path / "crowds", numbers(7, 12_000))
    labels = read(crowds, values="7=cup,12=dog")
    assert [each["iscrowd"] for each in labels.annotations] == [1, 0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("masks/a.json", '{"1": "cup", "2": "dog"}'),
        ("masks/a.json", '[{"id": 1, "class": "cup"}, {"id": 2, "class": "dog"}]'),
        ("masks/a.csv", "label,name\n1,cup\n2,dog\n"),
        ("instances.csv", "file,number,class\nmasks/a.png,1,cup\nmasks\\a.png,2,dog\n"),
    ],
)
def test_classes_in_a_table(tmp_path, name, text):
    root = dataset(tmp_path)
    (root / name).write_text(text)
    assert named(read(root, from_format="instance-png")) == ["cup", "dog"]


def test_tables_that_do_not_fit_are_told(tmp_path):
    root = dataset(tmp_path)
    (root / "instances.csv").write_text("file,number,class\nmasks/a.png,1,cup\nmasks/a.png,9,dog\n")
    notes = "\n".join(read(root).notes)
    assert "objects without pixels: left out (1;" in notes
    assert "numbers that are not in the table: left out (1;" in notes
    (root / "instances.csv").write_text("file,number,class\nmasks/a.png,one,cup\n")
    with pytest.raises(InputError, match="expected a number and a class"):
        read(root, from_format="instance-png")


def test_masks_of_another_size_are_told(tmp_path):
    dataset(tmp_path)
    dataset(tmp_path, np.ones((5, 6), np.uint16), photo="images/b.png", mask="masks/b.png")
    labels = read(tmp_path)
    assert len(labels.images) == 1
    assert "masks of another size than their photo: left out with it (1;" in labels.notes[0]


def test_photos_of_16_bits_are_no_masks(tmp_path):
    rng = np.random.default_rng(0)
    write_image(tmp_path / "a.png", rng.integers(0, 65535, SIZE_HW, dtype=np.uint16))
    with pytest.raises(InputError, match="none of the known formats"):
        read(tmp_path)


def test_everything_that_the_format_holds_comes_back(tmp_path):
    document = sound()
    document["annotations"][0] |= {"score": 0.25, "track_id": 4}
    document["images"][1]["split"] = "val"
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] != 30]
    source = tmp_path / "a.json"
    source.write_text(json.dumps(document))
    write_photos(tmp_path / "images")
    done = convert(source, tmp_path / "out", to="instance-png", copy_photos=True)
    before, after = read(source), read(done.path)
    assert_same(before, after, iou=1.0)
    fields = ("id", "score", "track_id", "iscrowd", "category_id")
    assert [[a.get(f) for f in fields] for a in after.annotations] == [
        [a.get(f) for f in fields] for a in before.annotations
    ]
    assert after.splits == ["val"]
    assert after.photos == done.path
