"""Reading COCO datasets."""

import json

import numpy as np
import pytest
import tifffile
from PIL import Image
from pycocotools import mask
from pycocotools.coco import COCO

from instseg.core.errors import InputError
from instseg.core.masks import Masks
from instseg.data import coco
from instseg.data.coco import CocoData
from instseg.files.image_writing import write_image


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


def test_a_dataset_is_one_short_line(tmp_path):
    path, folder = write_dataset(tmp_path)
    data = CocoData.read(str(path), str(folder))
    assert repr(data) == f"CocoData({str(path)!r}: 1 image, 1 annotation, 2 classes)"


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
        ids = referee.getAnnIds(data.images[index].id, iscrowd=False)
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
            {"annotations": [{"id": 7, "image_id": 9, "category_id": 40}]},
            "annotation 7, .*segmentation",
        ),
    ],
)
def test_a_wrong_photo_or_shape_is_named(tmp_path, changes, words):
    data = CocoData.read(*write_dataset(tmp_path, **changes))
    with pytest.raises(InputError, match=words):
        data.load(0)


@pytest.mark.parametrize(("image", "category", "words"), [(3, 40, "image 3"), (9, 3, "category 3")])
def test_an_annotation_of_something_unknown_is_named(tmp_path, image, category, words):
    stray = {"id": 8, "image_id": image, "category_id": category}
    with pytest.raises(InputError, match=rf"data\.json: annotation 8 is of {words}"):
        CocoData.read(*write_dataset(tmp_path, annotations=[stray]))


def test_a_box_without_outline_has_an_area(tmp_path):
    bare = {"id": 1, "image_id": 9, "category_id": 40, "bbox": [1, 2, 3, 4]}
    (found,) = CocoData.read(*write_dataset(tmp_path, annotations=[bare])).document()["annotations"]
    assert (found["segmentation"], found["area"]) == (None, 12)


def test_runs_that_end_before_the_image_are_completed(tmp_path):
    """pycocotools goes on for ever when it compares such a mask."""
    rle = {"size": [10, 20], "counts": [3, 4]}
    short = {"id": 1, "image_id": 9, "category_id": 40, "segmentation": rle}
    (found,) = CocoData.read(*write_dataset(tmp_path, annotations=[short])).document()[
        "annotations"
    ]
    assert mask.area(found["segmentation"]) == found["area"] == 4
    whole = mask.frPyObjects({"size": [10, 20], "counts": [3, 4, 193]}, 10, 20)
    assert found["segmentation"]["counts"] == whole["counts"].decode()


def test_a_box_of_negative_width_is_named(tmp_path):
    broken = {"id": 5, "image_id": 9, "category_id": 40, "bbox": [9, 2, -3, 4], "area": 12}
    data = CocoData.read(*write_dataset(tmp_path, annotations=[broken]))
    with pytest.raises(InputError, match=r"data\.json: annotation 5, .*below 0"):
        data.document()


def test_holes_parts_and_crowds(tmp_path):
    """A ring coded plainly, the same compressed, an object of two parts, and a crowd."""
    ring = np.zeros((10, 20), dtype=np.uint8, order="F")
    ring[2:8, 2:8], ring[4:6, 4:6] = 1, 0
    compressed = mask.encode(ring)
    compressed["counts"] = compressed["counts"].decode()
    edges = np.flatnonzero(np.diff(ring.ravel(order="F"), prepend=0, append=0))
    plain = {"size": [10, 20], "counts": np.diff(edges, prepend=0, append=200).tolist()}
    parts = [[0, 0, 3, 0, 3, 3, 0, 3], [10, 5, 14, 5, 14, 9, 10, 9]]
    common = {"image_id": 9, "category_id": 40}
    annotations = [
        {"id": 1, "segmentation": plain, **common},
        {"id": 2, "segmentation": compressed, **common},
        {"id": 3, "segmentation": parts, **common},
        {"id": 4, "segmentation": plain, "iscrowd": 1, **common},
    ]
    data = CocoData.read(*write_dataset(tmp_path, annotations=annotations))
    masks = data.objects(0).masks
    assert len(masks) == 3
    assert np.array_equal(masks.dense(0), ring)
    assert np.array_equal(masks.dense(1), ring)
    assert masks.areas()[2] == 9 + 16


@pytest.mark.parametrize("upright", [True, False])
def test_a_photo_is_turned_as_its_annotations_are(tmp_path, caplog, upright):
    """Annotated on the turned photo, which everyone sees, or on the pixels as they are stored."""
    size = {"height": 20, "width": 10} if upright else {"height": 10, "width": 20}
    images = [{"id": 9, "file_name": "turned.jpg", **size}]
    path, folder = write_dataset(tmp_path, images=images, annotations=[])
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees to see it upright
    Image.new("RGB", (20, 10), "red").save(folder / "turned.jpg", exif=exif)
    photo = CocoData.read(path, folder).photo(0)
    assert photo.shape == (*size.values(), 3)
    assert ("turned.jpg" in caplog.text) == (not upright)


@pytest.mark.parametrize("tags", [[], [(274, "H", 1, 3, True)]])  # upright, and upside down
def test_a_window_of_a_tiff_is_that_of_the_photo_and_read_alone(tmp_path, monkeypatch, tags):
    images = [{"id": 9, "file_name": "a.tif", "height": 70, "width": 90}]
    path, folder = write_dataset(tmp_path, images=images, annotations=[])
    noise = np.random.default_rng(0).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    tiles = {"tile": (32, 32), "photometric": "rgb", "compression": "zlib"}
    tifffile.imwrite(folder / "a.tif", noise, **tiles, extratags=tags)
    data = CocoData.read(path, folder)
    window = slice(20, 60), slice(50, 90)
    expected = data.photo(0)[window]
    if not tags:
        monkeypatch.setattr(coco, "read_image", lambda path: pytest.fail("was read whole"))
    np.testing.assert_array_equal(data.window(0, window), expected)


def test_a_document_is_complete_and_numbered(tmp_path):
    """Boxes and areas that the file leaves out are those of the outline."""
    document = CocoData.read(*write_dataset(tmp_path)).document()
    (annotation,) = document["annotations"]
    assert Masks.from_rle([annotation["segmentation"]]).boxes_xyxy().tolist() == [[2, 3, 12, 8]]
    assert (annotation["bbox"], annotation["area"]) == ([2, 3, 10, 5], 50)
    stated = {"id": 0, "image_id": 9, "category_id": 40, "bbox": [1, 2, 3, 4], "area": 11.5}
    given = [{**stated, "segmentation": [], "iscrowd": None}, stated]
    document = CocoData.read(*write_dataset(tmp_path, annotations=given)).document()
    whole = {**stated, "segmentation": None, "iscrowd": 0}
    assert document["annotations"] == [{**whole, "id": 1}, {**whole, "id": 2}]


@pytest.mark.parametrize(
    "outline",
    [
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4, 5, 6, 7]],
        [[1e9, 1, 5, 1e9, 5, 5]],
        {"size": [7, 7], "counts": [49]},
        {"size": [10, 20], "counts": "~~~"},
        {"size": [10, 20]},
        "polygon",
    ],
)
def test_a_document_holds_no_broken_outline(tmp_path, outline):
    broken = {"id": 5, "image_id": 9, "category_id": 40, "bbox": [1, 2, 3, 4], "area": 11.5}
    data = CocoData.read(
        *write_dataset(tmp_path, annotations=[{**broken, "segmentation": outline}])
    )
    with pytest.raises(InputError, match=r"data\.json: annotation 5, .*doctor --fix"):
        data.document()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": [{"id": 9, "height": 1, "width": 1}] * 2}, "image id 9 twice"),
        ({"categories": [{"id": 4, "name": "a"}, {"id": 4, "name": "b"}]}, "category id 4 twice"),
        ({"categories": [{"id": 4, "name": "a"}, {"id": 5, "name": "a"}]}, "name 'a' twice"),
        ({"categories": [{"id": 4, "name": "BG"}]}, "a category is called BG"),
    ],
)
def test_ids_and_names_that_mean_two_things_are_refused(tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        CocoData.read(*write_dataset(tmp_path, **changes))


def test_a_file_name_that_leads_out_of_the_folder_is_not_opened(tmp_path):
    write_image(tmp_path / "secret.png", np.zeros((10, 20, 3), np.uint8))
    images = [{"id": 9, "file_name": "../secret.png", "height": 10, "width": 20}]
    data = CocoData.read(*write_dataset(tmp_path, images=images, annotations=[]))
    with pytest.raises(InputError, match=r"secret\.png: leads out"):
        data.photo(0)


CROWD = {"id": 1, "image_id": 9, "category_id": 40, "segmentation": [[1, 1, 9, 1, 9, 9]]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"annotations": []}, "has no annotations"),
        ({"annotations": [], "categories": []}, "has no categories"),
        ({"annotations": [{**CROWD, "iscrowd": 1}]}, "has only crowds.*--clear-crowds"),
    ],
)
def test_nothing_to_train_on_is_refused(tmp_path, changes, words):
    CocoData.read(*write_dataset(tmp_path)).require_objects()
    with pytest.raises(InputError, match=rf"data\.json: {words}"):
        CocoData.read(*write_dataset(tmp_path, **changes)).require_objects()


@pytest.mark.parametrize(
    "broken", [b'"\xcf("', b"[[1e999, 0, 1, 1, 1, 0]]", b"[" * 5000 + b"]" * 5000]
)
def test_an_outline_that_turns_out_to_be_no_json_is_named(tmp_path, broken):
    path, photos = write_dataset(tmp_path)
    content = json.loads(path.read_text())
    content["annotations"][0] |= {"segmentation": "HERE", "bbox": [2, 3, 10, 5]}
    path.write_bytes(json.dumps(content).encode().replace(b'"HERE"', broken))
    with pytest.raises(InputError, match=r"(?s)data\.json.*(annotation 1|not valid JSON)"):
        CocoData.read(path, photos).document()


def test_an_outline_that_would_exhaust_memory_is_refused(tmp_path):
    far = [[n * 1000 for n in (0, 0, 900, 0, 0, 900, 900, 900)] * 100]
    zigzag = [[0, 0, 19, 9] * 200_000]
    for outline in (far, zigzag):
        annotations = [{"id": 5, "image_id": 9, "category_id": 40, "segmentation": outline}]
        data = CocoData.read(*write_dataset(tmp_path, annotations=annotations))
        with pytest.raises(InputError, match=r"annotation 5, .*outline of .* pixels is longer"):
            data.objects(0)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.json"):
        CocoData.read(tmp_path / "none.json", tmp_path)
