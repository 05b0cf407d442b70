"""Repairing datasets."""

import copy
import json
from pathlib import Path

import hypothesis.strategies as st
import pytest
from coco_documents import RECTANGLE, donut, rle, sound, write_photos
from hypothesis import HealthCheck, given, settings

from instseg.core.masks import Masks
from instseg.data.coco import CocoData
from instseg.data.labels import TrainingLabels
from instseg.doctor.examination import Surroundings
from instseg.doctor.examine import examine_document, quick_check, survey
from instseg.doctor.examples import examples
from instseg.doctor.mend import mend
from instseg.doctor.repair import json_of

GARBAGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 100),
    st.sampled_from([10**20, 10**400, -(2**63), 2**53 - 1, 1e308, 1e15, 0.5, -0.0, 10.0]),
    st.floats(),
    st.sampled_from(["", "10", "3.0", "../x.png", "/etc/passwd", "a\0b", "\ud800", "20.png"]),
    st.text(max_size=5),
    st.sampled_from([[], {}, [[]], [{}], [None], [[1, 2]], [[0, 0, 1, 0, 1, 1]], [1, 2, 3, 4]]),
    st.lists(st.lists(st.floats(-100, 200), min_size=6, max_size=12), max_size=3),
    st.just({"size": [60, 80], "counts": [100, 50, 4650]}),
    st.just({"size": [60, 80], "counts": "04k0"}),
    st.just({"size": [80, 60], "counts": [4800]}),
    st.sampled_from(["[1, 2, 3, 4]", "[[[1,2],[3,4],[5,6]]]", "10.png", "uuid-1", "true", "nan"]),
    st.just([{"size": [60, 80], "counts": [4800]}]),
    st.just({"size": [60, 80], "counts": "b'04k0'"}),
    st.sampled_from([[[1, 1, 9, 9]], [{"x": 1, "y": 2}] * 3, ["1", "2", "3", "4"], {"x": 1}]),
)


def places(value, path=()):
    """The path to every value inside a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value[:9]) if isinstance(value, list) else items
    for key, inner in items:
        yield from places(inner, (*path, key))


PLACES = [path for path in places(sound()) if path]


@st.composite
def broken_documents(draw):
    document = sound()
    for path in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=6)):
        owner = document
        try:
            for key in path[:-1]:
                owner = owner[key]
            if draw(st.booleans()):
                owner[path[-1]] = copy.deepcopy(draw(GARBAGE))
            elif draw(st.booleans()):
                del owner[path[-1]]
            else:
                owner.append(copy.deepcopy(owner[path[-1]]))
        except (KeyError, IndexError, TypeError, AttributeError):
            pass  # an earlier change took the place away
    return document


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("photos"), images=2)  # the third is missing


def errors(examination):
    return [each for each in examination.findings if each.severity == "error"]


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(document=broken_documents())
def test_whatever_is_broken_no_error_is_left(document, photos):
    text = json.dumps(document)
    quick_check(document, photos)
    around = survey(document, photos)
    seen = examine_document(document, around)
    list(examples(seen.table, seen.findings, photos, 5))
    healed, _ = mend(seen)
    assert json.dumps(document) == text
    rewritten = json.loads(json.dumps(healed.document))
    assert errors(examine_document(rewritten, survey(rewritten, photos))) == []
    data = CocoData.read(Path("fixed.json"), photos, content=json_of(healed.document))
    labels = TrainingLabels(data=data)  # objects without a mask keep their box
    for index in range(len(data)):
        data.photo(index)
        labels.of(index)
    assert len(data.document()["annotations"]) == len(healed.table)


def heal(document, around=None):
    around = around or Surroundings()
    healed, changes = mend(examine_document(document, around))
    return healed.document, changes


def test_a_sound_document_stays_as_it_is():
    healed, changes = heal(sound())
    assert healed == sound()
    assert changes == []


def test_numbers_written_as_text_become_numbers_and_keep_their_photos(photos):
    document = sound(images=2)
    document["images"][0].update(id="10", width=80.0)
    document["annotations"][0].update(image_id="10.0", id=None)
    healed, changes = heal(document, survey(document, photos))
    assert healed["images"] == sound(images=2)["images"]
    assert healed["annotations"][0] == {**sound()["annotations"][0], "id": 205}
    assert {change.code for change in changes} == {"number-form", "key-type"}


def test_records_of_one_file_or_class_are_joined():
    document = sound(images=2)
    document["images"][1]["file_name"] = "10.png"
    document["annotations"][4:] = [{**a, "category_id": 7} for a in document["annotations"][4:5]]
    document["categories"].append({"id": 9, "name": "cup"})
    document["annotations"][1]["category_id"] = 9
    healed, _ = heal(document)
    assert [image["id"] for image in healed["images"]] == [10]
    assert [category["id"] for category in healed["categories"]] == [3, 7]
    assert [a["category_id"] for a in healed["annotations"]] == [3, 3, 7, 3, 7]
    assert {a["image_id"] for a in healed["annotations"]} == {10}


def test_broken_parts_go_and_the_others_stay():
    document = sound()
    parts = document["annotations"][1]["segmentation"]
    document["annotations"][1]["segmentation"] = [parts[0], [1, 2, 3, 4], [1, 2, 3], None, parts[1]]
    healed, _ = heal(document)
    pixels = 117  # of the two parts, which enclose 122
    assert healed["annotations"][1] == {**sound()["annotations"][1], "area": pixels}


def test_relative_coordinates_become_pixels():
    document = sound()
    document["annotations"] = [document["annotations"][0]]
    shares = [value / (60 if i % 2 else 80) for i, value in enumerate(RECTANGLE)]
    document["annotations"][0].update(segmentation=[shares], bbox=[0.125, 1 / 12, 0.375, 1 / 3])
    healed, _ = heal(document)
    assert healed["annotations"][0]["segmentation"][0] == pytest.approx(RECTANGLE)
    assert healed["annotations"][0]["bbox"] == [10, 5, 30, 20]


def test_masks_over_the_border_are_cut():
    document = sound()
    wide = [[-100, 5, 40, 5, 40, 25, -100, 25]]
    document["annotations"][0].update(segmentation=wide, bbox=[-100, 5, 140, 20], area=2800)
    healed, _ = heal(document)
    annotation = healed["annotations"][0]
    assert (annotation["bbox"], annotation["area"]) == ([0, 5, 40, 20], 800)
    assert min(annotation["segmentation"][0]) == 0


def test_crowds_of_polygons_become_rle_and_keep_their_pixels():
    document = sound()
    document["annotations"][0]["iscrowd"] = 1
    healed, _ = heal(document)
    mask = healed["annotations"][0]["segmentation"]
    assert mask == Masks.from_polygons([[RECTANGLE]], (60, 80)).to_rle()[0]
    assert healed["annotations"][0]["iscrowd"] == 1


def test_box_and_area_of_rle_come_from_its_pixels():
    document = sound()
    document["annotations"][2].update(segmentation=rle(donut()), bbox=None, area=None)
    healed, changes = heal(document)
    assert healed["annotations"][2]["bbox"] == sound()["annotations"][2]["bbox"]
    assert healed["annotations"][2]["area"] == donut().sum()
    assert [change.before for change in changes] == [{"bbox": None}, {"area": None}]


def test_what_else_the_document_holds_is_kept():
    document = {"info": {"year": 2017}, **sound()}
    document["annotations"][0].update(color="red", bbox=None)
    healed, _ = heal(document)
    assert healed["info"] == {"year": 2017}
    assert healed["annotations"][0]["color"] == "red"


def test_runs_that_end_too_early_are_not_taken_for_a_mask():
    """pycocotools would read what lies behind them in memory."""
    document = sound()
    document["annotations"][2]["segmentation"] = {"size": [60, 80], "counts": [5, 6, 7]}
    healed, changes = heal(document)
    assert 103 not in [a["id"] for a in healed["annotations"]]
    assert ("rle-runs", "drop") in [(c.code, c.action) for c in changes]
