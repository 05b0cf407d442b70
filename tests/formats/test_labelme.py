"""LabelMe files as its versions, and tools that write them too, leave them."""

import base64
import json
from io import BytesIO

import numpy as np
import pytest
from coco_documents import rle, sound, write_photos
from PIL import Image
from round_trip import assert_same, through

from instseg import InputError, convert
from instseg.data.any_format import read_dataset
from instseg.files.image_writing import write_image
from instseg.formats.convert import read_labels
from instseg.formats.shapes import mask_of

WIDTH, HEIGHT = 80, 60
SQUARE = [[10, 5], [40, 5], [40, 25], [10, 25]]
RING = np.pad(np.zeros((2, 3), bool), 2, constant_values=True)


def shape(kind="polygon", points=SQUARE, label="cup", **more):
    known = {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}}
    return known | more


def png(mask):
    file = BytesIO()
    Image.fromarray(np.asarray(mask, np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def labelled(folder, *shapes, photo="a.png", name="a.json", **more):
    """A photo and its label file, as LabelMe 5 writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    if photo:
        write_image(folder / photo, np.full((HEIGHT, WIDTH, 3), 127, np.uint8))
    document = {
        "version": "5.5.0",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": photo or "lost.png",
        "imageData": None,
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
    } | more
    (folder / name).write_text(json.dumps(document))
    return folder


def read(path, **options):
    return read_labels(path, **options)[0]


def dense(labels, at=0):
    return mask_of(labels.annotations[at], (HEIGHT, WIDTH)).dense(0)


def test_real_masks_come_back(coco_dir, tmp_path):
    before = read(coco_dir / "annotations" / "instances_val2017.json")
    source = coco_dir / "annotations" / "instances_val2017.json"
    after = through(source, "labelme", tmp_path / "out")
    assert_same(before, after)
    assert after.photos == tmp_path / "out"
    assert [c["name"] for c in after.categories] == [c["name"] for c in before.categories]


def test_all_that_labelme_holds_comes_back(tmp_path):
    document = sound()
    document["annotations"][0] |= {
        "score": 0.875,
        "track_id": 7,
        "attributes": {"cut": True, "description": "seen\ntwice", "width": 3, "tags": ["a"]},
    }
    document["annotations"][1]["segmentation"] = []
    write_photos(tmp_path / "in")
    (tmp_path / "in" / "a.json").write_text(json.dumps(document))
    before = read(tmp_path / "in" / "a.json")
    after = through(tmp_path / "in" / "a.json", "labelme", tmp_path / "out")
    assert_same(before, after)
    for key in ("score", "track_id", "attributes"):
        assert after.annotations[0][key] == document["annotations"][0][key]
    shapes = json.loads((tmp_path / "out" / "10.json").read_text())["shapes"]
    assert [each["shape_type"] for each in shapes] == ["polygon", "rectangle", "mask"]
    assert shapes[0]["description"].endswith("score 0.875")
    assert (tmp_path / "out" / "labels.txt").read_text() == "cup\ndog\n"


def test_parts_share_a_group_and_splits_are_folders(tmp_path):
    for split in ("train", "val"):
        write_photos(tmp_path / "in" / split)
        (tmp_path / "in" / split / "labels.json").write_text(json.dumps(sound()))
    before = read(tmp_path / "in")
    convert(tmp_path / "in", tmp_path / "out", to="labelme")
    after = read(tmp_path / "out")
    assert after.splits == before.splits == ["train", "val"]
    assert len(after.annotations) == 18  # without crowds
    shapes = json.loads((tmp_path / "out" / "val" / "20.json").read_text())["shapes"]
    assert [each["group_id"] for each in shapes] == [None, 1, 1, None]


def test_a_tolerance_leaves_polygons_with_few_points(tmp_path):
    write_photos(tmp_path / "in")
    mask = np.hypot(*(np.mgrid[:60, :80] - np.array([30, 40])[:, None, None])) < 20
    document = sound(images=1)
    document["annotations"] = [document["annotations"][0] | {"segmentation": rle(mask)}]
    (tmp_path / "in" / "a.json").write_text(json.dumps(document))
    sizes = []
    for tolerance in (0.0, 1.0):
        out = tmp_path / str(tolerance)
        convert(tmp_path / "in" / "a.json", out, to="labelme", tolerance=tolerance)
        (only,) = json.loads((out / "10.json").read_text())["shapes"]
        sizes.append(len(only["points"]))
    assert sizes[1] < sizes[0] / 3


def test_a_polygon_a_rectangle_and_a_circle(tmp_path):
    shapes = [
        shape(),
        shape("rectangle", [[40, 30], [10, 50]], label="box"),
        shape("circle", [[40, 30], [40, 40]], label="ball"),
    ]
    labels, read_as = read_labels(labelled(tmp_path, *shapes))
    assert read_as.name == "labelme"
    polygon, box, circle = labels.annotations
    assert polygon["segmentation"] == [[10, 5, 40, 5, 40, 25, 10, 25]]
    assert (box["segmentation"], box["bbox"]) == ([], [10, 30, 30, 20])
    assert abs(circle["area"] / (np.pi * 100) - 1) < 0.02
    assert labels.class_names() == {1: "cup", 2: "box", 3: "ball"}
    assert labels.images[0] | {"id": 1} == {
        "id": 1,
        "file_name": "a.png",
        "width": WIDTH,
        "height": HEIGHT,
    }


@pytest.mark.parametrize(
    "png_of",
    [lambda m: m, lambda m: m * 255, lambda m: m[..., None] * [1, 1, 1, 0] + [0, 0, 0, 255]],
    ids=["0 and 1", "0 and 255", "colours and alpha"],
)
def test_a_mask_with_its_box(tmp_path, png_of):
    last = [20 + RING.shape[1] - 1, 10 + RING.shape[0] - 1]  # inclusive
    kept = shape("mask", [[20, 10], last], mask=png(png_of(RING.astype(int))))
    found = dense(read(labelled(tmp_path, kept)))
    assert (found[10:16, 20:27] == RING).all()
    assert found.sum() == RING.sum()


def test_a_group_is_one_object(tmp_path):
    far = [[x + 35, y + 30] for x, y in SQUARE[:3]]
    shapes = [
        shape(group_id=3),
        shape(points=far, group_id=3),
        shape(points=far, group_id=3, label="dog"),
        shape("mask", [[20, 10], [26, 15]], mask=png(RING), group_id=4),
        shape(points=far, group_id=4),
        shape("rectangle", SQUARE[::2], group_id=4),
    ]
    labels = read(labelled(tmp_path, *shapes))
    assert [labels.class_names()[a["category_id"]] for a in labels.annotations] == [
        "cup",
        "dog",
        "cup",
    ]
    assert len(labels.annotations[0]["segmentation"]) == 2
    assert dense(labels, 2)[10:16, 20:27].sum() == RING.sum()
    assert dense(labels, 2)[45, 70]


def test_flags_a_description_and_a_score(tmp_path):
    one = shape(flags={"cut": True}, description="near the edge", score=0.5, difficult=False)
    (found,) = read(labelled(tmp_path, one)).annotations
    assert found["attributes"] == {"cut": True, "description": "near the edge"}
    assert found["score"] == 0.5


@pytest.mark.parametrize(
    "image_path",
    ["..\\photos\\a.png", "../photos/a.png", "C:\\Users\\me\\photos\\a.png", "/home/me/a.png"],
)
def test_a_photo_elsewhere_in_the_folder(tmp_path, image_path):
    labelled(tmp_path / "labels", shape(), photo="", imagePath=image_path)
    write_image(tmp_path / "photos" / "a.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert read(tmp_path).images[0]["file_name"] == "photos/a.png"
    images = read(tmp_path / "labels", images=tmp_path / "photos")
    assert (images.photos, images.images[0]["file_name"]) == (tmp_path / "photos", "a.png")


def test_a_photo_outside_of_the_folder_is_not_used(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    labels = read(labelled(tmp_path / "in", shape(), photo="", imagePath="../a.png"))
    assert labels.photos is None
    with pytest.raises(InputError, match="photos are not found"):
        read_dataset(tmp_path / "in")


def test_a_photo_of_another_name_is_found_by_that_of_the_label_file(tmp_path):
    labelled(tmp_path, shape(), imagePath="IMG_0001.JPG")
    assert read(tmp_path).images[0]["file_name"] == "a.png"


@pytest.mark.parametrize("size", [{"imageHeight": None, "imageWidth": None}, {"imageHeight": 0}])
def test_a_size_that_is_not_stated_is_that_of_the_photo(tmp_path, size):
    assert read(labelled(tmp_path, shape(), **size)).images[0]["height"] == HEIGHT


def test_an_embedded_photo_gives_its_size(tmp_path):
    data = png(np.zeros((HEIGHT, WIDTH)))
    labels = read(labelled(tmp_path, shape(), photo="", imageData=data, imageHeight=None))
    assert labels.images[0]["height"] == HEIGHT
    assert "only embedded" in labels.notes[0]


def test_without_any_size_the_mend_is_told(tmp_path):
    labelled(tmp_path, shape(), photo="", imageHeight=None)
    with pytest.raises(InputError, match="give their folder as images"):
        read(tmp_path, from_format="labelme")


def test_a_file_of_version_2_has_no_types_nor_sizes(tmp_path):
    document = {
        "shapes": [{"label": "cup", "line_color": None, "points": SQUARE, "fill_color": None}],
        "lineColor": [0, 255, 0, 128],
        "imagePath": "a.png",
        "imageData": None,
    }
    labelled(tmp_path)
    (tmp_path / "a.json").write_text(json.dumps(document))
    labels = read(tmp_path)
    assert labels.annotations[0]["bbox"] == [10, 5, 30, 20]


def test_version_3_tells_objects_apart_by_numbers(tmp_path):
    shapes = [shape(label=label) for label in ("cup-1", "cup-1", "cup-2", "dog")]
    for each in shapes:
        del each["group_id"]
    labels = read(labelled(tmp_path, *shapes, version="3.16.2"))
    names = labels.class_names()
    assert [names[a["category_id"]] for a in labels.annotations] == ["cup", "cup", "dog"]
    assert "labels with a number" in labels.notes[0]


def test_numbers_belong_to_labels_otherwise(tmp_path):
    labels = read(labelled(tmp_path, shape(label="iphone-12"), shape(label=5)))
    assert [*labels.class_names().values()] == ["iphone-12", "5"]


def test_points_out_of_the_photo_are_cut_off(tmp_path):
    wide = [[-20, 10], [100, 10], [100, 30], [-20, 30]]
    shapes = [shape(points=wide), shape("rectangle", [[70, 50], [95, 70]])]
    labels = read(labelled(tmp_path, *shapes, shape(points=[[x + 90, y] for x, y in SQUARE])))
    assert [a["bbox"] for a in labels.annotations] == [[0, 10, 80, 20], [70, 50, 10, 10]]
    assert "cut off" in labels.notes[0]
    assert "outside of their photo, or without area: left out" in "".join(labels.notes)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (shape("point", [[3, 4]]), "points and lines"),
        (shape("line", SQUARE[:2]), "points and lines"),
        (shape("linestrip", SQUARE), "points and lines"),
        (shape(points=SQUARE[:2]), "wrong number of points for a polygon"),
        (shape("rectangle", SQUARE[:1]), "wrong number of points for a rectangle"),
        (shape(points=[[1, None], [2, 3], [4, 5]]), "pairs of numbers"),
        (shape(points=[[1, 2, 3], [2, 3, 4], [4, 5, 6]]), "pairs of numbers"),
        (shape(points="none"), "left out"),
        (shape("mask", [[1, 1], [2, 2]], mask="nonsense"), "masks that cannot be decoded"),
        (shape("mask", [[1, 1], [2, 2]]), "masks that cannot be decoded"),
        (shape("cuboid"), "a type that is not known, 'cuboid'"),
        (shape(label=""), "without a label"),
        (shape(label="__ignore__"), "labelled __ignore__"),
        ("a text", "without a label"),
    ],
)
def test_what_is_no_object_is_left_out_and_told(tmp_path, wrong, words):
    labels = read(labelled(tmp_path, shape(), wrong, shape()))
    assert len(labels.annotations) == 2
    assert words in labels.notes[0]
    assert "a.json" in labels.notes[0]


def test_other_files_and_unlabelled_photos_are_told(tmp_path):
    labelled(tmp_path, shape())
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text('{"a": 1}')
    write_image(tmp_path / "b.png", np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    labels = read(tmp_path)
    notes = "\n".join(labels.notes)
    assert len(labels.images) == 1
    assert "not JSON: left out (1; first: broken.json)" in notes
    assert "not LabelMe's: left out (1; first: other.json)" in notes
    assert "not labelled yet: left out (1; first: b.png)" in notes


def test_labels_txt_gives_the_order_of_classes(tmp_path):
    labelled(tmp_path, shape(label="dog"), shape(label="new"))
    (tmp_path / "labels.txt").write_text("__ignore__\n_background_\ncup\ndog\n\n")
    assert read(tmp_path).class_names() == {1: "cup", 2: "dog", 3: "new"}


def test_photos_without_objects_stay(tmp_path):
    labels = read(labelled(tmp_path))
    assert (len(labels.images), labels.annotations) == (1, [])


def test_one_file_is_read(tmp_path):
    assert len(read(labelled(tmp_path, shape()) / "a.json").annotations) == 1
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match=r"a\.json: not valid JSON"):
        read(tmp_path / "a.json", from_format="labelme")


def test_a_folder_without_label_files_is_told(tmp_path):
    with pytest.raises(InputError, match="has no LabelMe file; give the folder"):
        read(tmp_path, from_format="labelme")
