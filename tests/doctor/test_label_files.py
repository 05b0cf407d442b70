"""What the doctor makes of label files that say one thing and mean another."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from coco_documents import RECTANGLE, annotation, sound, write_json, write_photos
from PIL import Image

import instseg
from instseg.data.coco import CocoData
from instseg.doctor.examination import Surroundings
from instseg.doctor.examine import examine_document, quick_check
from instseg.doctor.mend import mend


def codes(examination, severity=None):
    return {f.code for f in examination.findings if severity in (None, f.severity)}


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path / "photos")


@pytest.mark.parametrize("name", ["images\\{}.png", "{}.PNG", "a/b/{}.png", "/data/{}.png", "%3{}"])
def test_photos_called_a_little_otherwise_are_named_and_used(name, photos, tmp_path):
    document = sound()
    for image in document["images"]:
        number = image["id"]
        image["file_name"] = f"%3{number // 10}0.png" if name == "%3{}" else name.format(number)
    path = write_json(tmp_path / "a.json", document)
    seen = instseg.examine(path, photos)
    found = next(f for f in seen.findings if f.code == "photo-renamed")
    assert found.count == 3 and "'10.png'" in found.message
    assert [f.code for f in quick_check(document, photos) if f.severity == "error"] == [found.code]
    done = instseg.repair(path, photos, out=tmp_path / "fixed.json")
    fixed = json.loads(done.path.read_text())
    assert [image["file_name"] for image in fixed["images"]] == ["10.png", "20.png", "30.png"]
    assert len(fixed["annotations"]) == 12 and done.examination.ok


def test_ambiguous_names_are_listed(photos, tmp_path):
    document = sound()
    document["images"][0]["file_name"] = "X.png"
    for name in ("x.png", "x.PNG"):
        os.link(photos / "10.png", photos / name)
    seen = instseg.examine(write_json(tmp_path / "a.json", document), photos)
    found = next(f for f in seen.findings if f.code == "photo-ambiguous")
    assert found.ids == (10,) and "'x.PNG', 'x.png'" in found.message


# A photo of 30 x 20 with an object at its upper left, stored as each EXIF orientation has it.
UPRIGHT = np.zeros((20, 30, 3), np.uint8)
UPRIGHT[2:8, 3:15] = 255
STORED = {
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.transpose(1, 0, 2),
    6: np.rot90(UPRIGHT),
    7: UPRIGHT[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90(UPRIGHT, -1),
}


def turned_photos(folder, orientations, on_stored=True, square=False):
    """Photos of these orientations and their document, annotated on the stored pixels or not."""
    folder.mkdir()
    document = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "box"}]}
    for number in orientations:
        stored = STORED[number]
        drawn = stored if on_stored else UPRIGHT
        exif = Image.Exif()
        exif[274] = number
        Image.fromarray(np.ascontiguousarray(stored)).save(folder / f"{number}.png", exif=exif)
        rows, columns = np.nonzero(drawn[..., 0])
        x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        x0, y0, x1, y1 = (int(n) for n in (x0, y0, x1, y1))
        polygon = [x0, y0, x1, y0, x1, y1, x0, y1]
        height, width = drawn.shape[:2]
        name = f"{number}.png"
        document["images"].append(
            {"id": number, "file_name": name, "width": width, "height": height}
        )
        box = [x0, y0, x1 - x0, y1 - y0]
        document["annotations"].append(annotation(number, number, 1, [polygon], box, 72))
    return document


def objects_fit(data):
    """Whether the mask of every photo covers its white pixels, and those alone."""
    return [
        np.array_equal(masks.masks.dense(0), photo[..., 0] > 0)
        for photo, masks in (data.load(i) for i in range(len(data)))
    ]


def test_all_turned_photos_of_a_set_drawn_on_stored_pixels_are_repaired(tmp_path):
    path = write_json(tmp_path / "a.json", turned_photos(tmp_path / "photos", range(1, 9)))
    seen = instseg.examine(path, tmp_path / "photos")
    found = {f.code: f.ids for f in seen.findings}
    assert found["size-exif"] == (5, 6, 7, 8) and found["exif-stored"] == (2, 3, 4)
    assert all(objects_fit(CocoData.read(path, tmp_path / "photos"))), "as they are read unrepaired"
    done = instseg.repair(path, tmp_path / "photos", out=tmp_path / "fixed.json")
    assert done.examination.ok and len(done.examination.document["annotations"]) == 8
    assert all(objects_fit(CocoData.read(done.path, tmp_path / "photos")))
    again = instseg.repair(done.path, tmp_path / "photos", out=tmp_path / "again.json")
    assert not again.changes


@pytest.mark.parametrize("orientations", [(2, 3, 4), range(1, 9)])
def test_photos_drawn_upright_stay_as_they_are(tmp_path, orientations):
    document = turned_photos(tmp_path / "photos", orientations, on_stored=False)
    path = write_json(tmp_path / "a.json", document)
    assert codes(instseg.examine(path, tmp_path / "photos"), "error") == set()
    assert all(objects_fit(CocoData.read(path, tmp_path / "photos")))


def test_masks_and_boxes_that_disagree_everywhere_are_left_alone():
    document = sound()
    for each in document["annotations"]:
        each["bbox"] = [70, 50, 5, 5] if each["bbox"][0] < 40 else [2, 2, 5, 5]
    seen = examine_document(document, Surroundings())
    found = next(f for f in seen.findings if f.code == "box-mask-differ")
    assert (found.severity, found.count, found.fix) == ("error", 12, None)
    healed, changes = mend(seen)
    assert healed.document == document and changes == []


def test_exchanged_axes_are_set_right_and_the_boxes_stay():
    document = sound()
    for each in document["annotations"]:
        if isinstance(each["segmentation"], list):
            each["segmentation"] = [
                [n for xy in zip(part[1::2], part[::2], strict=True) for n in xy]
                for part in each["segmentation"]
            ]
    document["annotations"] = [
        a for a in document["annotations"] if type(a["segmentation"]) is list
    ]
    healed, changes = mend(examine_document(document, Surroundings()))
    expected = [a for a in sound()["annotations"] if type(a["segmentation"]) is list]
    assert healed.document["annotations"] == expected
    assert {c.code for c in changes} == {"mask-exchanged"}


def test_crowds_set_by_a_tool_are_cleared_on_request_only(tmp_path):
    document = sound()
    for each in document["annotations"][::2]:
        each["iscrowd"] = int(isinstance(each["segmentation"], dict))
    path = write_json(tmp_path / "a.json", document)
    crowds = sum(a["iscrowd"] for a in document["annotations"])
    assert "crowd-many" in codes(instseg.examine(path), "warning")
    plain = instseg.repair(path, out=tmp_path / "fixed.json")
    assert plain.examination.statistics["crowds"] == crowds
    cleared = instseg.repair(path, out=tmp_path / "fixed.json", clear_crowds=True)
    assert cleared.examination.statistics["crowds"] == 0
    assert sum(c.code == "crowd-many" for c in cleared.changes) == crowds


def test_a_class_of_crowds_alone_is_told():
    document = sound()
    document["categories"].append({"id": 9, "name": "herd"})
    for row in (3, 7):
        document["annotations"][row]["category_id"] = 9
    found = next(
        f for f in examine_document(document, Surroundings()).findings if f.code == "crowd-many"
    )
    assert found.ids == (104, 204) and "'herd'" in found.message


@pytest.mark.parametrize("missing", ["images", "annotations"])
def test_an_empty_dataset_is_never_written(tmp_path, missing):
    document = sound()
    del document[missing]
    path = write_json(tmp_path / "a.json", document)
    with pytest.raises(instseg.InputError, match=r"fixed\.json: not written, as no"):
        instseg.repair(path, out=tmp_path / "fixed.json")
    assert not (tmp_path / "fixed.json").exists()


def test_a_category_called_bg_gets_another_name(tmp_path, photos):
    document = sound()
    document["categories"][0]["name"] = "BG"
    path = write_json(tmp_path / "a.json", document)
    done = instseg.repair(path, photos, out=tmp_path / "fixed.json")
    assert CocoData.read(done.path, photos).class_names == ("BG", "background", "dog")


def test_classes_are_counted(tmp_path):
    val = sound()
    val["categories"] += [{"id": 8, "name": "owl"}, {"id": 9, "name": "hen"}]
    val["annotations"][0]["category_id"] = 8
    val["annotations"][1]["category_id"] = 9
    paths = write_json(tmp_path / "a.json", sound()), write_json(tmp_path / "b.json", val)
    counts = {f.code: f.count for f in instseg.examine(paths[0], val_coco_json=paths[1]).findings}
    assert (counts["class-not-in-train"], counts["categories-differ"]) == (2, 2)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"shapes": [], "imagePath": "a.jpg"}, "LabelMe"),
        ({"type": "FeatureCollection", "features": []}, "GeoJSON"),
        ([{"image_id": 1, "category_id": 2, "score": 0.5}], "list of results"),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, document, words):
    path = write_json(tmp_path / "a.json", document)
    assert words in instseg.examine(path).findings[0].message
    with pytest.raises(instseg.InputError, match=r"a\.json: no COCO dataset"):
        instseg.repair(path, out=tmp_path / "fixed.json")


def test_many_equal_objects_on_one_photo_are_each_found_again():
    document = sound(images=1)
    document["annotations"] = [
        annotation(i, 10, 3, [RECTANGLE], [10, 5, 30, 20], 600) for i in range(1, 1501)
    ]
    found = next(
        f
        for f in examine_document(document, Surroundings()).findings
        if f.code == "annotation-twice"
    )
    assert found.count == 1499


def test_a_mask_of_many_parts_is_measured():
    document = sound(images=1)
    dots = [
        [x, y, x + 1, y, x + 1, y + 1, x, y + 1] for x in range(0, 80, 2) for y in range(0, 60, 2)
    ]
    document["annotations"] = [annotation(1, 10, 3, dots * 9, [0, 0, 79, 59], len(dots))]
    assert codes(examine_document(document, Surroundings())) == {"class-few", "class-empty"}


CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
OBJECTS = {"07-cvat-sam-iscrowd-mixed": 13, "50-sahi-polygon-results": 38, "80-exif-poly": 8}


@pytest.mark.skipif(not CASES.is_dir(), reason="the developers' cases are not here")
@pytest.mark.parametrize(
    "case",
    sorted(p.parent.name for p in CASES.glob("*/ann.json") if (p.parent / "images").is_dir()),
)
def test_no_object_of_the_cases_is_lost(case, tmp_path):
    path, folder = CASES / case / "ann.json", CASES / case / "images"
    if not path.exists():
        pytest.skip("masks in files, no COCO document")
    stated = len(json.loads(path.read_text()).get("annotations", ()))
    if not stated:
        with pytest.raises(instseg.InputError, match=r"not written|no COCO dataset"):
            instseg.repair(path, folder, out=tmp_path / "fixed.json")
        return
    done = instseg.repair(path, folder, out=tmp_path / "fixed.json")
    assert done.examination.ok
    assert len(done.examination.document["annotations"]) == stated
    data = CocoData.read(done.path, folder)
    data.require_photos()
    assert sum(len(data.load(i)[1]) for i in range(len(data))) == OBJECTS.get(case, stated)
