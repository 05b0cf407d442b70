"""Folders of label maps, as tools and people lay them out."""

import json

import numpy as np
import pytest
from coco_documents import SIZE_HW, donut, sound, write_photos
from PIL import Image

from instseg import InputError, convert
from instseg.files.image_writing import write_image
from instseg.files.stored_values import read_stored
from instseg.formats.convert import read_labels
from instseg.formats.shapes import mask_of

VALUES = "1=cup,2=dog"


def values():
    """Two cups that are apart, and a dog with a hole; 255 is ignored."""
    found = np.zeros(SIZE_HW, np.uint8)
    found[5:15, 5:15] = found[5:15, 30:40] = 1
    found[donut()] = 2
    found[50:, :20] = 255
    return found


def dataset(root, pixels=None, *, photo="images/a.jpg", mask="masks/a.png"):
    pixels = values() if pixels is None else pixels
    for name, picture in ((photo, np.zeros((*SIZE_HW, 3), np.uint8)), (mask, pixels)):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path.with_suffix(".png"), picture)
        path.with_suffix(".png").rename(path)
    return root


def read(path, **options):
    return read_labels(path, **{"values": VALUES, **options})[0]


def test_parts_of_a_class_are_objects(tmp_path):
    labels, read_as = read_labels(dataset(tmp_path), values=VALUES)
    assert read_as.name == "label-map"
    first, second, dog = labels.annotations
    assert [first["bbox"], second["bbox"]] == [[5, 5, 10, 10], [30, 5, 10, 10]]
    assert (mask_of(dog, SIZE_HW).dense(0) == donut()).all()
    assert labels.class_names() == {1: "cup", 2: "dog"}
    assert labels.images[0]["file_name"] == "images/a.jpg"
    assert not labels.notes


@pytest.mark.parametrize(
    ("photo", "mask", "split"),
    [
        ("images/train/a.jpg", "labels/train/a.png", "train"),
        ("valid/images/a b.jpg", "valid/masks/a b.png", "val"),
        ("images/training/ä.jpg", "annotations/training/ä.png", "train"),
        ("test/a.jpg", "testannot/a.png", None),
        ("train/a.jpg", "train/a_mask.png", "train"),
        ("a.jpg", "a.png", None),
        ("photos/a.jpg", "gt/a_label.png", None),
    ],
)
def test_photos_are_found(tmp_path, photo, mask, split):
    labels = read(dataset(tmp_path, photo=photo, mask=mask))
    assert [(i["file_name"], i.get("split")) for i in labels.images] == [(photo, split)]
    assert len(labels.annotations) == 3


def test_photos_elsewhere(tmp_path):
    root = dataset(tmp_path, photo="photos/a.jpg", mask="maps/a.png")
    labels = read(root / "maps", images=root / "photos")
    assert labels.images[0]["file_name"] == "a.jpg"
    alone = read(root / "maps")
    assert alone.photos is None
    assert "masks without a photo" in alone.notes[0]


def test_it_must_be_said_what_values_mean(tmp_path):
    with pytest.raises(InputError, match=r"masks: is it masks of classes\?.*--values 1=cat,2=dog"):
        read(dataset(tmp_path / "masks"), values=None)


def test_values_of_no_class_are_told_and_255_may_be_a_class(tmp_path):
    root = dataset(tmp_path)
    assert "values of no class: left out (1;" in read(root, values="1=cup").notes[0]
    assert len(read(root, values="0=BG,1=ignore,255=dog").annotations) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.csv", "source_id,name,id\n5,cup,1\n6,dog,2\n"),
        ("class_dict.csv", "name,r,g,b\nvoid,0,0,0\ncup,1,1,1\ndog,2,2,2\n"),
        ("label_colors.txt", "0 0 0 background\n1 1 1 cup\n2 2 2 dog\n"),
        ("labelmap.txt", "background:0,0,0::\ncup:::\ndog:::\n"),
    ],
)
def test_tables_of_tools(tmp_path, name, text):
    root = dataset(tmp_path)
    (root / name).write_text(text)
    labels = read(root, values=None)
    assert labels.class_names() == {1: "cup", 2: "dog"}
    assert len(labels.annotations) == 3


def test_colours(tmp_path):
    colours = np.zeros((*SIZE_HW, 3), np.uint8)
    colours[donut()] = (255, 0, 16)
    root = dataset(tmp_path, colours)
    given = read(root, values="#ff0010=dog", from_format="label-map")
    (root / "label_colors.txt").write_text("255 0 16 dog\n0 0 0 background\n")
    table, read_as = read_labels(root)
    assert read_as.name == "label-map"
    for labels in (given, table):
        assert labels.class_names()[labels.annotations[0]["category_id"]] == "dog"
        assert (mask_of(labels.annotations[0], SIZE_HW).dense(0) == donut()).all()


def test_masks_of_another_size_and_broken_ones_are_told(tmp_path):
    dataset(tmp_path)
    dataset(tmp_path, np.ones((5, 6), np.uint8), photo="images/b.jpg", mask="masks/b.png")
    (tmp_path / "masks" / "c.png").write_bytes(b"x")
    labels = read(tmp_path, from_format="label-map")
    assert len(labels.images) == 1
    notes = "\n".join(labels.notes)
    assert (
        "masks of another size than their photo: left out with it (1; first: masks/b.png, " in notes
    )
    assert "masks that cannot be read: left out with their photos (1;" in notes


def test_photos_are_no_masks(tmp_path):
    rng = np.random.default_rng(0)
    write_image(tmp_path / "a.png", rng.integers(0, 255, SIZE_HW, dtype=np.uint8))
    with pytest.raises(InputError, match="none of the known formats"):
        read(tmp_path)


def test_what_the_format_holds_comes_back(tmp_path):
    document = sound()
    document["images"][1]["split"] = "val"
    source = tmp_path / "a.json"
    source.write_text(json.dumps(document))
    write_photos(tmp_path / "images")
    done = convert(source, tmp_path / "out", to="label-map", copy_photos=True)
    assert "label maps: 3 masks of several parts: each is an object when it is read" in done.notes
    pixels = read_stored(done.path / "masks" / "10.png").values
    assert sorted(np.unique(pixels).tolist()) == [0, 3, 7, 255]
    labels = read(done.path, values=None)
    assert labels.class_names() == {3: "cup", 7: "dog"}
    assert labels.splits == ["val"]
    assert labels.photos == done.path
    donuts = [each for each in labels.annotations if isinstance(each["segmentation"], dict)]
    assert len(donuts) == 3
    assert (mask_of(donuts[0], SIZE_HW).dense(0) == donut()).all()


def test_many_classes_need_16_bits(tmp_path):
    document = sound(1)
    document["categories"] += [{"id": n, "name": f"class {n}"} for n in range(300, 600)]
    document["annotations"][0]["category_id"] = 599
    source = tmp_path / "a.json"
    source.write_text(json.dumps(document))
    done = convert(source, tmp_path / "out", to="label-map")
    assert Image.open(done.path / "masks" / "10.png").mode.startswith("I")
    labels = read(done.path, values=None, from_format="label-map")
    assert "class 599" in {labels.class_names()[a["category_id"]] for a in labels.annotations}
