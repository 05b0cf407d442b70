"""Cityscapes as it is published, and odd files."""

import json

import numpy as np
import pytest
from coco_documents import SIZE_HW, donut, sound, write_photos
from round_trip import overlap

from instseg import InputError, convert
from instseg.data.any_format import read_dataset
from instseg.files.image import read_image
from instseg.files.image_writing import write_image
from instseg.files.stored_values import read_stored
from instseg.formats.convert import read_labels
from instseg.formats.shapes import mask_of

HEIGHT, WIDTH = SIZE_HW
CAR, ROAD = 26, 7


def square(x, y, side):
    return [[x, y], [x + side, y], [x + side, y + side], [x, y + side]]


def dataset(root, objects=None, numbers=None, *, split="train", stem="aachen_000000_000019"):
    """A photo of Cityscapes with its polygons, its numbers, or both."""
    folder = root / "gtFine" / split / "aachen"
    folder.mkdir(parents=True, exist_ok=True)
    photo = root / "leftImg8bit" / split / "aachen" / f"{stem}_leftImg8bit.png"
    write_image(photo, np.zeros((*SIZE_HW, 3), np.uint8))
    if objects is not None:
        content = {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": objects}
        (folder / f"{stem}_gtFine_polygons.json").write_text(json.dumps(content))
    if numbers is not None:
        write_image(folder / f"{stem}_gtFine_instanceIds.png", numbers.astype(np.uint16))
    return root


def read(path, **options):
    return read_labels(path, **options)[0]


def named(labels):
    names = labels.class_names()
    return [(names[each["category_id"]], each["iscrowd"]) for each in labels.annotations]


def test_numbers_of_objects_stuff_and_crowds(tmp_path):
    numbers = np.full(SIZE_HW, ROAD)
    numbers[:10] = 3  # out of roi
    numbers[donut()] = CAR * 1000
    numbers[12:20, 10:20] = CAR * 1000 + 1
    numbers[30:35, 10:20] = CAR
    labels, read_as = read_labels(dataset(tmp_path, [], numbers))
    assert read_as.name == "cityscapes"
    assert named(labels) == [("road", 0), ("car", 1), ("car", 0), ("car", 0)]
    assert {c["name"]: (c["id"], c["isthing"]) for c in labels.categories} == {
        "road": (ROAD, 0),
        "car": (CAR, 1),
    }
    assert (mask_of(labels.annotations[2], SIZE_HW).dense(0) == donut()).all()
    assert labels.splits == ["train"]
    assert labels.images[0]["file_name"].endswith("aachen_000000_000019_leftImg8bit.png")
    assert len(read(tmp_path / "gtFine").annotations) == 4
    assert (read(tmp_path / "gtFine").photos / labels.images[0]["file_name"]).is_file()


def test_polygons_the_later_in_front(tmp_path):
    objects = [
        {"label": "road", "polygon": square(0, 0, 60)},
        {"label": "car", "polygon": square(10, 10, 30)},
        {"label": "cargroup", "polygon": square(50, 5, 8)},
        {"label": "polegroup", "polygon": square(62, 5, 8)},
        {"label": "person", "polygon": square(20, 20, 10)},
        {"label": "truck", "polygon": square(0, 0, 9), "deleted": 1},
        {"label": "license plate", "polygon": square(11, 11, 3)},
        {"label": "out of roi", "polygon": square(0, 50, 10)},
        {"label": "bus", "polygon": [[1, "x"]]},
    ]
    labels = read(dataset(tmp_path, objects))
    expected = [("road", 0), ("car", 0), ("car", 1), ("polegroup", 0), ("person", 0)]
    assert named(labels) == expected
    car = mask_of(labels.annotations[1], SIZE_HW).dense(0)
    assert car.sum() == 30 * 30 - 10 * 10
    notes = "\n".join(labels.notes)
    assert "objects without a polygon: left out (1;" in notes
    assert "objects partly hidden by others: cut" in notes


def test_only_things_are_learnt(tmp_path):
    numbers = np.where(donut(), CAR * 1000, ROAD)
    root = dataset(tmp_path, None, numbers)
    assert len(read_dataset(root).splits["train"].categories) == 2
    told = []
    labels = read_dataset(root, things=True, on_event=told.append).splits["train"]
    assert [each["name"] for each in labels.categories] == ["car"]
    assert len(labels.annotations) == 1
    assert any("1 class of stuff left out" in getattr(event, "text", "") for event in told)


def test_labels_of_another_size_and_broken_ones_are_told(tmp_path):
    dataset(tmp_path, None, np.where(donut(), CAR * 1000, 0))
    dataset(tmp_path, None, np.ones((5, 6)), stem="aachen_1")
    dataset(tmp_path, None, np.ones((5, 6)), stem="aachen_2")
    (tmp_path / "gtFine/train/aachen/aachen_2_gtFine_instanceIds.png").write_bytes(b"x")
    dataset(tmp_path, {}, stem="aachen_3")
    labels = read(tmp_path)
    assert len(labels.images) == 1
    notes = "\n".join(labels.notes)
    assert "labels of another size than their photo: left out with it (1;" in notes
    assert "files that cannot be read: left out with their photos (2;" in notes


def test_everything_that_the_format_holds_comes_back(tmp_path):
    document = sound()
    document["categories"][0] = {"id": 3, "name": "car"}
    for image, split in zip(document["images"], ("train", "val", "train"), strict=True):
        image["split"] = split
    source = tmp_path / "a.json"
    source.write_text(json.dumps(document))
    write_photos(tmp_path / "images")
    done = convert(source, tmp_path / "out", to="cityscapes")
    before, after = read(source), read(done.path)
    assert after.class_names() == {26: "car", 34: "dog"}
    assert after.splits == ["train", "val"]
    for png in (done.path / "gtFine").rglob("*.png"):
        png.unlink()
    polygons = read(done.path)  # holes and parts are in the polygons as well
    for labels in (after, polygons):
        assert sum(each["iscrowd"] for each in labels.annotations) == 3
        assert_all_there(before, labels)


def test_more_classes_than_16_bits_hold(tmp_path):
    document = sound(1)
    document["categories"] += [{"id": n, "name": f"class {n}"} for n in range(100, 140)]
    source = tmp_path / "a.json"
    source.write_text(json.dumps(document))
    told = []
    done = convert(source, tmp_path / "out", to="cityscapes", on_event=told.append)
    assert any("polygons only" in getattr(event, "text", "") for event in told)
    assert_all_there(read(source), read(done.path))


def assert_all_there(before, after):
    """Each object is there, in whatever order."""
    stems = {
        i["file_name"].split("/")[-1].split("_")[0].split(".")[0]: i["id"] for i in after.images
    }
    names, new_names = before.class_names(), after.class_names()
    for image in before.images:
        own = after.by_image()[stems[image["file_name"].split(".")[0]]]
        for each in before.by_image()[image["id"]]:
            if each["iscrowd"]:
                continue
            name = names[each["category_id"]]
            same = [one for one in own if new_names[one["category_id"]] == name]
            assert max(overlap(each, one, SIZE_HW) for one in same) == 1


def test_numbers_are_as_the_published_scripts_write_them(tmp_path):
    document = sound(1)
    document["categories"][0] = {"id": 3, "name": "car"}
    source = tmp_path / "a.json"
    source.write_text(json.dumps(document))
    folder = convert(source, tmp_path / "out", to="cityscapes").path / "gtFine/train/photos"
    values = read_stored(folder / "10_gtFine_instanceIds.png").values
    assert sorted(np.unique(values).tolist()) == [0, 26, 26000, 34000, 34001]
    classes = read_image(folder / "10_gtFine_labelIds.png")[..., 0]
    assert sorted(np.unique(classes).tolist()) == [0, 26, 34]


def test_a_folder_without_such_files_is_not_taken(tmp_path):
    (tmp_path / "a_polygons.json").write_text("{}")
    with pytest.raises(InputError, match="none of the known formats"):
        read(tmp_path)
