import json
import shutil

import pytest
from coco_documents import sound, write_photos
from round_trip import assert_same, through

from instseg import InputError, convert
from instseg.formats.convert import read_labels


def written(folder, document, name="annotations.json"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(document))
    return folder / name


def test_all_that_a_document_holds_comes_back(tmp_path):
    document = sound()
    extra = {"score": 0.5, "attributes": {"occluded": True}, "track_id": 7}
    document["annotations"][0] |= extra
    source = written(tmp_path, document)
    before, _ = read_labels(source)
    after = through(source, "coco", tmp_path / "out.json")
    assert after.images == before.images
    assert after.categories == document["categories"]
    assert after.annotations == before.annotations == document["annotations"]


def test_real_annotations_come_back_as_they_are(coco_dir, tmp_path):
    source = coco_dir / "annotations" / "instances_val2017.json"
    before, read_as = read_labels(source)
    assert read_as.name == "coco"
    assert before.photos == coco_dir / "val2017"
    after = through(source, "coco", tmp_path / "out")
    assert_same(before, after, iou=1.0)
    assert sorted(a["id"] for a in after.annotations) == sorted(a["id"] for a in before.annotations)
    assert sum(a["iscrowd"] for a in after.annotations) == sum(
        a["iscrowd"] for a in before.annotations
    )


def test_files_of_a_folder_are_splits(tmp_path, coco_dir):
    labels, _ = read_labels(coco_dir)
    assert labels.splits == ["train", "val"]
    assert labels.photos == coco_dir
    assert all((coco_dir / image["file_name"]).is_file() for image in labels.images)
    done = convert(coco_dir, tmp_path / "out", to="coco")
    assert sorted(path.name for path in done.path.iterdir()) == [
        "classes.csv",
        "train.json",
        "val.json",
    ]
    again, _ = read_labels(done.path)
    assert again.splits == ["train", "val"]
    assert len(again.annotations) == len(labels.annotations)


def test_the_layout_of_roboflow(tmp_path):
    for split in ("train", "valid"):
        document = sound()
        write_photos(tmp_path / split)
        written(tmp_path / split, document, "_annotations.coco.json")
    labels, _ = read_labels(tmp_path)
    assert labels.splits == ["train", "val"]
    assert {i["file_name"].split("/")[0] for i in labels.images} == {"train", "valid"}
    assert len({i["id"] for i in labels.images}) == len(labels.images)
    assert len({a["id"] for a in labels.annotations}) == len(labels.annotations)


def test_classes_of_several_files_are_joined_by_name(tmp_path):
    one, other = sound(), sound()
    other["categories"] = [{**c, "id": c["id"] + 50} for c in other["categories"]]
    other["annotations"] = [
        {**a, "category_id": a["category_id"] + 50} for a in other["annotations"]
    ]
    written(tmp_path, one, "train.json")
    written(tmp_path, other, "val.json")
    labels, _ = read_labels(tmp_path)
    assert labels.categories == one["categories"]
    assert {a["category_id"] for a in labels.annotations} == {
        a["category_id"] for a in one["annotations"]
    }


def test_broken_records_are_left_out_and_told(tmp_path):
    document = sound()
    document["annotations"][0]["image_id"] = 999
    labels, _ = read_labels(written(tmp_path, document))
    assert len(labels.annotations) == len(document["annotations"]) - 1
    assert any("unknown-image" in note for note in labels.notes)


def test_ids_that_come_twice_are_renewed(tmp_path):
    document = sound()
    for each in document["annotations"]:
        each["id"] = 0
    labels, _ = read_labels(written(tmp_path, document))
    ids = [each["id"] for each in labels.annotations]
    assert ids == [*range(1, len(ids) + 1)]


def test_tolerance_simplifies_polygons(tmp_path, coco_dir):
    source = coco_dir / "annotations" / "instances_val2017.json"
    before, _ = read_labels(source)
    after = through(source, "coco", tmp_path / "out.json", tolerance=1.0)

    def corners(labels):
        outlines = [a["segmentation"] for a in labels.annotations]
        return sum(len(ring) for rings in outlines if isinstance(rings, list) for ring in rings)

    assert corners(after) < corners(before)
    large = [a["id"] for a in before.annotations if a["area"] > 32**2 and not a["iscrowd"]]
    kept = {i for labels in (before, after) for i in large if labels}
    assert kept == set(large)


def test_photos_are_copied_on_demand(tmp_path):
    document = sound()
    write_photos(tmp_path / "data" / "images")
    source = written(tmp_path / "data", document)
    done = convert(source, tmp_path / "out", to="coco", copy_photos=True)
    shutil.rmtree(tmp_path / "data")
    again, _ = read_labels(done.path)
    assert again.photos == done.path / "images"
    assert all((again.photos / image["file_name"]).is_file() for image in again.images)


def test_photos_of_one_name_in_two_splits_are_both_copied(tmp_path):
    for seed, split in enumerate(("train", "val")):
        write_photos(tmp_path / "data" / split, seed=seed)
        written(tmp_path / "data" / split, sound(), "_annotations.coco.json")
    done = convert(tmp_path / "data", tmp_path / "out", to="coco", copy_photos=True)
    photos = [(done.path / "images" / split / "10.png").read_bytes() for split in ("train", "val")]
    assert photos[0] != photos[1]
    labels, _ = read_labels(done.path / "val.json")
    assert labels.images[0]["file_name"] == "val/10.png"
    assert labels.photos == done.path / "images"


@pytest.mark.parametrize("content", ["[]", "{}", '{"images": 3}', "nothing", "[" * 100_000])
def test_other_json_is_of_no_format(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match="none of the known formats"):
        read_labels(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"a\.json"):
        read_labels(tmp_path / "a.json", from_format="coco")
