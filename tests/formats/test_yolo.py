"""YOLO datasets as tools write them, odd ones included."""

import numpy as np
import pytest
import yaml

from instseg import InputError, convert
from instseg.files.image_writing import write_image
from instseg.formats.convert import read_labels
from instseg.formats.shapes import mask_of

WIDTH, HEIGHT = 200, 100
PHOTO = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
BOX = "0 0.5 0.5 0.2 0.4"
IN_PIXELS = [80, 30, 40, 40]
TRIANGLE = "1 0.1 0.1 0.4 0.1 0.1 0.9"


def photo(path):
    write_image(path.with_suffix(".png"), PHOTO)
    if path.suffix != ".png":
        path.with_suffix(".png").rename(path)


def dataset(root, text=BOX, config=None, *, photo_at="images/train/a.png"):
    """A dataset of one photo in the layout of Ultralytics."""
    (root / photo_at).parent.mkdir(parents=True, exist_ok=True)
    photo(root / photo_at)
    label = root / photo_at.replace("images/", "labels/", 1)
    label.parent.mkdir(parents=True, exist_ok=True)
    label.with_suffix(".txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    config = {"train": "images/train", "val": "images/train", "names": ["cat", "dog"]} | (
        config or {}
    )
    (root / "data.yaml").write_text(yaml.safe_dump(config))
    return root


def read(path, **options):
    return read_labels(path, **options)[0]


def notes_of(tmp_path, text):
    return "\n".join(read(dataset(tmp_path, text), from_format="yolo").notes)


def test_a_box(tmp_path):
    labels = read(dataset(tmp_path))
    (box,) = labels.annotations
    assert box["bbox"] == IN_PIXELS
    assert box["segmentation"] == []
    assert labels.class_names() == {1: "cat", 2: "dog"}
    assert labels.source_ids == {1: 0, 2: 1}
    assert labels.images[0] | {"id": 1} == {
        "id": 1,
        "file_name": "images/train/a.png",
        "width": WIDTH,
        "height": HEIGHT,
        "split": "train",
    }


def test_a_polygon(tmp_path):
    labels, read_as = read_labels(dataset(tmp_path, TRIANGLE))
    assert read_as.name == "yolo-seg"
    (triangle,) = labels.annotations
    assert triangle["segmentation"] == [[20, 10, 80, 10, 20, 90]]
    assert triangle["bbox"] == [20, 10, 60, 80]
    assert triangle["category_id"] == 2


def test_boxes_and_polygons_in_one_file(tmp_path):
    labels = read(dataset(tmp_path, f"{BOX}\n{TRIANGLE}\n"))
    assert [bool(a["segmentation"]) for a in labels.annotations] == [False, True]


def test_a_class_id_that_is_written_as_a_float(tmp_path):
    assert read(dataset(tmp_path, "1.0 0.5 0.5 0.2 0.4")).annotations[0]["category_id"] == 2


@pytest.mark.parametrize(
    "text",
    [
        f"{BOX}\r\n\r\n{BOX}\r\n".encode(),
        f"\ufeff{BOX}\n{BOX}".encode(),
        f"\n\n{BOX}\n   \n{BOX}\n\n".encode(),
        f"{BOX}\n{BOX}".replace(" ", "\t").encode(),
        f"{BOX}\n{BOX}".replace(" ", ", ").encode(),
    ],
    ids=["windows", "byte order mark", "blank lines", "tabs", "commas"],
)
def test_other_ways_to_write_lines(tmp_path, text):
    labels = read(dataset(tmp_path, text))
    assert [a["bbox"] for a in labels.annotations] == [IN_PIXELS] * 2
    assert not labels.notes


def test_predictions_end_with_a_score_and_a_track(tmp_path):
    text = f"{BOX} 0.75\n{BOX} 0.5 12\n{TRIANGLE} 0.25\n{TRIANGLE} 0.125 7\n{TRIANGLE}"
    labels = read(dataset(tmp_path, text))
    assert [a.get("score") for a in labels.annotations] == [0.75, 0.5, 0.25, 0.125, None]
    assert [a.get("track_id") for a in labels.annotations] == [None, 12, None, 7, None]
    assert [len(a["segmentation"]) for a in labels.annotations] == [0, 0, 1, 1, 1]


def test_coordinates_slightly_outside_are_cut_off(tmp_path):
    text = "0 0.05 0.5 0.2 0.4\n1 -0.001 0.1 1.002 0.1 0.1 1.05"
    labels = read(dataset(tmp_path, text))
    assert labels.annotations[0]["bbox"] == [0, 30, 30, 40]
    assert labels.annotations[1]["segmentation"] == [[0, 10, 200, 10, 20, 100]]
    assert "slightly outside" in labels.notes[0]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0", "as for classification"),
        ("0 0.5 0.5", "too few numbers"),
        ("0 80 30 40 40", "outside of 0..1, such as pixels"),
        ("0 nan 0.5 0.2 0.4", "NaN"),
        ("0 inf 0.5 0.2 0.4", "NaN or infinity"),
        ("0 1e999 0.5 0.2 0.4", "NaN or infinity"),
        ("cat 0.5 0.5 0.2 0.4", "not numbers"),
        ("-1 0.5 0.5 0.2 0.4", "not a whole number"),
        ("0.5 0.5 0.5 0.2 0.4", "not a whole number"),
        ("1e300 0.5 0.5 0.2 0.4", "not a whole number"),
        ("0 0.5 0.5 0 0.4", "without area"),
        ("0 0.5 0.5 -0.2 0.4", "coordinates outside"),
        ("0 0.1 0.1 0.4 0.1 0.1 0.9 3.5", "odd number"),
        ("\0\0\0\0", "not numbers"),
    ],
)
def test_a_line_that_is_no_object_is_left_out_and_told(tmp_path, line, words):
    labels = read(dataset(tmp_path, f"{BOX}\n{line}\n{BOX}"), from_format="yolo")
    assert len(labels.annotations) == 2
    assert words in labels.notes[0]
    assert "a.txt, line 2" in labels.notes[0]


def test_keypoints_are_told(tmp_path):
    root = dataset(tmp_path, f"{BOX} 0.5 0.5 2 0.4 0.4 1", {"kpt_shape": [2, 3]})
    labels = read(root)
    assert labels.annotations[0]["bbox"] == IN_PIXELS
    assert "keypoints" in labels.notes[0]


def test_photos_without_labels_are_negatives(tmp_path):
    root = dataset(tmp_path)
    photo(root / "images/train/b.png")
    photo(root / "images/train/c.png")
    (root / "labels/train/c.txt").write_text("")
    labels = read(root)
    assert len(labels.images) == 3
    assert len(labels.annotations) == 1


def test_labels_without_a_photo_are_told(tmp_path):
    root = dataset(tmp_path)
    (root / "labels/train/lost.txt").write_text(BOX)
    labels = read(root)
    assert len(labels.images) == 1
    assert labels.notes == (
        "label files without a photo, whose size is needed: left out "
        "(1; first: labels/train/lost.txt)",
    )


def test_a_photo_that_cannot_be_read_is_told(tmp_path):
    root = dataset(tmp_path)
    (root / "images/train/b.png").write_bytes(b"no photo")
    labels = read(root)
    assert len(labels.images) == 1
    assert "cannot be read" in labels.notes[0]


@pytest.mark.parametrize(
    "names", [["cat", "dog"], {0: "cat", 1: "dog"}, {"1": "dog", "0": "cat"}], ids=str
)
def test_names_are_a_list_or_a_mapping(tmp_path, names):
    assert read(dataset(tmp_path, config={"names": names})).class_names() == {1: "cat", 2: "dog"}


def test_names_may_be_numbers_and_sparse(tmp_path):
    labels = read(dataset(tmp_path, "7 0.5 0.5 0.2 0.4", {"names": {7: 12, 3: True}}))
    assert labels.class_names() == {4: "True", 8: "12"}
    assert labels.annotations[0]["category_id"] == 8


def test_a_class_without_a_name_gets_its_number(tmp_path):
    labels = read(dataset(tmp_path, "5 0.5 0.5 0.2 0.4"))
    assert labels.class_names()[6] == "class 5"
    assert "without a name" in labels.notes[0]


@pytest.mark.parametrize(
    ("config", "split"),
    [
        ({"train": "../train/images", "val": "../valid/images"}, "train"),
        ({"train": "/content/set/train/images"}, "train"),
        ({"train": "C:\\Users\\me\\set\\train\\images", "val": None}, "train"),
        ({"train": "train\\images"}, "train"),
        ({"train": ["valid/images", "train/images"], "val": []}, "train"),
        ({"path": "../datasets/set", "train": "train/images"}, "train"),
        ({"path": "", "train": "./train/images/"}, "train"),
        ({"train": "nowhere", "test": "train/images", "val": "nowhere"}, "test"),
    ],
    ids=["Roboflow", "Colab", "Windows", "backslashes", "a list", "path", "dots", "test only"],
)
def test_places_of_a_split(tmp_path, config, split):
    config = {"val": "valid/images"} | config
    root = dataset(tmp_path, config=config, photo_at="train/images/a.png")
    (root / "train" / "labels").mkdir(exist_ok=True)
    (root / "train" / "labels" / "a.txt").write_text(BOX)
    labels = read(root)
    assert [(i["file_name"], i["split"]) for i in labels.images] == [("train/images/a.png", split)]
    assert len(labels.annotations) == 1


def test_the_same_photos_in_two_splits_are_of_the_first(tmp_path):
    assert len(read(dataset(tmp_path)).images) == 1  # train and val name the same folder


def test_lists_of_photos(tmp_path):
    root = dataset(tmp_path, config={"train": "train.txt", "val": "val.txt"})
    photo(root / "images/train/b.png")
    (root / "train.txt").write_text("./images/train/a.png\n\n")
    (root / "val.txt").write_text("D:\\set\\images\\train\\b.png\r\n../../../etc/passwd\r\n")
    labels = read(root)
    assert [(i["file_name"], i["split"]) for i in labels.images] == [
        ("images/train/a.png", "train"),
        ("images/train/b.png", "val"),
    ]


def test_the_layout_of_darknet_and_cvat(tmp_path):
    (tmp_path / "obj_train_data").mkdir()
    photo(tmp_path / "obj_train_data" / "a.png")
    (tmp_path / "obj_train_data" / "a.txt").write_text(BOX)
    (tmp_path / "obj.names").write_text("cat\ndog\n\n")
    (tmp_path / "train.txt").write_text("data/obj_train_data/a.png\n")
    (tmp_path / "obj.data").write_text(
        "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n"
    )
    labels, read_as = read_labels(tmp_path)
    assert read_as.name == "yolo"
    assert labels.class_names() == {1: "cat", 2: "dog"}
    assert labels.images[0]["file_name"] == "obj_train_data/a.png"
    assert labels.annotations[0]["bbox"] == IN_PIXELS


def test_photos_labels_and_classes_in_one_folder(tmp_path):
    photo(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text(BOX)
    (tmp_path / "classes.txt").write_text("cat\n")
    (tmp_path / "README.txt").write_text("1 0.5 0.5 0.5 0.5 is a line\n")
    labels = read(tmp_path)
    assert labels.class_names() == {1: "cat"}
    assert len(labels.annotations) == 1
    assert not labels.notes


def test_a_folder_without_names(tmp_path):
    root = dataset(tmp_path, photo_at="images/a.png")
    (root / "data.yaml").unlink()
    labels = read(root)
    assert labels.class_names() == {1: "class 0"}
    assert not labels.splits


def test_upper_case_suffixes(tmp_path):
    root = dataset(tmp_path)
    (root / "images/train/a.png").rename(root / "images/train/a.JPG")
    (root / "labels/train/a.txt").rename(root / "labels/train/a.TXT")
    assert len(read(root).annotations) == 1


def test_photos_elsewhere(tmp_path):
    root = dataset(tmp_path / "set")
    (tmp_path / "photos").mkdir()
    (root / "images/train/a.png").rename(tmp_path / "photos" / "a.png")
    with pytest.raises(InputError, match="no photos found"):
        read(root)
    labels = read(root, images=tmp_path / "photos")
    assert labels.photos == tmp_path / "photos"
    assert labels.images[0]["file_name"] == "a.png"
    assert labels.images[0]["split"] == "train"
    assert labels.annotations[0]["bbox"] == IN_PIXELS


def test_a_name_with_dots_and_spaces(tmp_path):
    root = dataset(tmp_path, photo_at="images/train/my photo.v1.rf.0a.png")
    assert len(read(root).annotations) == 1


@pytest.mark.parametrize("content", ["names: [a\n", "\0\0", "a: &a [*a, *a]"])
def test_a_broken_data_yaml_is_told(tmp_path, content):
    root = dataset(tmp_path)
    (root / "data.yaml").write_text(content)
    try:
        read(root / "data.yaml", from_format="yolo")
    except InputError as error:
        assert "data.yaml" in str(error)


def test_data_yaml_itself_is_given(tmp_path):
    assert len(read(dataset(tmp_path) / "data.yaml").annotations) == 1


def test_a_ring_with_bridges_becomes_parts_and_holes(tmp_path):
    hole = "0 .1 .2 .4 .2 .4 .8 .1 .8 .1 .2 .2 .4 .2 .6 .3 .6 .3 .4 .2 .4 .1 .2"
    apart = "0 .5 .2 .6 .2 .6 .4 .5 .4 .5 .2 .8 .6 .9 .6 .9 .8 .8 .8 .8 .6 .5 .2"
    labels = read(dataset(tmp_path, f"{hole}\n{apart}"))
    with_hole, parts = labels.annotations
    mask = mask_of(with_hole, (HEIGHT, WIDTH)).dense(0)
    assert mask[30, 30]
    assert not mask[50, 50]
    assert len(parts["segmentation"]) == 2


def test_a_packed_dataset_is_told(tmp_path):
    (tmp_path / "set.zip").write_bytes(b"PK\3\4")
    with pytest.raises(InputError, match="unpack it"):
        convert(tmp_path / "set.zip", tmp_path / "out", to="coco")


@pytest.mark.parametrize("name", ["test", "train", "classes", "readme_1", "val.txt1"])
def test_photos_called_like_lists_keep_their_labels(tmp_path, name):
    root = dataset(tmp_path / "a", photo_at=f"images/train/{name}.jpg")
    assert len(read(root).annotations) == 1
    (root / "images").rename(tmp_path / "photos")
    assert len(read(root, images=tmp_path / "photos").annotations) == 1
