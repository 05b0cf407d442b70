"""Datasets as other tools write them: what a user has, and what it is read as."""

import copy
import json

import msgspec
import pytest
from coco_documents import RECTANGLE, SIZE_HW, donut, rle, sound, write_json, write_photos

import instseg
from instseg.data.coco import CocoData
from instseg.files.coco_forms import as_read, last_part, whole
from instseg.files.coco_json import parse_dataset, read_image_ids
from instseg.files.coco_masks import box_of, outline_of

POINTS = [[10, 5], [40, 5], [40, 25], [10, 25]]
BOX = [10, 5, 30, 20]
UUID = "5f0c-{}"
HUGE = 2**60


def every(section, function):
    """Change every record of a section by a function that returns new values."""

    def apply(document):
        for record in document[section]:
            record.update(function(record))

    return apply


def ids_as(kind):
    """Ids and references of images and categories written by a function."""

    def apply(document):
        for image in document["images"]:
            image["id"] = kind(image["id"])
        for category in document["categories"]:
            category["id"] = kind(category["id"])
        for each in document["annotations"]:
            each["image_id"] = kind(each["image_id"])
            each["category_id"] = kind(each["category_id"])

    return apply


def images_by_name(document):
    names = {image["id"]: image["file_name"] for image in document["images"]}
    classes = {category["id"]: category["name"] for category in document["categories"]}
    for each in document["annotations"]:
        each["image_id"] = names[each["image_id"]]
        each["category_id"] = classes[each["category_id"]]


def ids_only_in_names(document):
    images_by_name(document)
    for image in document["images"]:
        del image["id"]


def only_url(document):
    for image in document["images"]:
        image["coco_url"] = f"http://images.org/val%202017/{image.pop('file_name')}?size=l"


def without_size(*values):
    def apply(document):
        for image, value in zip(document["images"], values, strict=True):
            for side in ("width", "height"):
                image[side] = value
            if value == "absent":
                del image["width"], image["height"]

    return apply


def masks(function):
    return every("annotations", lambda a: {"segmentation": function(a["segmentation"])})


def of_polygons(function):
    return masks(lambda s: function(s) if isinstance(s, list) else s)


def of_rle(function):
    return masks(lambda s: function(s) if isinstance(s, dict) else s)


def pairs(part):
    return [list(xy) for xy in zip(part[::2], part[1::2], strict=True)]


def as_dicts(part):
    return [{"x": x, "y": y} for x, y in pairs(part)]


def rectangles(document):
    for each in document["annotations"]:
        if each["segmentation"] == [RECTANGLE]:
            each["segmentation"] = [[10, 5, 40, 25]]


# what is odd: (how, the code of the finding)
FORMS = {
    "ids as 1.0": (ids_as(float), "number-form"),
    "ids as text": (ids_as(str), "number-form"),
    "ids as text of 1.0": (ids_as(lambda n: f"{n}.0"), "number-form"),
    "ids as uuid": (ids_as(UUID.format), "id-form"),
    "huge ids": (ids_as(lambda n: HUGE + n), "id-form"),
    "file and class names for ids": (images_by_name, "number-form"),
    "names for ids of images without one": (ids_only_in_names, "id-form"),
    "annotation ids as uuid": (
        every("annotations", lambda a: {"id": UUID.format(a["id"])}),
        "id-form",
    ),
    "sizes as 80.0": (
        every("images", lambda i: {"width": 80.0, "height": 60.0}),
        "number-form",
    ),
    "sizes as text": (every("images", lambda i: {"width": "80", "height": "60"}), "number-form"),
    "no sizes": (without_size("absent", "absent", "absent"), "size-form"),
    "sizes null, 0 or missing": (without_size(None, 0, "absent"), "size-form"),
    "only URLs": (only_url, "name-form"),
    "areas as text": (every("annotations", lambda a: {"area": str(a["area"])}), "number-form"),
    "iscrowd as text": (
        every("annotations", lambda a: {"iscrowd": str(a["iscrowd"])}),
        "number-form",
    ),
    "iscrowd as true": (
        every("annotations", lambda a: {"iscrowd": str(bool(a["iscrowd"]))}),
        "number-form",
    ),
    "boxes as text": (every("annotations", lambda a: {"bbox": json.dumps(a["bbox"])}), "box-form"),
    "numbers of boxes as text": (
        every("annotations", lambda a: {"bbox": [*map(str, a["bbox"])]}),
        "box-form",
    ),
    "boxes in a list": (every("annotations", lambda a: {"bbox": [a["bbox"]]}), "box-form"),
    "boxes as dicts": (
        every(
            "annotations",
            lambda a: {"bbox": dict(zip(("x", "y", "width", "height"), a["bbox"], strict=True))},
        ),
        "box-form",
    ),
    "RLE in a list": (of_rle(lambda s: [s]), "mask-form"),
    "counts as text of bytes": (
        of_rle(lambda s: {**s, "counts": str(s["counts"].encode())}),
        "mask-form",
    ),
    "RLE sizes as text": (of_rle(lambda s: {**s, "size": [*map(str, s["size"])]}), "mask-form"),
    "points in pairs": (of_polygons(lambda s: [pairs(part) for part in s]), "mask-form"),
    "points as dicts": (of_polygons(lambda s: [as_dicts(part) for part in s]), "mask-form"),
    "coordinates as text": (of_polygons(lambda s: [[*map(str, p)] for p in s]), "mask-form"),
    "masks as JSON text": (masks(json.dumps), "mask-form"),
    "masks as Python text": (masks(str), "mask-form"),
    "rectangles by two corners": (rectangles, "mask-form"),
}


def numbered(document):
    """What is left of a document when it is numbered anew: names for ids, no other keys."""
    names = {image["id"]: image["file_name"] for image in document["images"]}
    classes = {category["id"]: category["name"] for category in document["categories"]}
    sizes = [(i["file_name"], i["width"], i["height"]) for i in document["images"]]
    keys = ("segmentation", "bbox", "area", "iscrowd")
    objects = [
        (names[a["image_id"]], classes[a["category_id"]], [a[key] for key in keys])
        for a in document["annotations"]
    ]
    return sizes, objects


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("photos"))


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_lost_in_reader_doctor_and_repair(form, photos, tmp_path):
    change, code = FORMS[form]
    document = sound()
    change(document)
    written = copy.deepcopy(document)
    path = write_json(tmp_path / "a.json", document)

    read, forms = as_read(document, lambda name: SIZE_HW[::-1])
    assert numbered(read) == numbered(sound())
    assert code in {each.code for each in forms}
    assert document == written, "what is read is not modified"

    data, usual = (
        CocoData.read(p, photos) for p in (path, write_json(tmp_path / "b.json", sound()))
    )
    assert data.class_names == usual.class_names
    for index in range(3):
        one, other = data.objects(index), usual.objects(index)
        assert one.masks.to_rle() == other.masks.to_rle() and one.names == other.names
        assert len(data.crowds(index)) == 1

    seen = instseg.examine(path, photos)
    found = next(each for each in seen.findings if each.code == code)
    assert (found.severity, found.fix) == ("warning", "repair")
    assert seen.ok and seen.statistics["objects"] == 9
    done = instseg.repair(path, photos, out=tmp_path / "fixed.json")
    fixed = json.loads(done.path.read_text())
    assert numbered(fixed) == numbered(sound())
    assert code not in {each.code for each in done.examination.findings}
    assert code in {each.code for each in done.changes}
    assert "drop" not in {each.action for each in done.changes}
    ids = [r["id"] for section in ("images", "annotations", "categories") for r in fixed[section]]
    assert {type(number) for number in ids} == {int}


def test_old_ids_are_kept_beside():
    document = sound()
    ids_as(UUID.format)(document)
    document["annotations"][0]["id"] = "first"
    read, _ = as_read(document)
    assert [image["original_id"] for image in read["images"]] == [
        UUID.format(n) for n in (10, 20, 30)
    ]
    assert [image["id"] for image in read["images"]] == [1, 2, 3]
    assert read["annotations"][0]["original_id"] == "first"
    assert read["annotations"][0]["id"] > max(a["id"] for a in read["annotations"][1:])


def test_ids_that_are_one_number_but_two_texts_stay_two():
    document = sound(images=2)
    for image, text in zip(document["images"], ("7", "007"), strict=True):
        for each in document["annotations"]:
            each["image_id"] = text if each["image_id"] == image["id"] else each["image_id"]
        image["id"] = text
    assert numbered(as_read(document)[0]) == numbered(sound(images=2))


@pytest.mark.parametrize(
    "document", [None, [], {}, {"images": 3}, {"images": [None, 3, {"id": []}]}]
)
def test_what_is_no_dataset_is_read_as_it_is(document):
    read, forms = as_read(document)
    assert read == document and not forms


def test_sound_documents_are_read_as_they_are():
    read, forms = as_read(sound())
    assert read == sound() and not forms


def test_image_ids_are_those_of_the_dataset(tmp_path, photos):
    document = sound()
    only_url(document)
    ids_as(UUID.format)(document)
    path = write_json(tmp_path / "a.json", document)
    assert read_image_ids(path) == {"10.png": 1, "20.png": 2, "30.png": 3}
    assert [image.id for image in CocoData.read(path, photos).images] == [1, 2, 3]


def test_a_size_that_no_photo_tells_is_an_error(tmp_path):
    document = sound()
    without_size("absent", None, 0)(document)
    with pytest.raises(instseg.InputError, match=r"images\[0\]"):
        parse_dataset(msgspec.json.encode(document), tmp_path / "a.json")
    seen = instseg.examine(write_json(tmp_path / "a.json", document))
    assert {"key-missing", "key-type"} <= {f.code for f in seen.findings if f.severity == "error"}


@pytest.mark.parametrize(
    ("value", "number"),
    [(1.0, 1), ("1", 1), (" 12.0 ", 12), ("1.5", "1.5"), (1.5, 1.5), ("1e3", "1e3"), (None, None)],
)
def test_whole_numbers(value, number):
    assert whole(value) == number and type(whole(value)) is type(number)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://a.org/x/b%20c.jpg?s=1", "b c.jpg"),
        ("x\\b.jpg", "b.jpg"),
        ("b.jpg", "b.jpg"),
        ("http://[bad/b.jpg", "b.jpg"),
        ("http://a.org/", ""),
    ],
)
def test_the_last_part_of_an_address_is_the_name(url, name):
    assert last_part(url) == name


def test_an_rle_as_text_in_a_list():
    rle = {"size": [60, 80], "counts": "c19c1"}
    assert outline_of([json.dumps(rle)]) == rle


@pytest.mark.parametrize(
    "value",
    [
        [[[x, y]] for x, y in POINTS],  # as OpenCV has contours
        [[POINTS]],
        [RECTANGLE],
        RECTANGLE,
        str(tuple(map(tuple, POINTS))),
        json.dumps([as_dicts(RECTANGLE)]),
        [10, 5, 40, 25],
        [[10, 5], [40, 25]],
    ],
)
def test_outlines_in_many_forms(value):
    assert outline_of(value, BOX) == [RECTANGLE] or outline_of(value, BOX) == [
        [float(n) for n in RECTANGLE]
    ]


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        "polygon",
        "[[1, 2",
        [[1, 2, None, 4, 5, 6]],
        [[1, 2, 3, 4]],
        [10, 5, 30, 20],  # x, y, width, height are no corners
        [RECTANGLE, None],
        [{"size": [1, 1]}],
        [rle(donut()), rle(donut())],
        {"counts": "b'\\x'"},
        "[" * 50_000,
    ],
)
def test_what_may_mean_several_things_stays_as_it_is(value):
    assert outline_of(value, BOX) == ([value] if value == [10, 5, 30, 20] else value)


@pytest.mark.parametrize(
    ("value", "box"),
    [
        ("10, 5, 30, 20", "10, 5, 30, 20"),
        ([[10, 5], [40, 25]], BOX),
        ({"x": 10, "y": 5, "w": 30, "h": 20}, BOX),
        ([10, 5, None, 20], [10, 5, None, 20]),
        ([10, 5, "wide", 20], [10, 5, "wide", 20]),
        ([1, 2, 3], [1, 2, 3]),
        (None, None),
    ],
)
def test_boxes_in_many_forms(value, box):
    assert box_of(value) == box
