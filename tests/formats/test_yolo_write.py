import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from coco_documents import sound
from round_trip import assert_same, through

from instseg import InputError, convert
from instseg.files.image_writing import write_image
from instseg.formats.convert import read_labels
from instseg.formats.shapes import has_mask


def test_real_masks_come_back_exactly(coco_dir, tmp_path):
    for split in ("train2017", "val2017"):
        source = coco_dir / "annotations" / f"instances_{split}.json"
        before, _ = read_labels(source)
        after = through(source, "yolo-seg", tmp_path / split)
        assert_same(before, after)
        assert len(after.images) == len(before.images)
        assert all(map(has_mask, after.annotations))


def test_boxes_come_back(coco_dir, tmp_path):
    source = coco_dir / "annotations" / "instances_val2017.json"
    before, _ = read_labels(source)
    bare = [{**a, "segmentation": []} for a in before.annotations if not a["iscrowd"]]
    (tmp_path / "bare.json").write_text(json.dumps({**before.document, "annotations": bare}))
    before, _ = read_labels(tmp_path / "bare.json", before.photos)
    images = before.photos
    after = through(tmp_path / "bare.json", "yolo", tmp_path / "out", images=images)
    assert_same(before, after)


def test_classes_are_numbered_from_0_and_the_table_tells_how(coco_dir, tmp_path):
    source = coco_dir / "annotations" / "instances_val2017.json"
    done = convert(source, tmp_path / "out", to="yolo-seg")
    before, _ = read_labels(source)
    names = yaml.safe_load((done.path / "data.yaml").read_text())["names"]
    with done.classes_csv.open() as file:
        rows = list(csv.DictReader(file))
    assert {int(row["source_id"]): row["name"] for row in rows} == before.class_names()
    assert {int(row["id"]): row["name"] for row in rows} == names
    assert sorted(names) == [*range(len(names))]


def test_splits_are_kept(coco_dir, tmp_path):
    before, _ = read_labels(coco_dir)
    after = through(coco_dir, "yolo-seg", tmp_path / "out")
    assert after.splits == ["train", "val"]
    assert_same(before, after)
    config = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert (config["train"], config["val"]) == ("images/train", "images/val")


def test_without_splits_all_is_train(source, tmp_path):
    convert(source, tmp_path / "out", to="yolo")
    text = (tmp_path / "out" / "data.yaml").read_text()
    assert yaml.safe_load(text)["val"] == yaml.safe_load(text)["train"] == "images/train"
    assert "no validation set" in text


def test_photos_are_links_or_copies(source, tmp_path):
    convert(source, tmp_path / "links", to="yolo")
    convert(source, tmp_path / "copies", to="yolo", copy_photos=True)
    for folder, is_link in (("links", True), ("copies", False)):
        photos = sorted((tmp_path / folder / "images" / "train").iterdir())
        assert len(photos) == 3
        assert all(photo.is_symlink() == is_link and photo.is_file() for photo in photos)


def test_what_is_not_kept_is_told(source, tmp_path):
    told = []
    done = convert(source, tmp_path / "out", to="yolo", on_event=told.append)
    texts = [event.text for event in told if hasattr(event, "text")]
    assert any("crowd" in text and "left out" in text for text in done.notes)
    assert any("only their boxes are written" in text for text in done.notes)
    assert set(done.notes) <= set(texts)


def test_photos_that_are_not_there_are_told(tmp_path, source):
    told = []
    for path in (source.parent / "images").iterdir():
        path.unlink()
    convert(source, tmp_path / "out", to="yolo", on_event=told.append)
    assert any("only labels were written" in getattr(event, "text", "") for event in told)
    assert (tmp_path / "out" / "labels" / "train").is_dir()


def test_photos_of_one_name_do_not_overwrite_each_other(tmp_path):
    document = sound(images=2)
    for image, name in zip(document["images"], ("a/1.png", "b/1.png"), strict=True):
        image["file_name"] = name
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    convert(tmp_path / "annotations.json", tmp_path / "out", to="yolo")
    labels = sorted((tmp_path / "out" / "labels").rglob("*.txt"))
    assert [path.relative_to(tmp_path / "out").as_posix() for path in labels] == [
        "labels/train/a/1.txt",
        "labels/train/b/1.txt",
    ]


def test_photos_of_one_stem_do_not_share_labels(tmp_path):
    document = sound(images=2)
    for image, name in zip(document["images"], ("1.png", "1.jpg"), strict=True):
        image["file_name"] = name
    (tmp_path / "annotations.json").write_text(json.dumps(document))
    convert(tmp_path / "annotations.json", tmp_path / "out", to="yolo")
    labels = sorted(path.name for path in (tmp_path / "out" / "labels").rglob("*.txt"))
    assert labels == ["1.txt", "1_jpg.txt"]


@pytest.mark.parametrize(
    "names",
    [
        ("train/images/1.png", "train/images/2.png", "valid/images/1.png"),
        ("a.png", "images/a.png", "labels/a.png"),
        ("images/images/a.png", "Images/b.png", "x/labels/c/images/d.png"),
    ],
)
def test_folders_called_images_lose_no_object(tmp_path, names):
    document = sound()
    for image, name in zip(document["images"], names, strict=True):
        image["file_name"] = name
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / "in" / name, np.zeros((60, 80, 3), np.uint8))
    (tmp_path / "in" / "annotations.json").write_text(json.dumps(document))
    before, _ = read_labels(tmp_path / "in" / "annotations.json")
    after = through(tmp_path / "in" / "annotations.json", "yolo-seg", tmp_path / "out")
    expected = sum(not each["iscrowd"] for each in before.annotations)
    assert (len(after.images), len(after.annotations)) == (3, expected)
    for photo in (tmp_path / "out" / "images").rglob("*.png"):
        root, _, name = str(photo.with_suffix(".txt")).rpartition("/images/")  # as Ultralytics
        assert Path(root, "labels", name).read_text()


def test_names_that_lead_out_stay_inside(tmp_path):
    document = sound(images=2)
    document["images"][0]["file_name"] = "../../evil.png"
    document["images"][1]["file_name"] = "C:\\evil.png"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "annotations.json").write_text(json.dumps(document))
    convert(tmp_path / "in" / "annotations.json", tmp_path / "deep" / "out", to="yolo")
    assert sorted(path.name for path in tmp_path.rglob("*evil*")) == ["evil.txt", "evil_png.txt"]
    assert all(tmp_path / "deep" / "out" in path.parents for path in tmp_path.rglob("*evil*"))


def test_a_dataset_of_crowds_alone_is_refused(tmp_path, source):
    document = json.loads(source.read_text())
    for each in document["annotations"]:
        each["iscrowd"] = 1
    source.write_text(json.dumps(document))
    with pytest.raises(InputError, match="clear-crowds"):
        convert(source, tmp_path / "out", to="yolo-seg")
    assert not (tmp_path / "out").exists()
