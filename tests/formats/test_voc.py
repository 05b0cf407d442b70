"""Pascal VOC as tools write it, odd files included."""

import json

import numpy as np
import pytest
from coco_documents import SIZE_HW, donut, sound, write_photos
from PIL import Image
from round_trip import assert_same, by_photo, through

from instseg import InputError, convert
from instseg.files.image_writing import write_image, write_indexed_png
from instseg.formats.class_tables import voc_colours
from instseg.formats.convert import read_labels
from instseg.formats.shapes import mask_of

HEIGHT, WIDTH = SIZE_HW
SIZE = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
VOC = "<source><annotation>PASCAL VOC2012</annotation></source>"
DOG = (11, 6, 40, 25)
IN_PIXELS = [10, 5, 30, 20]


def thing(name="dog", box=DOG, more=""):
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    corners = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    return f"<object><name>{name}</name>{more}<bndbox>{corners}</bndbox></object>"


def photo(path, size_hw=SIZE_HW):
    write_image(path.with_suffix(".png"), np.full((*size_hw, 3), 90, np.uint8))
    path.with_suffix(".png").rename(path)


def dataset(root, *things, name="a", filename="a.jpg", size=SIZE, source=VOC, flat=False):
    """A dataset of one photo, laid out as VOC's own, or with all files in one folder."""
    photos, xmls = (root, root) if flat else (root / "JPEGImages", root / "Annotations")
    for folder in (photos, xmls):
        folder.mkdir(parents=True, exist_ok=True)
    photo(photos / f"{name}.jpg")
    file = xmls / f"{name}.xml"
    text = f"<annotation><filename>{filename}</filename>{source}{size}{''.join(things)}"
    file.write_text(f"{text}</annotation>", encoding="utf-8")
    return root


def masks(root, objects, classes=None, name="a"):
    for title, values in (("SegmentationObject", objects), ("SegmentationClass", classes)):
        if values is not None:
            (root / title).mkdir(parents=True, exist_ok=True)
            pixels = np.asarray(values, dtype=np.uint8)
            write_indexed_png(root / title / f"{name}.png", pixels, voc_colours())


def lists(root, kind="Main", **splits):
    (root / "ImageSets" / kind).mkdir(parents=True, exist_ok=True)
    for split, names in splits.items():
        (root / "ImageSets" / kind / f"{split}.txt").write_text("".join(f"{n}\n" for n in names))


def read(path, **options):
    return read_labels(path, **options)[0]


def two_dogs():
    """The numbers of two dogs, of which the second is first in the XML, and a void border."""
    numbers = np.zeros(SIZE_HW, np.uint8)
    numbers[5:25, 10:40] = 255
    numbers[7:23, 12:38] = 2
    numbers[donut()] = 1
    return numbers


def test_a_box_of_vocs_own(tmp_path):
    more = "<pose>Left</pose><truncated>1</truncated><difficult>0</difficult>"
    labels, read_as = read_labels(dataset(tmp_path, thing(more=more)))
    assert read_as.name == "voc"
    (dog,) = labels.annotations
    assert dog["bbox"] == IN_PIXELS
    assert dog["segmentation"] == []
    assert dog["attributes"] == {"pose": "Left", "truncated": True}
    assert labels.images[0]["file_name"] == "JPEGImages/a.jpg"
    assert labels.class_names() == {1: "dog"}


@pytest.mark.parametrize(
    ("box", "source", "expected"),
    [
        ((10, 5, 40, 25), "", [9, 4, 31, 21]),
        ((10.5, 5.25, 40.5, 25.5), "", [10.5, 5.25, 30, 20.25]),
        (("10.0", "5.0", "40.0", "25.0"), "", IN_PIXELS),
        ((0, 5, 40, 25), "", [0, 5, 40, 20]),
        ((45.5, 6, 50, 25), VOC, [44.5, 5, 5.5, 20]),
        ((40, 25, 11, 6), VOC, IN_PIXELS),
    ],
    ids=["pixels from 1", "fractions", "CVAT's floats", "zeros", "VOC's own", "swapped"],
)
def test_boxes_from_0_and_from_1(tmp_path, box, source, expected):
    labels = read(dataset(tmp_path, thing(box=box), source=source))
    assert labels.annotations[0]["bbox"] == expected


def test_parts_and_attributes_come_back(tmp_path):
    part = "<part><name>head</name>" + thing().partition("</name>")[2].partition("</obj")[0]
    more = (
        f"{part}</part><attributes><attribute><name>age</name><value>3</value></attribute>"
        "</attributes>"
    )
    before = read(dataset(tmp_path / "in", thing(more=more)))
    attributes = before.annotations[0]["attributes"]
    assert attributes == {"age": 3, "parts": [{"name": "head", "bbox": IN_PIXELS}]}
    after = through(tmp_path / "in", "voc", tmp_path / "out")
    assert after.annotations[0]["attributes"] == attributes
    assert_same(before, after)


def test_masks_are_matched_to_boxes_by_place(tmp_path):
    root = dataset(tmp_path, thing(), thing(box=(47, 27, 75, 55)), thing(box=(1, 50, 9, 60)))
    masks(root, two_dogs(), np.where(two_dogs() % 255, 12, 0))
    first, second, third = read(root).annotations
    assert (mask_of(first, SIZE_HW).dense(0) == (two_dogs() == 2)).all()
    assert (mask_of(second, SIZE_HW).dense(0) == donut()).all()
    assert third["segmentation"] == []
    assert third["bbox"] == [0, 49, 9, 11]


def test_masks_in_colours_without_xml(tmp_path):
    """CVAT's "Segmentation mask": RGB files, and labelmap.txt."""
    root = tmp_path
    photo((root / "JPEGImages").mkdir() or root / "JPEGImages" / "a.jpg")
    (root / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncup:10,20,30::\nred: dog:9,9,9::\n"
    )
    classes = np.zeros((*SIZE_HW, 3), np.uint8)
    classes[7:23, 12:38], classes[donut()] = (10, 20, 30), (9, 9, 9)
    write_image(root / "SegmentationClass" / "a.png", classes)
    write_image(root / "SegmentationObject" / "a.png", voc_colours()[two_dogs()])
    lists(root, "Segmentation", default=["a"])
    labels = read(root)
    names = labels.class_names()
    assert names == {1: "cup", 2: "red: dog"}
    assert sorted(names[each["category_id"]] for each in labels.annotations) == ["cup", "red: dog"]
    assert not labels.notes


def test_a_grey_png_is_read_by_its_numbers(tmp_path):
    root = dataset(tmp_path, thing())
    for title, value in (("SegmentationObject", 1), ("SegmentationClass", 12)):
        (root / title).mkdir()
        pixels = np.where(two_dogs() == 2, value, 0).astype(np.uint8)
        Image.fromarray(pixels).save(root / title / "a.png")
    (dog,) = read(root).annotations
    assert (mask_of(dog, SIZE_HW).dense(0) == (two_dogs() == 2)).all()


def test_splits_are_those_of_masks_where_there_are_any(tmp_path):
    for name in ("a", "b", "c d"):
        dataset(tmp_path, thing(), name=name, filename=f"{name}.jpg")
    lists(tmp_path, train=["a", "b"], val=["c d"], dog_val=["a 1", "b -1"])
    found = {image["file_name"][11:-4]: image.get("split") for image in read(tmp_path).images}
    assert found == {"a": "train", "b": "train", "c d": "val"}
    lists(tmp_path, "Segmentation", train=["b.jpg"], val=['"c d"'])
    found = {image["file_name"][11:-4]: image.get("split") for image in read(tmp_path).images}
    assert found == {"a": None, "b": "train", "c d": "val"}


def test_folders_of_roboflow(tmp_path):
    polygon = "<polygon><x1>1</x1><y1>1</y1><x2>9</x2><y2>1</y2><x3>9</x3><y3>9</y3></polygon>"
    for split in ("train", "valid"):
        name = f"{split}_jpg.rf.0"
        things = [thing(more=polygon), thing("cat", (10, 5, 40, 25))]
        file = f"{name}.jpg"
        dataset(tmp_path / split, *things, name=name, filename=file, source="", flat=True)
    labels, read_as = read_labels(tmp_path)
    assert read_as.name == "voc"
    assert labels.splits == ["train", "val"]
    assert labels.annotations[0]["segmentation"] == [[1, 1, 9, 1, 9, 9]]


@pytest.mark.parametrize(
    "filename", ["a.png", r"C:\data\a.jpg", "/home/me/photos/a.JPG", "", "b.jpg"]
)
def test_the_photo_is_found_whatever_the_xml_says(tmp_path, filename):
    labels = read(dataset(tmp_path, thing(), filename=filename))
    assert labels.images[0]["file_name"] == "JPEGImages/a.jpg"


def test_the_photo_is_found_by_its_name_in_the_xml_alone(tmp_path):
    root = dataset(tmp_path, thing(), name="photo 1 ä", filename="photo 1 ä.jpg", flat=True)
    (root / "photo 1 ä.xml").rename(root / "17.xml")
    assert read(root).images[0]["file_name"] == "photo 1 ä.jpg"


@pytest.mark.parametrize(
    "size",
    [
        "",
        "<size><width>0</width><height>0</height></size>",
        "<size><width>9999999</width><height>9999999</height></size>",
    ],
)
def test_a_size_that_is_missing_is_the_photos(tmp_path, size):
    root = dataset(tmp_path, thing(), size=size)
    assert read(root).images[0]["width"] == WIDTH
    (root / "JPEGImages" / "a.jpg").unlink()
    with pytest.raises(InputError, match="the size of none of its photos is known"):
        read(root)


def test_an_xml_without_objects_is_a_negative(tmp_path):
    labels = read(dataset(tmp_path))
    assert len(labels.images) == 1
    assert not labels.annotations


def test_broken_files_are_left_out_and_told(tmp_path):
    root = dataset(tmp_path, thing(), thing(box=("x", 1, 2, 3)), thing(box=("nan", 1, 2, 3)))
    (root / "Annotations" / "b.xml").write_text("<annotation><object>")
    text = '<!DOCTYPE a [<!ENTITY b "c">]><annotation/>'
    (root / "Annotations" / "c.xml").write_text(text)
    (root / "Annotations" / "d.xml").write_text("<svg><object/></svg>")
    labels = read(root)
    assert len(labels.annotations) == 1
    notes = "\n".join(labels.notes)
    assert "objects without a class, a box or finite numbers: left out (2;" in notes
    assert "XML files that cannot be read: left out (3;" in notes


def test_masks_of_another_size_are_told(tmp_path):
    root = dataset(tmp_path, thing())
    masks(root, np.ones((5, 6)))
    labels = read(root)
    assert labels.annotations[0]["segmentation"] == []
    assert "PNG files of another size than their photo: only boxes are read (1;" in labels.notes[0]


def test_one_file(tmp_path):
    root = dataset(tmp_path, thing(), flat=True)
    dataset(root, thing(), name="b", flat=True)
    assert len(read(root / "a.xml").images) == 1


def test_other_xml_is_not_taken(tmp_path):
    (tmp_path / "a.xml").write_text("<annotations><image/></annotations>")
    with pytest.raises(InputError, match="none of the known formats"):
        read(tmp_path)


def test_everything_that_the_format_holds_comes_back(tmp_path):
    document = sound()
    document["annotations"].append(
        {"id": 999, "image_id": 20, "category_id": 3, "bbox": [1.25, 2, 5.5, 7], "iscrowd": 0}
    )
    for image, split in zip(document["images"], ("train", "val", "train"), strict=True):
        image["split"] = split
    source = tmp_path / "a.json"
    source.write_text(json.dumps(document))
    write_photos(tmp_path / "images")
    done = convert(source, tmp_path / "out", to="voc")
    after = read(done.path)
    assert_same(read(source), after)
    assert after.splits == ["train", "val"]
    assert not after.notes
    pixels = np.array(Image.open(done.path / "SegmentationObject" / "10.png"))
    assert pixels[55, 5] == 255  # a crowd
    assert (done.path / "ImageSets" / "Segmentation" / "val.txt").read_text() == "20\n"
    assert (done.path / "JPEGImages" / "10.png").is_file()


def test_real_photos_come_back_but_for_what_is_hidden(coco_dir, tmp_path):
    source = coco_dir / "annotations" / "instances_val2017.json"
    document = json.loads(source.read_text())
    document["images"] = document["images"][:6]
    ids = {image["id"] for image in document["images"]}
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] in ids]
    few = tmp_path / "few.json"
    few.write_text(json.dumps(document))
    first = convert(few, tmp_path / "one", to="voc")
    before = read(first.path)
    assert sum(map(len, by_photo(before).values())) == sum(map(len, by_photo(read(few)).values()))
    assert_same(before, through(first.path, "voc", tmp_path / "two"), iou=1.0)


def test_blanks_around_names_of_classes_are_kept(tmp_path):
    document = sound(images=1)
    document["categories"] = [{"id": 3, "name": "cup "}, {"id": 7, "name": " dog"}]
    source = tmp_path / "a.json"
    source.write_text(json.dumps(document))
    write_photos(tmp_path / "images", 1)
    after = through(source, "voc", tmp_path / "out")
    assert_same(read(source), after)
    assert len(after.annotations) == 3
    assert sorted(after.class_names().values()) == [" dog", "cup "]


def test_the_first_file_that_cannot_be_read_is_named(tmp_path):
    root = dataset(tmp_path, thing())
    (root / "Annotations" / "a.xml").write_text("<annotation><object>")
    with pytest.raises(InputError, match=r"of Pascal VOC can be read: .*a\.xml: "):
        read(root, from_format="voc")
