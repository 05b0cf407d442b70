"""Reading COCO datasets."""

import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from instseg.data.coco import CocoData
from instseg.errors import InputError
from instseg.image import write_image


def write_dataset(folder, **changes):
    """A 20 x 10 photo with one rectangle of category 40; `changes` replace parts of the JSON."""
    write_image(folder / "photos" / "sub" / "a.png", np.full((10, 20, 3), 200, np.uint8))
    rectangle = [2, 3, 12, 3, 12, 8, 2, 8]
    document = {
        "images": [{"id": 9, "file_name": "sub/a.png", "height": 10, "width": 20}],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 40, "segmentation": [rectangle], "iscrowd": 0}
        ],
        "categories": [{"id": 77, "name": "zebra"}, {"id": 40, "name": "cup"}],
    } | changes
    path = folder / "data.json"
    path.write_text(json.dumps(document))
    return path, folder / "photos"


def test_sparse_and_shuffled_ids_become_contiguous(tmp_path):
    data = CocoData.read(*write_dataset(tmp_path))
    assert data.class_names == ("BG", "cup", "zebra")
    assert data.category_ids == (0, 40, 77)
    image, instances = data.load(0)
    assert image.shape == (10, 20, 3)
    assert instances.names == ["cup"]
    assert instances.boxes.tolist() == [[2, 3, 12, 8]]


def test_images_without_objects_are_kept(tmp_path):
    data = CocoData.read(*write_dataset(tmp_path, annotations=[]))
    assert len(data) == 1
    assert len(data.load(0)[1]) == 0


def test_real_annotations_equal_pycocotools(coco_dir):
    path = coco_dir / "annotations" / "instances_val2017.json"
    data = CocoData.read(path, coco_dir / "val2017")
    referee = COCO(str(path))
    for index in range(0, len(data), 8):
        _, instances = data.load(index)
        ids = referee.getAnnIds(data.images[index]["id"], iscrowd=False)
        expected = [referee.annToRLE(a)["counts"].decode() for a in referee.loadAnns(ids)]
        assert [rle["counts"] for rle in instances.masks.to_rle()] == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": [{"id": 9, "file_name": "sub/a.png", "height": 20, "width": 10}]}, "20 x 10"),
        ({"images": [{"id": 9, "file_name": "b.png", "height": 10, "width": 20}]}, "b.png"),
        (
            {"annotations": [{"id": 5, "image_id": 9, "category_id": 40, "segmentation": [[1]]}]},
            "annotation 5",
        ),
        (
            {"annotations": [{"id": 6, "image_id": 9, "category_id": 3, "segmentation": []}]},
            r"a\.png: annotation 6: .*category: 3",
        ),
        (
            {"annotations": [{"id": 7, "image_id": 9, "category_id": 40}]},
            "annotation 7: .*segmentation",
        ),
    ],
)
def test_a_wrong_photo_or_shape_is_named(tmp_path, changes, words):
    data = CocoData.read(*write_dataset(tmp_path, **changes))
    with pytest.raises(InputError, match=words):
        data.load(0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"images": [}', "line 1, column 13"),
        ('{"images": []}', "categories"),
        ("[]", "is missing"),
        (
            '{"images": [], "categories": [], "annotations": [{"image_id": 3}]}',
            "its own images",
        ),
    ],
)
def test_what_is_no_dataset_is_refused_in_one_line(tmp_path, text, words):
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        CocoData.read(path, tmp_path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.json"):
        CocoData.read(tmp_path / "none.json", tmp_path)
