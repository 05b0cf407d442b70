"""Every finding has a broken dataset here, or in test_photo_checks.py; sound ones have none."""

import json
import math
import re

import pytest
from coco_documents import RECTANGLE, annotation, crowd, rle, sound, write_json, write_photos

from instseg.core.errors import InputError
from instseg.core.masks import Masks
from instseg.doctor.examination import Surroundings
from instseg.doctor.examine import examine, examine_document, quick_check
from instseg.doctor.mend import mend
from instseg.doctor.rules import RULES
from instseg.scenes.scene import write_scenes

USUAL = {"class-few"}  # of a small dataset


def change(section, row, **values):
    def apply(document):
        document[section][row].update(values)

    return apply


def forget(section, row, key):
    def apply(document):
        del document[section][row][key]

    return apply


def mask(row, segmentation):
    return change("annotations", row, segmentation=segmentation)


def add(section, **values):
    """Another record like the first, but for some values."""

    def apply(document):
        document[section].append({**document[section][0], **values})

    return apply


def every_box(function):
    def apply(document):
        sizes = {image["id"]: (image["width"], image["height"]) for image in document["images"]}
        for each in document["annotations"]:
            each["bbox"] = function(*each["bbox"], *sizes[each["image_id"]])

    return apply


def points(coords, labels):
    values = {"segmentation": None, "point_coords": coords, "point_labels": labels}
    return change("annotations", 0, **values)


def relative_polygons(document):
    document["annotations"] = [
        a for a in document["annotations"] if isinstance(a["segmentation"], list)
    ]
    for each in document["annotations"]:
        parts = each["segmentation"]
        each["segmentation"] = [
            [value / (60 if i % 2 else 80) for i, value in enumerate(part)] for part in parts
        ]


def all_crowds(document):
    for each in document["annotations"]:
        each["iscrowd"] = 1


def flag_donuts(document):
    for row in (2, 6):
        document["annotations"][row]["iscrowd"] = 1


def exchange_masks(document):
    for each in document["annotations"]:
        given = each["segmentation"]
        if isinstance(given, dict):
            each["segmentation"] = rle(Masks.from_rle([given]).dense(0).T)
        else:
            points = [list(zip(part[1::2], part[::2], strict=True)) for part in given]
            each["segmentation"] = [[n for xy in part for n in xy] for part in points]


def empty_images(document):
    document["annotations"] = document["annotations"][4:]


def no_annotations(document):
    document["annotations"] = []


# code: (what breaks a sound document, the ids that are named, other codes that come with it)
BROKEN = {
    "section-missing": (
        lambda d: d.pop("categories"),
        [],
        {"unknown-category", "no-objects", "images-empty"},
    ),
    "record-not-object": (lambda d: d["annotations"].append("x"), ["annotations[12]"], set()),
    "key-missing": (forget("annotations", 0, "category_id"), [101], set()),
    "key-type": (change("annotations", 0, image_id=[10]), [101], set()),
    "number-form": (change("annotations", 0, image_id="10"), [101], set()),
    "id-form": (change("annotations", 1, id="7f3a-22"), [305], set()),
    "name-form": (change("images", 2, file_name="", coco_url="http://x.org/a/30.png"), [30], set()),
    "image-id-twice": (add("images", file_name="other.png"), [10], set()),
    "annotation-id-twice": (change("annotations", 1, id=101), [101], set()),
    "annotation-id-zero": (change("annotations", 1, id=0), [0], set()),
    "category-id-twice": (add("categories", name="cat"), [3], set()),
    "category-name-twice": (change("categories", 1, name="cup"), [7], set()),
    "category-name-alike": (change("categories", 1, name=" Cup"), [3, 7], set()),
    "category-bg": (change("categories", 1, name="BG"), [7], set()),
    "category-background": (change("categories", 1, name="Background"), [7], set()),
    "file-name-twice": (change("images", 1, file_name="10.png"), [20], set()),
    "unknown-image": (change("annotations", 2, image_id=11), [103], set()),
    "unknown-category": (change("annotations", 2, category_id=4), [103], set()),
    "file-outside-folder": (change("images", 2, file_name="../30.png"), [30], set()),
    "image-too-large": (
        change("images", 2, width=10**5, height=10**5),
        [30],
        {"rle-size"},
    ),
    "image-size-unusual": (
        add("images", id=40, file_name="40.png", width=900),
        [40],
        {"images-empty"},
    ),
    "box-form": (change("annotations", 0, bbox="[10, 5, 30, 20]"), [101], set()),
    "box-missing": (change("annotations", 0, bbox=[1, 2, None, 4]), [101], set()),
    "box-degenerate": (change("annotations", 0, bbox=[10, 5, 0, 20]), [101], set()),
    "box-xyxy": (
        every_box(lambda x, y, w, h, *_: [x, y, x + w, y + h]),
        [101, 102, 103, 104, 201, 202, 203, 204, 301, 302],
        set(),
    ),
    "box-relative": (
        every_box(lambda x, y, w, h, width, height: [x / width, y / height, w / width, h / height]),
        [101, 102, 103, 104, 201, 202, 203, 204, 301, 302],
        set(),
    ),
    "box-negative": (change("annotations", 3, bbox=[-2, 51, 82, 9]), [104], set()),
    "box-outside": (change("annotations", 3, bbox=[0, 51, 82, 9]), [104], set()),
    "box-not-mask": (change("annotations", 0, bbox=[30, 20, 30, 20]), [101], set()),
    "box-loose": (change("annotations", 0, bbox=[10, 5, 30, 25]), [101], set()),
    "mask-missing": (
        change("annotations", 0, segmentation=None, bbox=None),
        [101],
        {"box-missing"},
    ),
    "box-only": (forget("annotations", 0, "segmentation"), [101], set()),
    "points-form": (points([[12, 8], [30, 20]], [1]), [101], {"box-only"}),
    "points-outside": (points([[12, 8], [12, 30], [79, 59]], [1, 0, 0]), [101], {"box-only"}),
    "score-form": (change("annotations", 0, score=95), [101], set()),
    "labelled-form": (change("images", 1, labelled=True, neg_category_ids="3"), [20], set()),
    "searched-form": (lambda d: d.update(searched={"cup": True}), [], set()),
    "mask-form": (mask(0, [[[10, 5], [40, 5], [40, 25], [10, 25]]]), [101], set()),
    "mask-exchanged": (
        exchange_masks,
        [101, 102, 103, 104, 201, 202, 203, 204, 301, 302],
        set(),
    ),
    "polygon-long": (mask(0, [[10, 5, 40, 25] * 90_000]), [101], set()),
    "polygon-flat": (mask(0, RECTANGLE), [101], set()),
    "polygon-broken": (mask(0, [RECTANGLE, [1, 2, math.nan, 4, 5, 6]]), [101], set()),
    "polygon-odd": (mask(0, [RECTANGLE, [1, 2, 3, 4, 5, 6, 7]]), [101], set()),
    "polygon-short": (mask(0, [RECTANGLE, [1, 2, 3, 4]]), [101], set()),
    "polygon-relative": (relative_polygons, [101, 102, 201, 202, 301, 302], set()),
    "polygon-far-outside": (mask(0, [[10, 5, 40, 5, 40, 25, 10, 500]]), [101], set()),
    "polygon-outside": (
        mask(0, [[-10, 5, 40, 5, 40, 25, -10, 25]]),
        [101],
        {"box-loose", "area-off"},
    ),
    "polygon-crosses": (mask(0, [[10, 5, 40, 25, 40, 5, 10, 25]]), [101], {"area-off"}),
    "rle-broken": (mask(2, {"size": [60, 80], "counts": [1, "x"]}), [103], set()),
    "rle-runs": (mask(2, {"size": [60, 80], "counts": [10, 5000]}), [103], set()),
    "rle-size": (mask(2, {"size": [80, 60], "counts": [10, 4790]}), [103], set()),
    "mask-empty": (mask(2, {"size": [60, 80], "counts": [4800]}), [103], set()),
    "area-missing": (change("annotations", 0, area=-1), [101], set()),
    "area-off": (change("annotations", 2, area=31 * 31), [103], set()),
    "crowd-missing": (forget("annotations", 0, "iscrowd"), [101], set()),
    "crowd-value": (change("annotations", 0, iscrowd="no"), [101], set()),
    "crowd-all": (
        all_crowds,
        [101, 102, 103, 104, 201, 202, 203, 204, 301, 302],
        {"class-empty"},
    ),
    "crowd-many": (flag_donuts, [103, 104, 203, 204, 304], set()),
    "crowd-polygon": (change("annotations", 1, iscrowd=1), [102], set()),
    "annotation-twice": (add("annotations", id=999), [999], set()),
    "no-objects": (no_annotations, [], {"images-empty", "class-empty"}),
    "images-empty": (empty_images, [10], set()),
    "class-few": (lambda d: None, [3, 7], set()),
    "class-empty": (add("categories", id=8, name="owl"), [8], set()),
}
ELSEWHERE = {
    *("not-coco", "box-mask-differ", "categories-differ", "class-not-in-val", "class-not-in-train"),
    *(code for code in RULES if code.startswith(("photo-", "size-", "exif-"))),
}


def look(document):
    return examine_document(document, Surroundings())


def codes(examination):
    return {each.code for each in examination.findings}


def test_a_sound_document_has_no_findings():
    assert codes(look(sound())) == USUAL


def test_every_finding_is_tried():
    assert BROKEN.keys() | ELSEWHERE == RULES.keys()


@pytest.mark.parametrize("code", BROKEN)
def test_what_is_broken_is_found_and_named_and_repaired(code):
    apply, ids, company = BROKEN[code]
    document = sound()
    apply(document)
    seen = look(document)
    found = next(each for each in seen.findings if each.code == code)
    assert list(found.ids) == ids
    assert found.count >= len(ids)
    assert "\n" not in found.message and "{" not in found.message
    assert codes(seen) - USUAL == {code, *company} - USUAL
    healed, changes = mend(seen)
    assert not healed.count("error")
    if found.fix:
        assert code not in codes(healed)
        assert changes


@pytest.mark.parametrize("empty", [None, "", [], {}, [[]], [[], []], [None]])
def test_an_empty_mask_is_none(empty):
    document = sound()
    mask(0, empty)(document)
    assert codes(look(document)) - USUAL == {"box-only"}
    document["annotations"][0]["bbox"] = None
    assert codes(look(document)) - USUAL == {"box-missing", "mask-missing"}


@pytest.mark.parametrize(
    ("coords", "labels"),
    [([], []), (None, None), ([[10, 5], [40, 25]], [1, 0]), ([["12", 8.0]], [1.0])],
)
def test_sound_points_have_no_findings(coords, labels):
    document = sound()
    points(coords, labels)(document)
    assert codes(look(document)) - USUAL == {"box-only"}


@pytest.mark.parametrize(
    ("coords", "labels", "words"),
    [
        ([[12, 8]], None, "is not a list"),
        ([[12, 8], [12, 9]], [1], "2 point_coords and 1 point_labels"),
        ([[12, 8, 1]], [1], "point_coords has \\[12, 8, 1\\], not"),
        ([[12, math.nan]], [1], "point_coords has"),
        ([[12, 8]], [2], "point_labels has 2, not 1 or 0"),
    ],
)
def test_strange_points_are_found_where_they_are_used(coords, labels, words):
    document = sound()
    points(coords, labels)(document)
    (found,) = (each for each in look(document).findings if each.code == "points-form")
    assert re.search(words, found.message)
    document["annotations"][0]["segmentation"] = [RECTANGLE]  # as in SA-1B, without labels
    assert codes(look(document)) == USUAL


def test_points_outside_are_left_out_by_a_repair():
    document = sound()
    points([[12, 8], [12, 30], [-3, 8]], [1, 0, 0])(document)
    healed, _ = mend(look(document))
    record = healed.document["annotations"][0]
    assert (record["point_coords"], record["point_labels"]) == ([[12, 8]], [1])


@pytest.mark.parametrize("score", [0, 1, 0.5, None])
def test_scores_of_detectors_are_sound(score):
    document = sound()
    change("annotations", 0, score=score)(document)
    assert codes(look(document)) == USUAL


@pytest.mark.parametrize("document", [None, 3, "x", [], [{"image_id": 1, "score": 0.5}]])
def test_what_is_no_dataset_is_one_error(document):
    seen = look(document)
    assert seen.findings[0].code == "not-coco"
    assert type(document).__name__ in seen.findings[0].message


def test_findings_are_ordered_by_severity():
    document = sound()
    document["annotations"][0].update(bbox=[1, 1, 0, 0], area=3)
    document["annotations"][2]["segmentation"] = None
    severities = [each.severity for each in look(document).findings]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)


def test_statistics_count_objects_without_crowds():
    facts = look(sound()).statistics
    assert (facts["images"], facts["objects"], facts["crowds"]) == (3, 9, 3)
    assert facts["classes"] == {"dog": 6, "cup": 3}
    assert facts["object_sizes"] == {"small": 9, "medium": 0, "large": 0}
    assert facts["objects_per_image"] == {"least": 3, "median": 3.0, "mean": 3.0, "most": 3}
    json.dumps(facts)


def test_a_validation_set_with_other_classes_is_told(tmp_path):
    other = sound()
    other["categories"] = [{"id": 3, "name": "dog"}, {"id": 9, "name": "owl"}]
    for each in other["annotations"]:
        each["category_id"] = 9
    paths = write_json(tmp_path / "a.json", sound()), write_json(tmp_path / "b.json", other)
    seen = examine(paths[0], val_coco_json=paths[1])
    messages = {each.code: each.message for each in seen.findings}
    assert messages.keys() - USUAL == {
        "class-not-in-val",
        "class-not-in-train",
        "categories-differ",
    }
    assert "'cup', 'dog'" in messages["class-not-in-val"]
    assert "'owl'" in messages["class-not-in-train"]
    assert "'dog' is 7, there 3" in messages["categories-differ"]


def test_the_quick_check_needs_no_masks_and_no_photos(tmp_path):
    document = sound()
    document["annotations"][0]["bbox"] = [10, 5, 0, 20]
    document["annotations"][2]["segmentation"] = {"size": [60, 80], "counts": [4800]}
    folder = write_photos(tmp_path / "photos")
    assert {each.code for each in quick_check(document, folder)} == {"box-degenerate"} | USUAL
    (folder / "20.png").unlink()
    found = next(each for each in quick_check(document, folder) if each.code == "photo-missing")
    assert found.ids == (20,)


def test_boxes_as_corners_are_seen_without_masks():
    document = sound()
    boxes = [[x, y, x + 12, y + 9] for x in (0, 20, 40, 66) for y in (0, 20, 50)]
    document["annotations"] = [
        annotation(i + 1, 10, 3, rle(crowd()), box, 720) for i, box in enumerate(boxes)
    ]
    found = quick_check(document)
    assert {"box-xyxy"} == {each.code for each in found if each.severity == "error"}


def test_a_photo_may_have_hundreds_of_objects(tmp_path):
    document = sound()
    places = [(x, y) for x in range(0, 78, 4) for y in range(0, 58, 4)]
    document["annotations"] = [
        annotation(i, 10, 3, [[x, y, x + 2, y, x + 2, y + 2, x, y + 2]], [x, y, 2, 2], 4)
        for i, (x, y) in enumerate(places, start=1)
    ]
    seen = examine(write_json(tmp_path / "a.json", document))
    assert len(places) > 255 and not seen.count("error")
    assert seen.statistics["objects"] == len(places)


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    path = write_json(tmp_path / "a.json", sound())
    with pytest.raises(InputError, match="nowhere"):
        examine(path, tmp_path / "nowhere")
    with pytest.raises(InputError, match="nowhere"):
        quick_check(sound(), tmp_path / "nowhere")


def test_drawn_scenes_are_sound(tmp_path):
    path = write_scenes(tmp_path, 30)
    seen = examine(path, tmp_path / "images")
    assert codes(seen) <= {"class-few", "class-empty"}


REAL = {  # golden has no photos here
    "annotations/instances_train2017.json": "train2017",
    "annotations/instances_val2017.json": "val2017",
    "golden/instances_val2014_100.json": None,
}


@pytest.mark.parametrize("name", REAL)
def test_real_annotations_have_nothing_but_what_is_there(coco_dir, name):
    folder = REAL[name] and coco_dir / REAL[name]
    seen = examine(coco_dir / name, folder)
    crossing = next((each.count for each in seen.findings if each.code == "polygon-crosses"), 0)
    assert codes(seen) <= {"class-few", "class-empty", "polygon-crosses"}
    assert crossing <= 1  # found one by one, by comparing all edges
