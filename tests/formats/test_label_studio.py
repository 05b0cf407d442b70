"""Label Studio's exports, odd ones included, and what it imports."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from coco_documents import rle, sound, write_json, write_photos
from round_trip import assert_same, through

from instseg import InputError, convert
from instseg.core.events import Notice
from instseg.files.image_writing import write_image
from instseg.formats.brush_rle import encode_brush
from instseg.formats.convert import read_labels
from instseg.formats.shapes import mask_of

WIDTH, HEIGHT = 200, 100
SIZE = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
TRIANGLE = [[10, 10], [40, 10], [10, 90]]
TRIANGLE_PX = [[20, 10, 80, 10, 20, 90]]
UPLOADED = "/data/upload/1/0a1b2c3d-a.png"


def photo(path, size_hw=(HEIGHT, WIDTH)):
    write_image(path, np.full((*size_hw, 3), 127, np.uint8))


def region(kind="polygonlabels", label="cat", number="a", **value):
    value = value or {"points": TRIANGLE}
    labels = {kind: [label]} if label else {}
    tags = {"id": number, "type": kind, "from_name": "label", "to_name": "image"}
    return {**tags, **SIZE, "value": {**value, **labels}}


def task(*regions, image=UPLOADED, **annotation):
    return {
        "id": 7,
        "data": {"image": image},
        "annotations": [{"id": 1, "was_cancelled": False, "result": [*regions], **annotation}],
        "predictions": [],
    }


def read(tmp_path, tasks, *, at="export.json", photos=("a.png",)):
    for name in photos:
        photo(tmp_path / name)
    path = write_json(tmp_path / at, tasks)
    labels, read_as = read_labels(path)
    assert read_as.name == "label-studio"
    return labels


def only(tmp_path, *regions):
    labels = read(tmp_path, [task(*regions)])
    assert not labels.notes
    (found,) = labels.annotations
    return found


def notes_of(tmp_path, *regions):
    """What is told of regions that are left out beside one that is not."""
    good = region(number="good")
    labels = read(tmp_path, [task(*regions, good)])
    assert [each["segmentation"] for each in labels.annotations] == [TRIANGLE_PX]
    return "\n".join(labels.notes)


def test_a_polygon_in_percent(tmp_path):
    labels = read(tmp_path, [task(region())])
    (triangle,) = labels.annotations
    assert triangle["segmentation"] == TRIANGLE_PX
    assert labels.class_names() == {1: "cat"}
    (image,) = labels.images
    assert (image["file_name"], image["width"], image["height"]) == ("a.png", WIDTH, HEIGHT)
    assert labels.photos == tmp_path


def test_a_rectangle_is_a_box(tmp_path):
    found = only(tmp_path, region("rectanglelabels", x=10, y=20, width=30, height=40, rotation=0))
    assert found["segmentation"] == []
    assert found["bbox"] == [20, 20, 60, 40]


def test_a_rectangle_is_turned_around_its_upper_left_corner(tmp_path):
    found = only(tmp_path, region("rectanglelabels", x=50, y=20, width=30, height=40, rotation=90))
    assert found["segmentation"] == [[100, 20, 100, 80, 60, 80, 60, 20]]


def test_an_ellipse_is_a_polygon_of_its_size(tmp_path):
    found = only(tmp_path, region("ellipselabels", x=50, y=50, radiusX=20, radiusY=10, rotation=90))
    assert found["bbox"] == pytest.approx([90, 10, 20, 80], abs=0.1)
    assert found["area"] == pytest.approx(np.pi * 40 * 10, rel=0.02)


def test_a_brush_mask_with_a_hole_and_two_parts(tmp_path):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[10:40, 20:60] = True
    mask[20:30, 30:50] = False
    mask[70:90, 150:200] = True
    packed = encode_brush(mask, (0, 0), mask.shape)
    found = only(tmp_path, region("brushlabels", format="rle", rle=packed))
    assert (mask_of(found, mask.shape).dense(0) == mask).all()


def test_shapes_and_labels_that_only_an_id_joins(tmp_path):
    shape = region("polygon", label=None)
    label = region("labels", "dog", points=TRIANGLE)
    choice = {**region("choices", None, choices=["young"]), "from_name": "age"}
    found = read(tmp_path, [task(shape, choice, label)])
    assert [each["segmentation"] for each in found.annotations] == [TRIANGLE_PX]
    assert found.class_names() == {1: "dog"}
    assert found.annotations[0]["attributes"] == {"age": "young"}


def test_a_brush_mask_whose_class_is_a_choice(tmp_path):
    mask = np.eye(HEIGHT, WIDTH, dtype=bool)
    packed = encode_brush(mask, (0, 0), mask.shape)
    brush = region("brush", None, format="rle", rle=packed)
    choice = region("choices", None, choices=["bird"])
    labels = read(tmp_path, [task(brush, choice)])
    assert labels.class_names() == {1: "bird"}
    assert "attributes" not in labels.annotations[0]


def test_shapes_of_one_id_are_parts_of_one_object(tmp_path):
    other = [[60, 10], [90, 10], [60, 90]]
    found = only(tmp_path, region(), region(points=other))
    assert found["segmentation"] == [*TRIANGLE_PX, [120, 10, 180, 10, 120, 90]]


def test_objects_without_a_label_and_with_several(tmp_path):
    several = region(number="b", polygonlabels=["dog", "puppy"], points=TRIANGLE, label=None)
    labels = read(tmp_path, [task(region(label=None), several)])
    names = [labels.class_names()[each["category_id"]] for each in labels.annotations]
    assert names == ["object", "dog"]
    assert labels.annotations[1]["attributes"] == {"labels": "dog, puppy"}
    assert "without a label" in labels.notes[0]
    assert "several labels" in labels.notes[1]


def test_remarks_are_kept_and_what_people_have_seen_has_no_score(tmp_path):
    found = only(tmp_path, {**region(), "score": 0.75, "meta": {"text": ["blurred"]}})
    assert found["attributes"] == {"meta": "blurred"}
    assert "score" not in found


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"x": 5, "y": 5, "width": 1}, "key points"),
        ({"vertices": [{"x": 1, "y": 1}]}, "vectors"),
        ({"imageDataURL": "data:image/png;base64,xx"}, "bitmasks"),
        ({"points": [[1, 1], [2, 2]]}, "fewer than 3 points"),
        ({"points": [[1, 1], [2, None], [3, 3]]}, "no numbers"),
        ({"points": "x"}, "no numbers"),
        ({"x": 5, "y": 5, "width": "wide", "height": 3}, "no numbers"),
        ({"x": 150, "y": 5, "width": 10, "height": 3}, "outside of their photo"),
        ({"rle": [1, 2, 3], "format": "rle"}, "no list of bytes"),
        ({"rle": encode_brush(np.eye(5, dtype=bool), (0, 0), (5, 5))}, "another size"),
    ],
)
def test_an_object_that_cannot_be_read_is_left_out_and_told(tmp_path, value, words):
    said = notes_of(tmp_path, region("labels", number="x", **value))
    assert words in said
    assert "export.json" in said


def test_relations_and_broken_items_are_passed_over(tmp_path):
    relation = {"from_id": "a", "to_id": "b", "type": "relation", "direction": "right"}
    labels = read(tmp_path, [task(relation, "text", {"value": None}, region())])
    assert len(labels.annotations) == 1


@pytest.mark.parametrize(
    "image",
    [
        UPLOADED,
        "/data/local-files/?d=some/folder/a.png",
        "/data/local-files/?d=some%2Ffolder%2Fa.png",
        "http://localhost:8080/data/upload/3/0a1b2c3d-a.png",
        "https://host/bucket/a.png?X-Amz-Signature=abc",
        "s3://bucket/folder/a.png",
        r"C:\photos\a.png",
        "../photos/a.png",
        "A.PNG",
    ],
)
def test_where_photos_are(tmp_path, image):
    labels = read(tmp_path, [task(region(), image=image)])
    assert [each["file_name"] for each in labels.images] == ["a.png"]


def test_names_with_spaces_and_folders(tmp_path):
    (tmp_path / "images" / "my day").mkdir(parents=True)
    image = "/data/local-files/?d=photos/my%20day/b%20%26%20c.png"
    labels = read(tmp_path, [task(region(), image=image)], photos=["images/my day/b & c.png"])
    assert labels.images[0]["file_name"] == "images/my day/b & c.png"


def test_a_prefixed_name_that_is_on_disk(tmp_path):
    labels = read(tmp_path, [task(region())], photos=["a.png", "0a1b2c3d-a.png"])
    assert labels.images[0]["file_name"] == "0a1b2c3d-a.png"


def test_photos_that_are_not_there_have_the_size_of_their_task(tmp_path):
    labels = read(tmp_path, [task(region())], photos=[])
    (image,) = labels.images
    assert (image["file_name"], image["width"], image["height"]) == ("a.png", WIDTH, HEIGHT)
    assert labels.photos is None


@pytest.mark.parametrize("key", ["image", "img", "$undefined$", "picture"])
def test_any_name_of_the_data(tmp_path, key):
    data = {"text": "a remark", "number": 3, key: UPLOADED, "tags": ["x"]}
    labels = read(tmp_path, [{**task(region()), "data": data}])
    assert labels.images[0]["file_name"] == "a.png"


def test_a_turned_view_does_not_turn_the_labels(tmp_path):
    found = only(tmp_path, {**region(), "image_rotation": 90})
    assert found["segmentation"] == TRIANGLE_PX


def test_a_photo_of_another_size(tmp_path):
    small = {**region(), "original_width": WIDTH // 2, "original_height": HEIGHT // 2}
    labels = read(tmp_path, [task(small)])
    assert labels.annotations[0]["segmentation"] == TRIANGLE_PX
    assert "another size" in labels.notes[0]


def test_tasks_without_objects_are_negatives_and_skipped_ones_are_not(tmp_path):
    skipped = task(image="b.png", was_cancelled=True)
    unlabelled = {"id": 3, "data": {"image": "c.png"}, "annotations": [], "predictions": []}
    unlabelled["predictions"] = [{"result": [region()]}]
    labels = read(tmp_path, [task(), skipped, unlabelled], photos=["a.png", "b.png", "c.png"])
    assert [each["file_name"] for each in labels.images] == ["a.png"]
    assert labels.annotations == []
    assert "skipped" in labels.notes[0]
    assert "without labels" in labels.notes[1]


def test_the_first_annotation_that_was_not_cancelled_counts(tmp_path):
    several = task(region(label="no"), was_cancelled=True)
    several["annotations"] += [{"result": [region(label=name)]} for name in ("yes", "later")]
    labels = read(tmp_path, [several])
    assert labels.class_names() == {1: "yes"}
    assert "several annotations" in labels.notes[0]


def test_the_ground_truth_comes_first(tmp_path):
    several = task(region(label="no"))
    several["annotations"].append({"result": [region(label="yes")], "ground_truth": True})
    assert read(tmp_path, [several]).class_names() == {1: "yes"}


def test_predictions_count_if_nobody_has_labelled(tmp_path):
    found = {**region(), "score": 0.75}
    predicted = {"data": {"image": UPLOADED}, "predictions": [{"result": [found]}]}
    labels = read(tmp_path, [predicted])
    assert [each["score"] for each in labels.annotations] == [0.75]
    assert "predictions are read" in labels.notes[0]


def test_old_exports_have_completions(tmp_path):
    old = task(region())
    old["completions"] = old.pop("annotations")
    del old["predictions"]
    assert len(read(tmp_path, old).annotations) == 1


def test_json_min(tmp_path):
    shape = {**SIZE, "points": TRIANGLE, "closed": True, "polygonlabels": ["cat"]}
    box = {**SIZE, "x": 1, "y": 2, "width": 3, "height": 4, "rotation": 0}
    row = {"image": UPLOADED, "id": 1, "annotator": 1, "annotation_id": 2, "lead_time": 3.5}
    first = {**row, "label": [shape], "box": [{**box, "rectanglelabels": ["dog"]}]}
    second = {**row, "annotation_id": 3, "annotator": 2, "label": [shape] * 2}
    labels = read(tmp_path, [first, second])
    assert [labels.class_names()[a["category_id"]] for a in labels.annotations] == ["cat", "dog"]
    assert "several annotations" in labels.notes[0]


def test_synced_annotations_lie_in_files_of_their_own(tmp_path):
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    for number, name in enumerate(["a", "b", "b"], start=1):
        own = {"id": number, "data": {"image": f"s3://bucket/{name}.png"}}
        own["id"] = ord(name)
        content = {"id": number, "result": [region()], "task": own, "was_cancelled": False}
        write_json(tmp_path / str(number), content)
    labels, read_as = read_labels(tmp_path)
    assert read_as.name == "label-studio"
    assert [each["file_name"] for each in labels.images] == ["a.png", "b.png"]
    assert len(labels.annotations) == 2


def test_classes_are_those_of_the_labeling_configuration(tmp_path):
    config = '<View><PolygonLabels name="l" toName="i"><Label value="dog"/><Label value="cat"/>'
    (tmp_path / "label_config.xml").write_text(f"{config}</PolygonLabels></View>")
    assert read(tmp_path, [task(region())]).class_names() == {1: "dog", 2: "cat"}
    (tmp_path / "label_config.xml").write_text("<View>")
    labels = read(tmp_path, [task(region())])
    assert labels.class_names() == {1: "cat"}
    assert "not readable" in labels.notes[0]


def test_two_tasks_of_one_photo(tmp_path):
    labels = read(tmp_path, [task(region()), task(region())])
    assert len(labels.annotations) == 1
    assert "another task" in labels.notes[0]


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([{"data": {"image": "a.png"}, "annotations": []}], "no task has labels"),
        (
            [{"data": {"image": "b.png"}, "annotations": [{"result": []}]}],
            "give their folder as images",
        ),
        ([{"data": {"text": "a"}, "annotations": [{"result": []}]}], "give their folder as images"),
    ],
)
def test_a_file_without_labels_or_photos(tmp_path, tasks, words):
    with pytest.raises(InputError, match=words):
        read_labels(write_json(tmp_path / "a.json", tasks))


@pytest.mark.parametrize("content", ["[]", "[1]", "{", '[{"data": 1}]', '{"shapes": []}'])
def test_what_is_not_of_label_studio(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match="none of the known formats"):
        read_labels(tmp_path / "a.json")


@pytest.fixture
def source(tmp_path):
    write_photos(tmp_path / "data" / "my photos")
    return write_json(tmp_path / "data" / "annotations.json", sound())


@pytest.mark.parametrize("copy_photos", [False, True])
def test_every_pixel_and_id_comes_back(source, tmp_path, copy_photos):
    photos = source.parent / "my photos"
    before, _ = read_labels(source, photos)
    options = {"images": photos, "copy_photos": copy_photos}
    done = convert(source, tmp_path / "out", to="label-studio", **options)
    after, _ = read_labels(done.path, None if copy_photos else photos)
    assert_same(before, after, iou=1.0)
    kept = [each["id"] for each in before.annotations if not each["iscrowd"]]
    assert [each["id"] for each in after.annotations] == kept
    assert after.class_names() == {1: "cup", 2: "dog"}
    assert not after.notes


def test_real_masks_come_back(coco_dir, tmp_path):
    source = coco_dir / "annotations" / "instances_val2017.json"
    before, _ = read_labels(source)
    assert_same(before, through(source, "label-studio", tmp_path / "out", images=before.photos))


def test_what_is_written(source, tmp_path):
    told = []
    photos = source.parent / "my photos"
    options = {"images": photos, "on_event": told.append}
    done = convert(source, tmp_path / "out", to="label-studio", **options)
    tasks = json.loads((done.path / "tasks.json").read_text())
    assert [each["data"] for each in tasks] == [
        {"image": f"/data/local-files/?d=my%20photos/{n}.png", "width": 80, "height": 60}
        for n in (10, 20, 30)
    ]
    (annotation,) = tasks[0]["annotations"]
    kinds = [each["type"] for each in annotation["result"]]
    assert kinds == ["polygonlabels", "brushlabels", "brushlabels"]
    assert annotation["result"][0]["value"]["points"][0] == pytest.approx([12.5, 8.3333333333])
    root = f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT is {source.parent}"
    assert any(root in each.text for each in told if isinstance(each, Notice))
    config = ElementTree.parse(done.path / "label_config.xml").getroot()
    assert config.find("Image").attrib["value"] == "$image"
    controls = {each.attrib["name"]: each for each in config if each.tag != "Image"}
    for item in annotation["result"]:
        control = controls[item["from_name"]]
        assert control.tag.lower() == item["type"]
        assert control.attrib["toName"] == item["to_name"] == "image"
        assert item["value"][item["type"]][0] in [each.attrib["value"] for each in control]


def test_a_tolerance_makes_polygons_of_masks(tmp_path):
    yy, xx = np.mgrid[:60, :80]
    disc = rle(np.hypot(yy - 30, xx - 40) < 20)
    document = sound(images=1)
    document["annotations"] = [{**document["annotations"][0], "segmentation": disc}]
    path = write_json(tmp_path / "a.json", document)
    found = {}
    for tolerance in (0, "1px"):
        out = tmp_path / f"out{tolerance}"
        done = convert(path, out, to="label-studio", tolerance=tolerance)
        (result,) = json.loads((done.path / "tasks.json").read_text())
        (found[tolerance],) = result["annotations"][0]["result"]
    assert found[0]["type"] == "brushlabels"
    assert found["1px"]["type"] == "polygonlabels"
    assert len(found["1px"]["value"]["points"]) < 30


def test_objects_with_scores_are_predictions(tmp_path):
    document = sound(images=1)
    document["annotations"] = document["annotations"][:2]
    for score, each in zip((0.5, 0.9), document["annotations"], strict=True):
        each["score"] = score
    document["info"] = {"weights": "my-model"}
    path = write_json(tmp_path / "a.json", document)
    done = convert(path, tmp_path / "out", to="label-studio")
    (result,) = json.loads((done.path / "tasks.json").read_text())
    assert "annotations" not in result
    (prediction,) = result["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("my-model", 0.7)
    assert [each["score"] for each in prediction["result"]] == [0.5, 0.9]
    after, _ = read_labels(done.path)
    assert [each["score"] for each in after.annotations] == [0.5, 0.9]


def test_odd_class_names_and_splits_come_back(tmp_path):
    document = sound(images=2)
    names = ['a "b" & <c>', "größe\n2"]
    for category, name in zip(document["categories"], names, strict=True):
        category["name"] = name
    for image, split in zip(document["images"], ("train", "val"), strict=True):
        image["split"] = split
    path = write_json(tmp_path / "a.json", document)
    after = through(path, "label-studio", tmp_path / "out")
    assert after.class_names() == {1: names[0], 2: names[1].replace("\n", " ")}
    assert after.splits == ["train", "val"]
